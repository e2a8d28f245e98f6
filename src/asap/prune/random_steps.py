"""The control `random`: steps go in an order drawn by `seed`, row and id; nothing is read."""

from __future__ import annotations

import random
from collections.abc import Sequence

from asap.prune.method import Method, Options, Tools
from asap.prune.step_level import StepLevel
from asap.trace import Trace


def build_random(options: Options) -> Method:
    """The method, under a recipe's options."""
    return StepLevel(options, "random number", _score)


def _score(batch: Sequence[Trace], options: Options, tools: Tools) -> list[Sequence[float]]:
    scores: list[Sequence[float]] = []
    for trace in batch:
        chance = random.Random(f"{options.seed} {trace.row} {trace.id}")
        scores.append([chance.random() for _ in trace.steps])
    return scores
