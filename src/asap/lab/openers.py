"""How steps begin, under two regimes that are fixed before anything is trained.

First-token surprisal sees little but the first word of a step, so the words that a made-up trace
begins with could decide the lab's result. Under `shared` essential and redundant steps draw them
from one distribution: the opener says nothing about the label. Under `distinct` habits have openers
of their own, as far as a word can tell. Both hold the frequencies of real steps; which of the two
is nearer to the truth is not settled here.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Literal

Regime = Literal["shared", "distinct"]
REGIMES: tuple[Regime, ...] = ("shared", "distinct")

COUNTS: Mapping[str, int] = MappingProxyType(
    {
        "So": 1313,
        "But": 1077,
        "Wait": 1062,
        "The": 544,
        "Okay": 450,
        "Then": 368,
        "Therefore": 232,
        "Now": 168,
        "After": 154,
        "Next": 147,
        "Yes": 130,
        "Let's": 124,
        "In": 87,
        "Looking": 81,
        "For": 67,
        "Alternatively": 59,
        "Let": 44,
        "Thus": 32,
        "Hmm": 11,
    }
)
"""First words of the steps (segmenter `block`) of 450 traces in which DeepSeek-R1 predicts what a
CRUXEval function returns: 10,688 steps, of which those that begin with one of these words. Left out
are numbers, names, code, and the words that only a list has (First, Second). Counted by
`tools/count_openers.py`.
"""
PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "So": "So",
        "But": "But",
        "Wait": "Wait,",
        "The": "The thing is,",
        "Okay": "Okay,",
        "Then": "Then",
        "Therefore": "Therefore,",
        "Now": "Now",
        "After": "After that,",
        "Next": "Next,",
        "Yes": "Yes,",
        "Let's": "Let's see,",
        "In": "In other words,",
        "Looking": "Looking at it,",
        "For": "For now,",
        "Alternatively": "Alternatively,",
        "Let": "Let me see,",
        "Thus": "Thus",
        "Hmm": "Hmm,",
    }
)
"""The phrase that a step of the lab begins with; a whole sentence can follow each of them."""
HABIT_OPENERS = frozenset(
    ("But", "Wait", "Okay", "Yes", "Let's", "In", "Looking", "Alternatively", "Let", "Hmm")
)
"""Those of habits under `distinct`: words that turn back, or talk; the others go on."""


def draw_openers(
    regime: Regime, is_redundant: Sequence[bool], chance: random.Random
) -> tuple[str, ...]:
    """The phrases that the steps of one trace begin with, each drawn by itself.

    Args:
        regime: whether habits have openers of their own.
        is_redundant: by step, whether it belongs to a habit; under `shared` nobody asks.
        chance: the random numbers; one is used per step.
    """
    if regime == "shared":
        return tuple(_SHARED.draw(chance) for _ in is_redundant)
    return tuple((_OF_HABITS if each else _OF_ESSENTIALS).draw(chance) for each in is_redundant)


class _Table:
    def __init__(self, words: Iterable[str]) -> None:
        ordered = tuple(words)
        self._phrases = [PHRASES[word] for word in ordered]
        self._bounds = list(accumulate(COUNTS[word] for word in ordered))

    def draw(self, chance: random.Random) -> str:
        return self._phrases[bisect(self._bounds, chance.random() * self._bounds[-1])]


_SHARED = _Table(COUNTS)
_OF_HABITS = _Table(word for word in COUNTS if word in HABIT_OPENERS)
_OF_ESSENTIALS = _Table(word for word in COUNTS if word not in HABIT_OPENERS)
