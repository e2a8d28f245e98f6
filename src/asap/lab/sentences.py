"""What an executed statement is called in words: the sentences of a clean execution.

One sentence per event, and each holds what changed; nothing about habits, openers or tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from asap.lab.execution import Event, EventKind, wraps
from asap.lab.program import HELPER, MAIN, MODULUS, Value, write_value

SENTENCES: Mapping[EventKind, str] = MappingProxyType(
    {
        "start": MAIN + " starts with {bindings}.",
        "compute": "{target} = {names} = {read}{result}.",
        "test": "{names} is {read}, {truth}.",
        "take": "the loop takes {bindings}.",
        "append": "appending {names} makes {bindings}.",
        "put": "setting {place} to {names} makes {bindings}.",
        "enter": HELPER + "({names}) starts with {bindings}.",
        "leave": HELPER + " returns {names} = {read}{result}, so {bindings}.",
        "return": MAIN + " returns {names}, so the answer is {answer}.",
    }
)
"""By kind of event the sentence that tells it."""
AND = " and "
MOD = f" mod {MODULUS}"
TRUTH = ("false", "true")


def write_event(event: Event) -> str:
    """The sentence that tells an event, without an opener."""
    template = SENTENCES[event.kind]
    names = f" {event.sign} ".join(event.names)
    match event.kind:
        case "start":
            return template.format(bindings=write_bindings(event.state.items()))
        case "compute":
            read, result = write_result(event)
            return template.format(target=event.target, names=names, read=read, result=result)
        case "test":
            read = write_read(event)
            return template.format(names=names, read=read, truth=write_truth(event))
        case "return":
            return template.format(names=names, answer=write_value(event.result))
        case "leave":
            read, result = write_result(event)
            bindings = write_bindings([(event.target, event.result)])
            return template.format(names=names, read=read, result=result, bindings=bindings)
    place = event.line.partition(" =")[0]
    bindings = write_bindings([(event.target, event.result)])
    return template.format(names=names, place=place, bindings=bindings)


def write_bindings(bindings: Iterable[tuple[str, Value]]) -> str:
    """`xs = [3, 1] and a = 5`, with commas before the last `and`."""
    parts = [f"{name} = {write_value(value)}" for name, value in bindings]
    return AND.join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def write_read(event: Event) -> str:
    """The operands' values with the sign between them."""
    return f" {event.sign} ".join(map(write_value, event.values))


def write_result(event: Event) -> tuple[str, str]:
    """The operands' values, and what they come to: ` = 5 mod 10`, ` = 9`, ` is true`."""
    read = write_read(event)
    if event.kind == "test":
        return read, f" is {write_truth(event)}"
    return read, f" = {event.result}{MOD if wraps(event.sign, event.values) else ''}"


def write_truth(event: Event) -> str:
    """Of a test."""
    return TRUTH[bool(event.result)]
