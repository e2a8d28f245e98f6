"""The pruning methods: ASAP, its stages each on its own, and the table from which recipes choose.

To add a method: one file with a class that has `prune` (see `Method`), one line in `METHODS`.
"""

from collections.abc import Callable

from asap.prune.asap import Asap, build_original, build_without_stage1, build_without_stage2
from asap.prune.drop import Order, count_after, drop_until, fit_to_budget, order_by_score
from asap.prune.extract import order_drops
from asap.prune.first_token import Ranking, rank_by_surprisal
from asap.prune.gestalt import GestaltMatch, match_steps
from asap.prune.longest_first import build_longest_first
from asap.prune.method import Method, Need, Options, StageClock, Tools
from asap.prune.passage import Passage, find_passages, governed_by_header
from asap.prune.random_steps import build_random
from asap.prune.spirit import build_spirit
from asap.prune.spirit_fast import build_spirit_fast
from asap.prune.step_entropy import build_step_entropy
from asap.prune.step_level import StepLevel
from asap.prune.truncation import build_head, build_tail

METHODS: dict[str, Callable[[Options], Method]] = {
    "asap": Asap,
    "asap-no-stage1": build_without_stage1,
    "asap-no-stage2": build_without_stage2,
    "original": build_original,
    "spirit": build_spirit,
    "spirit-fast": build_spirit_fast,
    "step-entropy": build_step_entropy,
    "random": build_random,
    "head": build_head,
    "tail": build_tail,
    "longest-first": build_longest_first,
}
"""Every method by the name that recipes use."""

__all__ = [
    "METHODS",
    "Asap",
    "GestaltMatch",
    "Method",
    "Need",
    "Options",
    "Order",
    "Passage",
    "Ranking",
    "StageClock",
    "StepLevel",
    "Tools",
    "count_after",
    "drop_until",
    "find_passages",
    "fit_to_budget",
    "governed_by_header",
    "match_steps",
    "order_by_score",
    "order_drops",
    "rank_by_surprisal",
]
