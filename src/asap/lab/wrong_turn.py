"""Wrong turns: a wrong value is computed, the next step may lean on it, and it is taken back.

The habit that costs a reader most, and the only one that says what is not so. It knows events, not
places in a trace (`habits`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asap.lab.execution import Event, apply
from asap.lab.program import MODULUS
from asap.lab.sentences import write_event, write_read, write_truth

WITHDRAWALS = ("that is wrong, {said} is not {wrong}.", "{said} is not {wrong}, so that was wrong.")
_SLIPS = (1, 1, 1, MODULUS - 1, MODULUS - 1, MODULUS - 1, 2, MODULUS - 2, 5)
"""By how much a result is missed."""
_OPERAND_SHARE = 0.4
"""Share of the wrong turns that misread a variable; the others miscalculate."""


@dataclass(frozen=True, slots=True)
class _Mistake:
    event: Event
    """As it is told wrongly."""
    said: str
    wrong: str
    """It is taken back by saying that `said` is not `wrong`."""


def write_wrong_turn(
    events: Sequence[Event], index: int, chance: random.Random, leaning: float
) -> tuple[str, ...]:
    """The steps of a wrong turn before an event, without openers; all of them can go.

    Args:
        events: the run; the one at `index` computes or tests something.
        index: which event is first told wrongly.
        chance: the random numbers.
        leaning: how often the next step leans on the wrong value, where it reads it.

    Returns:
        The wrong step, perhaps the one that leans on it, and the one that takes it back.
    """
    mistake = _make_mistake(events[index], chance)
    steps = [write_event(mistake.event)]
    leant = _lean(events[index + 1], mistake.event) if index + 1 < len(events) else None
    if leant is not None and chance.random() < leaning:
        steps.append(write_event(leant))
    withdrawal = chance.choice(WITHDRAWALS)
    return (*steps, withdrawal.format(said=mistake.said, wrong=mistake.wrong))


def _make_mistake(event: Event, chance: random.Random) -> _Mistake:
    if event.kind == "test":
        wrong = replace(event, result=1 - _digit(event.result))
        return _Mistake(wrong, write_read(event), write_truth(wrong))
    if chance.random() < _OPERAND_SHARE and (misread := _misread(event, chance)) is not None:
        return misread
    result = (_digit(event.result) + chance.choice(_SLIPS)) % MODULUS
    return _Mistake(replace(event, result=result), write_read(event), str(result))


def _misread(event: Event, chance: random.Random) -> _Mistake | None:
    """The value of another variable is read; None where that would not show in the result."""
    place = chance.choice([i for i, name in enumerate(event.names) if not name.isdigit()])
    others = [
        value
        for name, value in event.state.items()
        if isinstance(value, int) and name not in (event.target, event.names[place])
    ]
    if not others:
        return None
    value = chance.choice(others)
    values = tuple(value if i == place else _digit(v) for i, v in enumerate(event.values))
    result = apply(event.sign, values)
    if value == event.values[place] or result == event.result:
        return None
    return _Mistake(replace(event, values=values, result=result), event.names[place], str(value))


def _lean(event: Event, wrong: Event) -> Event | None:
    """The next event as it would be after the wrong one; None where it does not read its value."""
    if wrong.kind == "test" or event.kind not in ("compute", "test"):
        return None
    if wrong.target not in event.names:
        return None
    values = tuple(
        _digit(wrong.result if name == wrong.target else value)
        for name, value in zip(event.names, event.values, strict=True)
    )
    return replace(event, values=values, result=apply(event.sign, values))


def _digit(value: object) -> int:
    assert isinstance(value, int)
    return value
