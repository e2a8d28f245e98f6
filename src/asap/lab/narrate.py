"""The reasoning about a run: its essential steps, and habits between them until they have their
share of the tokens.

Here a step gets its label. Openers come last and from outside, so that two regimes tell the same
run in the same steps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from asap.lab.execution import Event
from asap.lab.habits import Habit, HabitRates, list_slots, write_habit
from asap.lab.pieces import count_pieces
from asap.lab.sentences import write_event

_OPENER_TOKENS = 3
"""What an opener and the blank line after a step cost, about."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One step without its opener."""

    text: str
    habit: Habit | None
    """None: the step is essential."""


def narrate(
    events: Sequence[Event], chance: random.Random, rates: HabitRates, redundant_tokens: float
) -> list[Sentence]:
    """Tell a run.

    Args:
        events: of one run, in order.
        chance: the random numbers.
        rates: how readily each habit comes.
        redundant_tokens: habits are drawn until their steps have about so many tokens.

    Returns:
        One sentence per step; without those of habits the rest tells the whole run.
    """
    slots = list(list_slots(events, rates))
    # Drawing without replacement by weight: each waits a time of its rate, the earliest come first.
    times = [-math.log(1.0 - chance.random()) / slot.weight for slot in slots]
    drawn: dict[int, tuple[str, ...]] = {}
    for position in sorted(range(len(slots)), key=times.__getitem__):
        if redundant_tokens <= 0:
            break
        steps = write_habit(slots[position], events, chance, rates.leaning)
        drawn[position] = steps
        redundant_tokens -= sum(map(cost, steps))
    before: list[list[Sentence]] = [[] for _ in events]
    after: list[list[Sentence]] = [[] for _ in events]
    for position in sorted(drawn):
        slot = slots[position]
        side = before if slot.is_before else after
        side[slot.event_index] += [Sentence(text, slot.habit) for text in drawn[position]]
    return [
        sentence
        for event, first, last in zip(events, before, after, strict=True)
        for sentence in (*first, Sentence(write_event(event), None), *last)
    ]


def cost(text: str) -> int:
    """About how many tokens a step with this sentence has."""
    return count_pieces(text) + _OPENER_TOKENS
