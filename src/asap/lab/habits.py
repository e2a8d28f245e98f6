"""The habits of a reasoning model, as the lab imitates them: what can go from a trace without loss.

Each writes one to three steps about an event of the run; where one may stand, how readily, and what
it says. They are R1's by kind (restating, re-checking, abandoned tries, wrong turns taken back,
asides), not by frequency: how often each comes is the lab's own choice, and part of its task.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from asap.lab.execution import Event, wraps
from asap.lab.program import write_value
from asap.lab.sentences import write_bindings, write_result
from asap.lab.wrong_turn import write_wrong_turn

Habit = Literal["restating", "re-checking", "abandoned", "wrong-turn", "aside"]

PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "line": ("we are at {line}.", "the code says {line} here."),
        "question": ("the question is what {line} returns.", "we want what {line} returns."),
        "state": ("so far {bindings}.", "we have {bindings} at this point.", "{bindings} still."),
        "check": (
            "checking again, {read}{result}, yes.",
            "{read}{result} again, so that holds.",
            "once again, {read}{result}.",
        ),
        "check value": ("{bindings} is right.", "{bindings}, that was right."),
        "check end": ("the answer {result} is right.", "{result} is the answer, yes."),
        "try loop": ("maybe the whole loop can be done at once.",),
        "leave loop": ("one turn at a time is right.",),
        "try end": ("maybe we can work back from the return line.",),
        "leave end": ("its value is not known yet.",),
        "try guess": ("maybe {target} is known without computing.",),
        "leave guess": ("that does not work.",),
        "aside list": ("the list starts at 0.", "the order does matter here."),
        "aside loop": ("the loop is short.", "the order does matter here."),
        "aside": (
            "this is a small program.",
            "all values are below 10.",
            "the names do not matter here.",
            "this looks right so far.",
        ),
    }
)
"""What habits say; wrong turns say what steps say, and take it back."""


@dataclass(frozen=True, slots=True)
class HabitRates:
    """How readily each habit comes, beside the others: high where it is likely, low elsewhere.

    Habits are drawn until they have their share of the trace, so only the ratios matter. The two
    are far apart on purpose: what a context makes likely, a model can learn to do.
    """

    restating: tuple[float, float] = (8.0, 0.5)
    """Likely: the line before a computation; the state at the end of a loop's turn and after the
    list changed; the question before the first step and the last.
    """
    rechecking: tuple[float, float] = (8.0, 0.5)
    """Likely: of a result that wraps round, and of a test."""
    abandoned: tuple[float, float] = (4.0, 0.2)
    """Likely: before the first step and before a loop."""
    wrong_turn: float = 0.8
    """Where something is computed or tested."""
    leaning: float = 0.5
    """Share of the wrong turns on which the next step leans, of those on which it can."""
    aside: tuple[float, float] = (2.0, 0.3)
    """Likely: where the list changes or a loop goes on."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where a habit may stand."""

    event_index: int
    is_before: bool
    """Whether it stands before the event's own step."""
    habit: Habit
    subject: str
    """Which of the habit's forms."""
    weight: float


def list_slots(events: Sequence[Event], rates: HabitRates) -> Iterator[Slot]:
    """All places where habits may stand, in the order in which they would be read."""
    is_in_loop = False
    for index, event in enumerate(events):
        opens_loop = event.kind == "take" and not is_in_loop
        is_in_loop = is_in_loop or opens_loop
        for habit, subject, weight in _before(event, opens_loop, rates):
            yield Slot(index, True, habit, subject, weight)
        for habit, subject, weight in _after(event, rates):
            yield Slot(index, False, habit, subject, weight)


def _before(
    event: Event, opens_loop: bool, rates: HabitRates
) -> Iterator[tuple[Habit, str, float]]:
    likely, rare = rates.restating
    if event.kind in ("start", "return"):
        yield "restating", "question", likely
    elif event.kind not in ("take", "leave"):
        yield "restating", "line", rare if event.kind == "test" else likely
    likely, rare = rates.abandoned
    if event.kind == "start":
        yield "abandoned", "end", likely
    elif opens_loop:
        yield "abandoned", "loop", likely
    elif event.kind in ("compute", "leave"):
        yield "abandoned", "guess", rare
    if event.sign:
        yield "wrong-turn", "", rates.wrong_turn


def _after(event: Event, rates: HabitRates) -> Iterator[tuple[Habit, str, float]]:
    likely, rare = rates.rechecking
    is_hard = event.kind == "test" or wraps(event.sign, event.values)
    yield "re-checking", "check", likely if is_hard else rare
    if event.kind == "return":
        return
    likely, rare = rates.restating
    is_seam = event.is_turn_end or event.kind in ("append", "put", "leave")
    yield "restating", "state", likely if is_seam else rare
    likely, rare = rates.aside
    yield "aside", "", likely if event.kind in ("take", "append", "put", "start") else rare


def write_habit(
    slot: Slot, events: Sequence[Event], chance: random.Random, leaning: float
) -> tuple[str, ...]:
    """The steps of a habit at its place, without openers.

    Args:
        slot: one of `list_slots`.
        events: the run.
        chance: the random numbers.
        leaning: see `HabitRates`.
    """
    event = events[slot.event_index]
    match slot.habit:
        case "restating" if slot.subject == "state":
            return (_restate_state(event, chance),)
        case "restating":
            line = events[0].line if slot.subject == "question" else event.line
            return (_pick(chance, slot.subject).format(line=line),)
        case "re-checking":
            return (_check(event, chance),)
        case "abandoned":
            tried = _pick(chance, f"try {slot.subject}").format(target=event.target)
            return (tried, _pick(chance, f"leave {slot.subject}"))
        case "wrong-turn":
            return write_wrong_turn(events, slot.event_index, chance, leaning)
        case "aside":
            return (_aside(event, chance),)


def _restate_state(event: Event, chance: random.Random) -> str:
    names = list(event.state)
    first = event.target if event.target in event.state else names[0]
    others = [name for name in names if name != first]
    chosen = [first, *chance.sample(others, min(len(others), chance.choice((0, 1, 1))))]
    bindings = write_bindings([(name, event.state[name]) for name in chosen])
    return _pick(chance, "state").format(bindings=bindings)


def _check(event: Event, chance: random.Random) -> str:
    if event.sign:
        read, result = write_result(event)
        return _pick(chance, "check").format(read=read, result=result)
    if event.kind == "return":
        return _pick(chance, "check end").format(result=write_value(event.result))
    name, value = event.target, event.result
    if event.kind == "start":
        name, value = next(iter(event.state.items()))
    return _pick(chance, "check value").format(bindings=write_bindings([(name, value)]))


def _aside(event: Event, chance: random.Random) -> str:
    subject = {"take": "aside loop", "append": "aside list", "put": "aside list"}.get(event.kind)
    if subject is None or chance.random() < 0.5:
        subject = "aside"
    return _pick(chance, subject)


def _pick(chance: random.Random, subject: str) -> str:
    return chance.choice(PHRASES[subject])
