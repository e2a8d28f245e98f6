"""The pruning methods: ASAP, its stages each on its own, and the table from which recipes choose.

To add a method: one file, and one line in the table of `methods.py`.
"""

from asap.prune.asap import Asap
from asap.prune.c3ot import LONG_CONDITION, SHORT_CONDITION, C3ot
from asap.prune.dap import Dap
from asap.prune.drop import Order, count_after, drop_until, fit_to_budget, order_by_score
from asap.prune.extract import order_drops
from asap.prune.first_token import Ranking, rank_by_surprisal
from asap.prune.gestalt import GestaltMatch, match_steps
from asap.prune.llmlingua2 import LLMLingua2
from asap.prune.method import Method, Need, Options, StageClock, Tools
from asap.prune.methods import METHODS, list_methods
from asap.prune.passage import Passage, find_passages, governed_by_header
from asap.prune.selective_context import SelectiveContext
from asap.prune.step_level import StepLevel
from asap.prune.tokenskip import TokenSkip, ratio_suffix
from asap.prune.value import AnswerValue, find_value

__all__ = [
    "LONG_CONDITION",
    "METHODS",
    "SHORT_CONDITION",
    "AnswerValue",
    "Asap",
    "C3ot",
    "Dap",
    "GestaltMatch",
    "LLMLingua2",
    "Method",
    "Need",
    "Options",
    "Order",
    "Passage",
    "Ranking",
    "SelectiveContext",
    "StageClock",
    "StepLevel",
    "TokenSkip",
    "Tools",
    "count_after",
    "drop_until",
    "find_passages",
    "find_value",
    "fit_to_budget",
    "governed_by_header",
    "list_methods",
    "match_steps",
    "order_by_score",
    "order_drops",
    "rank_by_surprisal",
    "ratio_suffix",
]
