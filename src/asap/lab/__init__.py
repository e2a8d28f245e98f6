"""The paper's experiment at one machine's size: a made-up language of small programs, traces with
labelled habits, every method's training data, students, tables. What it shows is what training does
given a ranking, not what real traces are like.
"""

from asap.lab.experiment import run_lab
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
from asap.lab.habits import Habit, HabitRates
from asap.lab.measure import (
    ArmScore,
    PairDifference,
    Setting,
    SettingResults,
    Tested,
    VoidRule,
    measure_lab,
)
from asap.lab.openers import COUNTS as OPENER_COUNTS
from asap.lab.openers import HABIT_OPENERS, REGIMES, Regime
from asap.lab.program import Difficulty
from asap.lab.reading import Reading, read_setting
from asap.lab.report import REPORT, RESULTS, render_report, write_report
from asap.lab.report_tables import lay_out_main
from asap.lab.scale import GATE, SCALES, Network, Scale, Student
from asap.lab.separability import SCORES, ScoreName, Separation, label_auc, measure_separability
from asap.lab.task import GPU, SMALL, TINY, LabTrace, SizeName, Split, Task, draw_traces
from asap.lab.tokenizer import list_words, write_tokenizer

__all__ = [
    "FIRST_TOKEN_SCORE",
    "GATE",
    "GPU",
    "HABIT_OPENERS",
    "OPENER_COUNTS",
    "REGIMES",
    "REPORT",
    "RESULTS",
    "SCALES",
    "SCORES",
    "SMALL",
    "TINY",
    "ArmData",
    "ArmScore",
    "Difficulty",
    "Findings",
    "GateTrial",
    "GatedBase",
    "Generation",
    "Habit",
    "HabitRates",
    "LabTrace",
    "Network",
    "PairDifference",
    "ProtocolName",
    "Reading",
    "Regime",
    "Scale",
    "ScoreAuc",
    "ScoreName",
    "Separation",
    "Setting",
    "SettingResults",
    "SizeName",
    "Split",
    "Student",
    "StudentRun",
    "Task",
    "Tested",
    "TrainingFigures",
    "VoidRule",
    "draw_traces",
    "generate_greedy",
    "grade",
    "label_auc",
    "lay_out_main",
    "list_words",
    "measure_lab",
    "measure_separability",
    "read_setting",
    "render_report",
    "run_lab",
    "write_report",
    "write_tokenizer",
]
