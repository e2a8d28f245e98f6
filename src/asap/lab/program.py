"""Small Python programs drawn at random: functions on digits and a short list, arithmetic mod 10.

What a program is and how it reads; `execution` runs it. It is Python proper, but no more of it than
one statement form per line: what a line does can be told in one sentence. The paper has no such
language; it is made so that the answer of a row, and which of its steps matter, are known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Value = int | tuple[int, ...]
Operator = Literal["+", "-", "*"]
Comparison = Literal["<", ">", "=="]
Function = Literal["", "len", "max", "min"]

MODULUS = 10
SCALARS = ("a", "b", "c", "d", "e")
LISTS = ("xs", "ys")
LOOP_VARIABLES = ("x", "i")
HELPER, HELPER_PARAMETER = "g", "n"
MAIN = "f"


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Every dial of the language: the only thing that may be moved until the base is fit."""

    executed: tuple[int, int] = (4, 10)
    """Statements executed: assignments, tests, turns of a loop, calls, returns."""
    lines: tuple[int, int] = (2, 5)
    """Statements at the top of the function, its `return` not counted."""
    list_length: tuple[int, int] = (2, 4)
    """Of the list that the function is called with; it grows to no more than the upper bound."""
    iterations: int = 3
    """Turns of a loop, at most."""
    depth: int = 2
    """2: a loop may hold an `if`; 1: it may not."""
    n_scalars: tuple[int, int] = (1, 2)
    """Parameters that are digits, beside the list."""
    operators: tuple[Operator, ...] = ("+", "+", "-", "*")
    """Drawn from evenly; one that stands twice comes twice as often."""
    comparisons: tuple[Comparison, ...] = ("<", ">", "==")
    functions: tuple[Function, ...] = ()
    """What may be asked of a list beside its items."""
    for_weight: float = 0.35
    if_weight: float = 0.3
    list_weight: float = 0.2
    """How often a line is a loop, an `if`, or changes the list, beside 1 for an assignment."""
    helper_rate: float = 0.3
    """Share of programs with a second function, called once."""
    else_rate: float = 0.4
    """Share of the `if`s with an `else`."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A digit, a variable, an item of a list, or a function of a list."""

    text: str
    """As it is written."""
    name: str = ""
    """The variable it reads; empty for a digit."""
    number: int | None = None
    """The digit, or the index of the item."""
    function: Function = ""


@dataclass(frozen=True, slots=True)
class Expression:
    """One operand, or two with an operator between them, mod 10."""

    operands: tuple[Operand, ...]
    operator: Operator | None = None

    def write(self) -> str:
        """As Python."""
        if self.operator is None:
            return self.operands[0].text
        left, right = self.operands
        return f"({left.text} {self.operator} {right.text}) % {MODULUS}"


@dataclass(frozen=True, slots=True)
class Assign:
    """`c = (a + x) % 10`."""

    target: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Append:
    """`xs.append(c)`."""

    target: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class Put:
    """`xs[1] = c`."""

    target: str
    index: int
    operand: Operand


@dataclass(frozen=True, slots=True)
class Call:
    """`c = g(a)`."""

    target: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class If:
    """`if a > b:` with a body and, perhaps, an `else`."""

    left: Operand
    comparison: Comparison
    right: Operand
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """`for x in xs:` or, with `turns`, `for i in range(3):`."""

    variable: str
    source: str
    turns: int | None
    body: tuple[Statement, ...]


Statement = Assign | Append | Put | Call | If | For


@dataclass(frozen=True, slots=True)
class Program:
    """A function of a list and digits, and the function it calls, if any."""

    parameters: tuple[str, ...]
    """The list first."""
    body: tuple[Statement, ...]
    result: str
    """The variable that it returns."""
    helper: Expression | None = None
    """What the second function returns of its parameter."""

    def write(self) -> str:
        """As Python, without the call: what makes two programs the same."""
        lines = [f"def {MAIN}({', '.join(self.parameters)}):"]
        lines += _write_block(self.body, 1)
        lines.append(f"    return {self.result}")
        text = "\n".join(lines)
        if self.helper is None:
            return text
        return f"def {HELPER}({HELPER_PARAMETER}):\n    {write_helper(self.helper)}\n\n{text}"


