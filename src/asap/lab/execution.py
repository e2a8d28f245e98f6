"""Runs the lab's programs statement by statement, so that the run can be told in words.

An interpreter of our own for the forms in `program`; a test holds it against Python's. Nothing is
written here: an `Event` says what happened, `narrate` puts it into a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from asap.lab.program import (
    HELPER_PARAMETER,
    MAIN,
    MODULUS,
    Append,
    Assign,
    Call,
    Difficulty,
    Expression,
    For,
    If,
    Operand,
    Program,
    Put,
    Statement,
    Value,
    write_call,
    write_helper,
    write_line,
)

EventKind = Literal["start", "compute", "test", "take", "append", "put", "enter", "leave", "return"]


class TooManyTurns(Exception):
    """A loop would go over the list more often than the language allows; such a draw is void."""


@dataclass(frozen=True, slots=True)
class Event:
    """One executed statement and what it changed; the start binds the parameters."""

    kind: EventKind
    line: str
    """The statement's line of the program; of the start, the call."""
    target: str
    """The variable that it changes; of a test and the return, the one that it reads."""
    names: tuple[str, ...]
    """Its operands as they are written."""
    values: tuple[Value, ...]
    """And their values."""
    reads: tuple[str, ...]
    """The variables in them; of a turn of a loop, the list that it goes over."""
    sign: str
    """Between the operands; empty for one."""
    result: Value
    """What the target is afterwards; of a test, 1 for true."""
    state: Mapping[str, Value]
    """The variables afterwards."""
    is_turn_end: bool = False
    """Whether a turn of a loop ends with it."""


def execute(
    program: Program, arguments: Sequence[Value], difficulty: Difficulty
) -> tuple[Event, ...]:
    """Run a program.

    Args:
        program: a program of the lab.
        arguments: one per parameter.
        difficulty: holds how many turns a loop may take and how long a list may become.

    Returns:
        The start, then one event per executed statement; the last one is the return.

    Raises:
        TooManyTurns: a loop or a list goes over its bound.
    """
    return tuple(_Run(program, difficulty).events(arguments))


def has_dead_step(events: Sequence[Event]) -> bool:
    """Whether a variable is given a value that nothing reads: a step that could go without loss."""
    needed: set[str] = set()
    for event in reversed(events[1:]):
        if event.kind in ("compute", "leave", "append", "put") and event.target not in needed:
            return True
        if event.kind in ("compute", "leave", "take"):
            needed.discard(event.target)
        needed.update(event.reads)
    return False


def apply(sign: str, values: Sequence[int]) -> int:
    """The value of an operation or, 1 for true, of a comparison; one operand is its own value."""
    if not sign:
        return values[0]
    left, right = values
    match sign:
        case "+":
            return (left + right) % MODULUS
        case "-":
            return (left - right) % MODULUS
        case "*":
            return (left * right) % MODULUS
        case "<":
            return int(left < right)
        case ">":
            return int(left > right)
        case _:
            return int(left == right)


def wraps(sign: str, values: Sequence[Value]) -> bool:
    """Whether an operation on two digits leaves the digits, so that mod 10 matters."""
    if sign not in ("+", "-", "*"):
        return False
    left, right = values
    assert isinstance(left, int)
    assert isinstance(right, int)
    exact = {"+": left + right, "-": left - right, "*": left * right}[sign]
    return not 0 <= exact < MODULUS


