"""The paper's experiment at one machine's size: a made-up language of small programs, traces with
labelled habits, every method's training data, students, tables. What it shows is what training does
given a ranking, not what real traces are like.
"""

from asap.lab.findings import (
    FIRST_TOKEN_SCORE,
    ArmData,
    Findings,
    GatedBase,
    GateTrial,
    ProtocolName,
    ScoreAuc,
    StudentRun,
    TrainingFigures,
)
from asap.lab.generation import Generation, generate_greedy
from asap.lab.grade import grade
from asap.lab.measure import (
    ArmScore,
    PairDifference,
    Setting,
    SettingResults,
    Tested,
    VoidRule,
    measure_lab,
)
from asap.lab.reading import Reading, read_setting
from asap.lab.report import REPORT, RESULTS, render_report, write_report

__all__ = [
    "FIRST_TOKEN_SCORE",
    "REPORT",
    "RESULTS",
    "ArmData",
    "ArmScore",
    "Findings",
    "GateTrial",
    "GatedBase",
    "Generation",
    "PairDifference",
    "ProtocolName",
    "Reading",
    "ScoreAuc",
    "Setting",
    "SettingResults",
    "StudentRun",
    "Tested",
    "TrainingFigures",
    "VoidRule",
    "generate_greedy",
    "grade",
    "measure_lab",
    "read_setting",
    "render_report",
    "write_report",
]