def write_helper(helper: Expression) -> str:
    """The one line of the second function."""
    return f"return {helper.write()}"


def write_value(value: Value) -> str:
    """As Python; a list is held as a tuple here."""
    if isinstance(value, int):
        return str(value)
    return f"[{', '.join(map(str, value))}]"


def write_call(arguments: Sequence[Value]) -> str:
    """The call that the question asks about."""
    return f"{MAIN}({', '.join(map(write_value, arguments))})"


def write_line(statement: Statement) -> str:
    """The statement's first line without indentation; of an `if` or `for` without the colon."""
    match statement:
        case Assign(target, expression):
            return f"{target} = {expression.write()}"
        case Append(target, operand):
            return f"{target}.append({operand.text})"
        case Put(target, index, operand):
            return f"{target}[{index}] = {operand.text}"
        case Call(target, operand):
            return f"{target} = {HELPER}({operand.text})"
        case If(left, comparison, right):
            return f"if {left.text} {comparison} {right.text}"
        case For(variable, source, turns):
            return f"for {variable} in {source if turns is None else f'range({turns})'}"


def _write_block(statements: Sequence[Statement], depth: int) -> Iterator[str]:
    indent = "    " * depth
    for statement in statements:
        line = indent + write_line(statement)
        if isinstance(statement, If | For):
            yield f"{line}:"
            yield from _write_block(statement.body, depth + 1)
            if isinstance(statement, If) and statement.otherwise:
                yield f"{indent}else:"
                yield from _write_block(statement.otherwise, depth + 1)
        else:
            yield line


def draw_program(chance: random.Random, difficulty: Difficulty) -> Program:
    """A program; how many statements its calls execute is for `execution` to find out."""
    return _Drawing(chance, difficulty).draw()


def draw_arguments(
    chance: random.Random, difficulty: Difficulty, n_parameters: int
) -> tuple[Value, ...]:
    """What the function is called with: a list, then digits."""
    length = chance.randint(*difficulty.list_length)
    items = tuple(chance.choices(range(MODULUS), k=length))
    return (items, *chance.choices(range(MODULUS), k=n_parameters - 1))


