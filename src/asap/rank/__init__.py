"""Comparing methods without training: what each leaves of real traces, and what that is worth."""

from asap.rank.arm import Arm, build_arms, list_free_methods
from asap.rank.comparison import CONTROLS, Settings, blend, rank_corpus
from asap.rank.conclusion import AnswerEvidence, conclusion_kept, find_answer_evidence
from asap.rank.coverage import split_question, state_coverage, trace_values
from asap.rank.dangling import References, dangling_rate, find_references, list_dangling
from asap.rank.drafts import keep_all_but_drafts, keep_drafts
from asap.rank.forced import (
    FORCED_VERSION,
    Attempt,
    Begun,
    ForcedAnswer,
    ForcedAnswers,
    reach_answers,
)
from asap.rank.forced_reach import ForcedReach, Forcing
from asap.rank.gardener import PlantKind
from asap.rank.integrity import Integrity, Structure, check_integrity, find_structure
from asap.rank.kept import KeptText
from asap.rank.leave import Left, leave_at_targets, own_target
from asap.rank.metrics import METRICS, Metric, Prepared, measure_kept, prepare_trace
from asap.rank.own_answer import (
    EXAMPLES,
    EXPECTED,
    AnswerChecker,
    OwnResult,
    Reference,
    read_reference,
)
from asap.rank.planting import Plant, Planted, plant_redundancy
from asap.rank.rank_folder import AtTarget, RankFolder, TraceValues
from asap.rank.redundancy import (
    Grouping,
    PlantMeans,
    PlantValue,
    average_plants,
    find_lift,
    measure_removal,
    rank_auc,
    value_plants,
)
from asap.rank.results import (
    FEWEST_PAIRS,
    MOST_MISMATCH,
    Match,
    Measured,
    Results,
    summarise_values,
)
from asap.rank.support import answer_support, read_support, support_requests
from asap.rank.target import keep_spans, read_off
from asap.rank.unique_steps import find_unique_steps
from asap.rank.verify import VERIFY_REASONS, VerifyResult, verify_run

__all__ = [
    "CONTROLS",
    "EXAMPLES",
    "EXPECTED",
    "FEWEST_PAIRS",
    "FORCED_VERSION",
    "METRICS",
    "MOST_MISMATCH",
    "VERIFY_REASONS",
    "AnswerChecker",
    "AnswerEvidence",
    "Arm",
    "AtTarget",
    "Attempt",
    "Begun",
    "ForcedAnswer",
    "ForcedAnswers",
    "ForcedReach",
    "Forcing",
    "Grouping",
    "Integrity",
    "KeptText",
    "Left",
    "Match",
    "Measured",
    "Metric",
    "OwnResult",
    "Plant",
    "PlantKind",
    "PlantMeans",
    "PlantValue",
    "Planted",
    "Prepared",
    "RankFolder",
    "Reference",
    "References",
    "Results",
    "Settings",
    "Structure",
    "TraceValues",
    "VerifyResult",
    "answer_support",
    "average_plants",
    "blend",
    "build_arms",
    "check_integrity",
    "conclusion_kept",
    "dangling_rate",
    "find_answer_evidence",
    "find_lift",
    "find_references",
    "find_structure",
    "find_unique_steps",
    "keep_all_but_drafts",
    "keep_drafts",
    "keep_spans",
    "leave_at_targets",
    "list_dangling",
    "list_free_methods",
    "measure_kept",
    "measure_removal",
    "own_target",
    "plant_redundancy",
    "prepare_trace",
    "rank_auc",
    "rank_corpus",
    "reach_answers",
    "read_off",
    "read_reference",
    "read_support",
    "split_question",
    "state_coverage",
    "summarise_values",
    "support_requests",
    "trace_values",
    "value_plants",
    "verify_run",
]
