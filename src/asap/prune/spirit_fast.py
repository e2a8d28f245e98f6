"""SPIRIT read the other way: the perplexity of each step's own tokens, in one pass.

"Perplexity of a step, computed once" in the ASAP paper fits this as well as leave-one-out (see
`spirit.py`); tables show both. PPL(s) = exp(mean NLL of its tokens | question, all steps before);
the lowest goes first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from asap.prune.method import Method, Options, Tools
from asap.prune.step_level import StepLevel, request_whole
from asap.trace import Trace


def build_spirit_fast(options: Options) -> Method:
    """The method, under a recipe's options."""
    return StepLevel(options, "perplexity of the step", _score, frozenset({"scorer"}))


def _score(batch: Sequence[Trace], options: Options, tools: Tools) -> list[Sequence[float]]:
    requests = [request_whole(trace) for trace in batch]
    scores = tools.need_scorer().score(requests, frozenset({"mean_nll"}))
    return [[math.exp(mean) for mean in own.mean_nll] for own in scores]