class _Drawing:
    """One program as it is drawn, line by line."""

    def __init__(self, chance: random.Random, difficulty: Difficulty) -> None:
        self._chance = chance
        self._difficulty = difficulty
        n_scalars = chance.randint(*difficulty.n_scalars)
        self._list = chance.choice(LISTS)
        self._parameters = (self._list, *SCALARS[:n_scalars])
        self._scalars = list(SCALARS[:n_scalars])
        self._loop_variables: list[str] = []
        self._recent = self._scalars[-1]
        self._has_loop = False
        self._may_call = chance.random() < difficulty.helper_rate
        self._helper: Expression | None = None

    def draw(self) -> Program:
        n_lines = self._chance.randint(*self._difficulty.lines)
        body = [self._draw_line() for _ in range(n_lines)]
        if self._may_call:
            body.append(self._draw_call())
        return Program(self._parameters, tuple(body), self._recent, self._helper)

    def _draw_line(self) -> Statement:
        dials = self._difficulty
        for_weight = 0.0 if self._has_loop else dials.for_weight
        (kind,) = self._chance.choices(
            ("assign", "for", "if", "list"), (1.0, for_weight, dials.if_weight, dials.list_weight)
        )
        if kind == "for":
            return self._draw_loop()
        if kind == "if":
            return self._draw_if()
        if kind == "list":
            return self._draw_change()
        if self._may_call and self._chance.random() < 0.5:
            return self._draw_call()
        return self._draw_assignment(may_name=True)

    def _draw_call(self) -> Call:
        self._may_call = False
        parameter = Operand(HELPER_PARAMETER, HELPER_PARAMETER)
        operator = self._chance.choice(self._difficulty.operators)
        self._helper = Expression((parameter, self._draw_digit()), operator)
        operand = self._draw_variable()
        return Call(self._name_target(may_name=True), operand)

    def _draw_loop(self) -> For:
        self._has_loop = True
        chance = self._chance
        if chance.random() < 0.6:
            variable, turns = LOOP_VARIABLES[0], None
        else:
            variable, turns = LOOP_VARIABLES[1], chance.randint(2, self._difficulty.iterations)
        self._loop_variables.append(variable)
        if self._difficulty.depth > 1 and chance.random() < 0.4:
            body: tuple[Statement, ...] = (self._draw_if(),)
        else:
            body = (self._draw_assignment(),)
            if chance.random() < 0.2:
                body = (*body, self._draw_assignment())
        self._loop_variables.pop()
        return For(variable, self._list, turns, body)

    def _draw_if(self) -> If:
        chance = self._chance
        left = self._draw_variable()
        right = self._draw_operand(but=left.text)
        comparison = chance.choice(self._difficulty.comparisons)
        body = (self._draw_assignment(),)
        otherwise: tuple[Statement, ...] = ()
        if chance.random() < self._difficulty.else_rate:
            otherwise = (self._draw_assignment(),)
        return If(left, comparison, right, body, otherwise)

    def _draw_change(self) -> Append | Put:
        operand = self._draw_variable()
        if self._chance.random() < 0.5:
            return Append(self._list, operand)
        return Put(self._list, self._draw_index(), operand)

    def _draw_assignment(self, may_name: bool = False) -> Assign:
        operator = self._chance.choice(self._difficulty.operators)
        if self._loop_variables:
            # A turn goes on from what the one before it left, or the loop would come to nothing.
            target = self._name_target(may_name=False)
            left = _name_operand(target)
            right = self._draw_operand(but=target)
        else:
            left = self._draw_variable()
            right = self._draw_operand(but=left.text)  # `a - a` would forget what came before
            target = self._name_target(may_name)
        return Assign(target, Expression((left, right), operator))

    def _name_target(self, may_name: bool) -> str:
        """A new variable, where it is sure to be assigned, or one that there is already."""
        chance = self._chance
        n_named = len(self._scalars)
        if may_name and n_named < len(SCALARS) and chance.random() < 0.6:
            self._scalars.append(SCALARS[n_named])
            self._recent = SCALARS[n_named]
        elif chance.random() < 0.4:
            self._recent = chance.choice(self._scalars)
        return self._recent

    def _draw_variable(self) -> Operand:
        """The loop's variable or the one that was assigned last, mostly: else much goes unused."""
        chance = self._chance
        draw = chance.random()
        if self._loop_variables and draw < 0.4:
            return _name_operand(self._loop_variables[-1])
        if draw < 0.75:
            return _name_operand(self._recent)
        if draw < 0.9:
            return self._draw_item()
        return _name_operand(chance.choice(self._scalars))

    def _draw_operand(self, but: str) -> Operand:
        chance = self._chance
        while True:
            draw = chance.random()
            if self._loop_variables and draw < 0.5:
                operand = _name_operand(self._loop_variables[-1])
            elif draw < 0.35:
                operand = self._draw_digit()
            elif draw < 0.5:
                operand = self._draw_item()
            else:
                names = (*self._scalars, *self._loop_variables)
                operand = _name_operand(chance.choice(names))
            if operand.text != but:
                return operand

    def _draw_item(self) -> Operand:
        functions = self._difficulty.functions
        if functions and self._chance.random() < 0.4:
            function = self._chance.choice(functions)
            return Operand(f"{function}({self._list})", self._list, None, function)
        index = self._draw_index()
        return Operand(f"{self._list}[{index}]", self._list, index)

    def _draw_index(self) -> int:
        return self._chance.randrange(self._difficulty.list_length[0])

    def _draw_digit(self) -> Operand:
        """At least 2: with 0 and 1 most lines would do nothing."""
        digit = self._chance.randrange(2, MODULUS)
        return Operand(str(digit), "", digit)


def _name_operand(name: str) -> Operand:
    return Operand(name, name)
