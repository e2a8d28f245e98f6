"""The control `longest-first`: the steps with the most tokens go first. Few removals reach a
budget, so it shows what mere length does to a measure that counts steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from asap.prune.method import Method, Options, Tools
from asap.prune.step_level import StepLevel
from asap.trace import Trace


def build_longest_first(options: Options) -> Method:
    """The method, under a recipe's options."""
    return StepLevel(options, "negative length, tokens", _score)


def _score(batch: Sequence[Trace], options: Options, tools: Tools) -> list[Sequence[float]]:
    return [[-float(n) for n in trace.tokens.inner] if trace.tokens else [] for trace in batch]
