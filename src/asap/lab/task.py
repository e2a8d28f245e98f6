"""The lab's task: what is drawn, from which dials, and how it falls into splits.

A `LabTrace` is a question about a made-up program, a long reasoning that answers it, and the label
of every step. Nothing of models or methods is known here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import Literal

from asap.errors import RecipeError
from asap.lab.execution import Event, TooManyTurns, execute, has_dead_step
from asap.lab.habits import Habit, HabitRates
from asap.lab.narrate import Sentence, cost, narrate
from asap.lab.openers import REGIMES, Regime, draw_openers
from asap.lab.pieces import count_pieces
from asap.lab.program import Difficulty, draw_arguments, draw_program, write_value
from asap.lab.sentences import write_event

Split = Literal["base", "train", "validation", "test"]
QUESTION = "{program}\n\nWhat does {call} return?"
SEPARATOR = "\n\n"
"""Between two steps."""
SizeName = Literal["tiny", "small", "gpu"]

_MOST_ATTEMPTS = 1000
"""Per trace; validation and test see a tenth of the programs each."""
_FULL = 0.94
"""How much of the longest length is planned; the rest is for what openers cost."""
_BUCKETS: dict[Split, range] = {
    "base": range(20, 100),
    "train": range(20, 100),
    "validation": range(10),
    "test": range(10, 20),
}
"""Hundredths of all programs; base and train draw from the same ones, with other random numbers."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is drawn. Sizes are in tokens of the lab's own tokenizer."""

    size: SizeName
    difficulty: Difficulty = field(default_factory=Difficulty)
    rates: HabitRates = field(default_factory=HabitRates)
    tokens: tuple[int, int] = (120, 350)
    """Of the thinking alone."""
    redundant_share: tuple[float, float] = (0.6, 0.74)
    """About which share of the tokens habits are to have, drawn anew for every trace; less where
    the trace would become too long.
    """
    least_share: float = 0.5
    """Runs that leave habits less than this within the length are not told."""


TINY = Task("tiny")
SMALL = Task(
    "small",
    Difficulty(
        executed=(6, 14), lines=(3, 6), functions=("max", "min"), list_length=(2, 5), iterations=4
    ),
    tokens=(160, 560),
)
GPU = Task(
    "gpu",
    Difficulty(
        executed=(8, 22),
        lines=(4, 8),
        functions=("max", "min", "len"),
        list_length=(3, 6),
        iterations=5,
        n_scalars=(1, 3),
        for_weight=0.5,
        helper_rate=0.5,
    ),
    tokens=(200, 900),
)


@dataclass(frozen=True, slots=True)
class LabTrace:
    """One row of the lab."""

    id: str
    question: str
    """The program, a call of it, and what is asked."""
    thinking: str
    """Steps with a blank line between them."""
    answer: str
    """The bare value: what follows the thinking."""
    habits: tuple[Habit | None, ...]
    """By step: the habit that it belongs to; None for an essential one."""
    clean: str
    """The essential steps alone."""

    @property
    def is_redundant(self) -> tuple[bool, ...]:
        """By step: whether it can go without loss."""
        return tuple(habit is not None for habit in self.habits)


def draw_traces(task: Task, regime: Regime, split: Split, n: int, seed: int) -> Iterator[LabTrace]:
    """Draw traces.

    A program (without its call) is in one split only, base and train aside; within validation and
    test no program comes twice. Both regimes have the same questions and the same steps but for
    their openers.

    Args:
        task: what is drawn.
        regime: how steps begin.
        split: what the traces are for.
        n: how many.
        seed: the same seed gives the same traces.

    Raises:
        RecipeError: the task's dials allow no such trace, or not so many different programs.
    """
    seen: set[str] = set()
    n_drawn = 0
    for attempt in count():
        if n_drawn == n:
            return
        if attempt > _MOST_ATTEMPTS * (n_drawn + 10):
            raise RecipeError(
                f"size '{task.size}': {attempt} draws gave {n_drawn} traces of {n}; widen the "
                "difficulty or the range of tokens"
            )
        told = _draw_told(task, split, random.Random(f"{seed} {split} {attempt}"))
        if told is None:
            continue
        if split in ("validation", "test"):
            if told.program in seen:
                continue
            seen.add(told.program)
        yield told.write(f"{split}-{n_drawn}", regime)
        n_drawn += 1


@dataclass(frozen=True, slots=True)
class _Told:
    """A run told in steps, with the openers of both regimes."""

    program: str
    events: tuple[Event, ...]
    sentences: tuple[Sentence, ...]
    openers: Mapping[Regime, tuple[str, ...]]

    def write(self, id: str, regime: Regime) -> LabTrace:
        steps = self._steps(regime)
        habits = tuple(sentence.habit for sentence in self.sentences)
        essential = [step for step, habit in zip(steps, habits, strict=True) if habit is None]
        return LabTrace(
            id,
            QUESTION.format(program=self.program, call=self.events[0].line),
            SEPARATOR.join(steps),
            write_value(self.events[-1].result),
            habits,
            SEPARATOR.join(essential),
        )

    def count_tokens(self, regime: Regime) -> int:
        return count_pieces(SEPARATOR.join(self._steps(regime)))

    def _steps(self, regime: Regime) -> list[str]:
        pairs = zip(self.openers[regime], self.sentences, strict=True)
        return [f"{opener} {sentence.text}" for opener, sentence in pairs]


def _draw_told(task: Task, split: Split, chance: random.Random) -> _Told | None:
    """One draw; None where it falls outside the split or the dials."""
    program = draw_program(chance, task.difficulty)
    text = program.write()
    if _find_bucket(text) not in _BUCKETS[split]:
        return None
    arguments = draw_arguments(chance, task.difficulty, len(program.parameters))
    try:
        events = execute(program, arguments, task.difficulty)
    except TooManyTurns:
        return None
    fewest, most = task.difficulty.executed
    if not fewest <= len(events) - 1 <= most or has_dead_step(events):  # the start is no statement
        return None
    essential = sum(cost(write_event(event)) for event in events)
    room = _FULL * task.tokens[1]
    share = min(chance.uniform(*task.redundant_share), 1 - essential / room)
    if share < task.least_share:
        return None
    redundant_tokens = essential * share / (1 - share)
    sentences = narrate(events, chance, task.rates, redundant_tokens)
    is_redundant = [sentence.habit is not None for sentence in sentences]
    openers = {regime: draw_openers(regime, is_redundant, chance) for regime in REGIMES}
    told = _Told(text, events, tuple(sentences), openers)
    fewest, most = task.tokens
    # Asked of both regimes, so that both tell the same runs.
    return told if all(fewest <= told.count_tokens(r) <= most for r in REGIMES) else None


def _find_bucket(program: str) -> int:
    return int.from_bytes(blake2b(program.encode(), digest_size=8).digest()) % 100
