"""The bounds `oracle` and `anti-oracle`: methods that are told which steps are redundant.

`oracle` removes labelled redundant steps first, `anti-oracle` the others; within each group the
order is drawn by `seed`, row and id, as that of `random` is. Real traces have no such labels: the
two exist for made-up ones, to say how much any ranking could gain or lose there. The paper has no
such bound.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from asap.prune.method import Method, Options, Tools
from asap.prune.step_level import ScoreSteps, StepLevel
from asap.trace import Trace


def build_oracle(options: Options) -> Method:
    """The upper bound, under a recipe's options."""
    return _build(options, is_redundant_first=True)


def build_anti_oracle(options: Options) -> Method:
    """The lower bound, under a recipe's options."""
    return _build(options, is_redundant_first=False)


def _build(options: Options, is_redundant_first: bool) -> Method:
    score = _score_by(is_redundant_first)
    return StepLevel(options, "label and random number", score, frozenset({"labels"}))


def _score_by(is_redundant_first: bool) -> ScoreSteps:
    def score(batch: Sequence[Trace], options: Options, tools: Tools) -> list[Sequence[float]]:
        scores: list[Sequence[float]] = []
        for trace in batch:
            chance = random.Random(f"{options.seed} {trace.row} {trace.id}")
            labels = tools.need_labels(trace)
            scores.append([chance.random() + (label != is_redundant_first) for label in labels])
        return scores

    return score
