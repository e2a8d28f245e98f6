"""Step entropy (arXiv 2508.03346): steps during which the model was least in doubt go first.

H(s) = the entropies of the next-token distributions over the step's tokens, summed, in nats. The
paper masks the lowest 80 % of the steps and puts `[SKIP]` where they stood; ours drops them, and
the token budget says how many.
"""

from __future__ import annotations

from collections.abc import Sequence

from asap.prune.method import Method, Need, Options, Tools
from asap.prune.step_level import StepLevel, request_whole
from asap.trace import Trace


def build_step_entropy(options: Options) -> Method:
    """The method, under a recipe's options."""
    needs: frozenset[Need] = frozenset({"scorer", "entropies"})
    return StepLevel(options, "entropy of the step, nats", _score, needs)


def _score(batch: Sequence[Trace], options: Options, tools: Tools) -> list[Sequence[float]]:
    requests = [request_whole(trace) for trace in batch]
    scores = tools.need_scorer().score(requests, frozenset({"sum_entropy"}))
    return [own.sum_entropy for own in scores]