class _Run:
    def __init__(self, program: Program, difficulty: Difficulty) -> None:
        self._program = program
        self._difficulty = difficulty
        self._state: dict[str, Value] = {}

    def events(self, arguments: Sequence[Value]) -> Iterator[Event]:
        program = self._program
        self._state.update(zip(program.parameters, arguments, strict=True))
        call = write_call(arguments)
        yield self._event("start", call, MAIN, program.parameters, tuple(arguments), (), "", 0)
        yield from self._block(program.body, is_turn=False)
        name = program.result
        result = self._state[name]
        yield self._event("return", f"return {name}", name, (name,), (result,), (name,), "", result)

    def _block(self, statements: Sequence[Statement], is_turn: bool) -> Iterator[Event]:
        for statement in statements:
            ends_turn = is_turn and statement is statements[-1]
            match statement:
                case If():
                    yield from self._branch(statement, ends_turn)
                case For():
                    yield from self._loop(statement)
                case Call():
                    yield from self._call(statement)
                case _:
                    yield self._change(statement, ends_turn)

    def _change(self, statement: Assign | Append | Put, ends_turn: bool) -> Event:
        line = write_line(statement)
        if isinstance(statement, Assign):
            return self._compute("compute", line, statement.target, statement.expression, ends_turn)
        value = self._read(statement.operand)
        items = self._state[statement.target]
        assert isinstance(items, tuple)
        if isinstance(statement, Append):
            items = (*items, value)
        else:
            items = (*items[: statement.index], value, *items[statement.index + 1 :])
        if len(items) > self._difficulty.list_length[1]:
            raise TooManyTurns
        self._state[statement.target] = items
        kind: EventKind = "append" if isinstance(statement, Append) else "put"
        names, reads = (statement.operand.text,), _list_variables([statement.operand])
        return self._event(
            kind, line, statement.target, names, (value,), reads, "", items, ends_turn
        )

    def _compute(
        self, kind: EventKind, line: str, target: str, expression: Expression, ends_turn: bool
    ) -> Event:
        values = tuple(self._read(operand) for operand in expression.operands)
        sign = expression.operator or ""
        result = apply(sign, values)
        self._state[target] = result
        names = tuple(operand.text for operand in expression.operands)
        reads = _list_variables(expression.operands)
        return self._event(kind, line, target, names, values, reads, sign, result, ends_turn)

    def _branch(self, statement: If, ends_turn: bool) -> Iterator[Event]:
        values = (self._read(statement.left), self._read(statement.right))
        names = (statement.left.text, statement.right.text)
        sign = statement.comparison
        is_true = apply(sign, values)
        body = statement.body if is_true else statement.otherwise
        yield self._event(
            "test",
            write_line(statement),
            names[0],
            names,
            values,
            _list_variables((statement.left, statement.right)),
            sign,
            is_true,
            ends_turn and not body,
        )
        yield from self._block(body, ends_turn)

    def _loop(self, statement: For) -> Iterator[Event]:
        items: Value = self._state[statement.source]
        if statement.turns is not None:
            items = tuple(range(statement.turns))
        assert isinstance(items, tuple)
        if len(items) > self._difficulty.iterations:
            raise TooManyTurns
        line, variable = write_line(statement), statement.variable
        for item in items:
            self._state[variable] = item
            reads = (statement.source,) if statement.turns is None else ()
            yield self._event("take", line, variable, (variable,), (item,), reads, "", item)
            yield from self._block(statement.body, is_turn=True)

    def _call(self, statement: Call) -> Iterator[Event]:
        helper = self._program.helper
        assert helper is not None
        value = self._read(statement.operand)
        line, names = write_line(statement), (statement.operand.text,)
        reads = _list_variables([statement.operand])
        self._state[HELPER_PARAMETER] = value
        yield self._event("enter", line, HELPER_PARAMETER, names, (value,), reads, "", value)
        left = self._compute("leave", write_helper(helper), statement.target, helper, False)
        del self._state[HELPER_PARAMETER]
        yield left

    def _read(self, operand: Operand) -> int:
        if not operand.name:
            assert operand.number is not None
            return operand.number
        value = self._state[operand.name]
        if isinstance(value, int):
            return value
        if operand.number is not None:
            return value[operand.number]
        if operand.function == "len":
            return len(value)
        return max(value) if operand.function == "max" else min(value)

    def _event(
        self,
        kind: EventKind,
        line: str,
        target: str,
        names: tuple[str, ...],
        values: tuple[Value, ...],
        reads: tuple[str, ...],
        sign: str,
        result: Value,
        is_turn_end: bool = False,
    ) -> Event:
        state = dict(self._state)
        state.pop(HELPER_PARAMETER, None)
        return Event(kind, line, target, names, values, reads, sign, result, state, is_turn_end)


def _list_variables(operands: Sequence[Operand]) -> tuple[str, ...]:
    return tuple(operand.name for operand in operands if operand.name)
