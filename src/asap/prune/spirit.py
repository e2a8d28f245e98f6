"""SPIRIT as the ASAP paper modifies it: leave-one-out perplexity, computed once per step.

SPIRIT (arXiv 2502.13260) drops or merges the step without which the perplexity of the trace rises
least, and computes all anew after each. The paper computes it once and drops down to the ratio. The
step whose absence leaves the lowest perplexity goes first: PPL(x; C without s) = exp(mean NLL of
the rest). Ours: the rise is measured over the next `suffix_tokens` (512) tokens, 0 for all that the
model's window holds; beyond them the NLL is taken as unchanged. Nothing is merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from asap.prune.method import Method, Options, Tools
from asap.prune.step_level import StepLevel, request_whole
from asap.trace import Trace


def build_spirit(options: Options) -> Method:
    """The method, under a recipe's options."""
    return StepLevel(options, "perplexity without the step", _score, frozenset({"scorer"}))


def _score(batch: Sequence[Trace], options: Options, tools: Tools) -> list[Sequence[float]]:
    scorer = tools.need_scorer()
    requests = [request_whole(trace) for trace in batch]
    scores = scorer.score(requests, frozenset({"sum_nll"}))
    rises = scorer.score_left_out(requests, options.suffix_tokens)
    return [
        perplexities_without(own.sum_nll, own.n_tokens, rise)
        for own, rise in zip(scores, rises, strict=True)
    ]


def perplexities_without(
    sum_nll: Sequence[float], n_tokens: Sequence[int], rises: Sequence[float]
) -> list[float]:
    """Perplexity of a trace without each of its steps.

    Args:
        sum_nll: each step's own NLL in nats, the others being there.
        n_tokens: its tokens.
        rises: how much the NLL of what follows rises without the step, in nats.

    Returns:
        One perplexity per step; infinite where the trace is that one step.
    """
    total, n = math.fsum(sum_nll), sum(n_tokens)
    return [
        math.exp((total - own + rise) / (n - length)) if length < n else math.inf
        for own, length, rise in zip(sum_nll, n_tokens, rises, strict=True)
    ]
