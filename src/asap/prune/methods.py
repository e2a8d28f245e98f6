"""The table of all pruning methods: a name that recipes use, and what builds the method."""

from __future__ import annotations

from collections.abc import Callable

from asap.prune.asap import Asap, build_original, build_without_stage1, build_without_stage2
from asap.prune.c3ot import C3ot
from asap.prune.dap import Dap
from asap.prune.labelled import build_anti_oracle, build_oracle
from asap.prune.llmlingua2 import LLMLingua2
from asap.prune.longest_first import build_longest_first
from asap.prune.method import Method, Options
from asap.prune.random_steps import build_random
from asap.prune.selective_context import SelectiveContext
from asap.prune.spirit import build_spirit
from asap.prune.spirit_fast import build_spirit_fast
from asap.prune.step_entropy import build_step_entropy
from asap.prune.tokenskip import TokenSkip
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
    "c3ot": C3ot,
    "dap": Dap,
    "selective-context": SelectiveContext,
    "llmlingua2": LLMLingua2,
    "tokenskip": TokenSkip,
    "oracle": build_oracle,
    "anti-oracle": build_anti_oracle,
}
"""Every method by the name that recipes use."""


def list_methods() -> list[str]:
    """The methods that any trace can be pruned by: all but those that ask for labels."""
    return [name for name, build in METHODS.items() if "labels" not in build(Options()).needs]
