"""State coverage: how many of the values that a program really takes on the way are still told.

For questions that are a Python function `f` and a call's arguments (CRUXEval). The program runs
under a tracer inside the judge's sandbox (Landlock, seccomp, limits), so Linux only; it could forge
its own values, which would spoil no other row. Not in the paper. The longest common subsequence
counts, not the earliest match, since one late mention must not hide the rest.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from asap.judge import Judge

MAX_VALUES = 300
"""Values of one program that are looked for: the first ones."""
MAX_CHARACTERS = 400
"""Longer values are left out: nobody writes them down."""

_LINK = re.compile(r"\b(?:is|becomes|equals)\b|→|=+")
_TOKEN = re.compile(r"\n[^\S\n]*\n|[^\W\d]\w*|\d+(?:\.\d+)?(?!\w)|\w+|[^\w\s'\"`‘’“”]")
"""Quotes and white space are no tokens; a blank line is one, so that no value runs across it."""
_CONTAINERS = "[({"

_TRACER = """
import io, json, os, sys

def run(code, call, limit, n_most):
    kinds = (str, bytes, int, float, complex, tuple, set, frozenset, list)
    values, given, seen = [], set(), {}
    root = []

    def show(value):
        if isinstance(value, dict):
            value = dict(value)
        elif type(value) not in kinds:
            return None
        if isinstance(value, (dict, str, bytes, tuple, set, frozenset, list)):
            if len(value) > limit:
                return None
        try:
            text = repr(value)
        except Exception:
            return None
        return text if len(text) <= limit and " at 0x" not in text else None

    def note(name, text):
        if text is not None and len(values) < n_most:
            values.append((name, text))

    def look(frame):
        known = seen.setdefault(id(frame), {})
        for name, value in frame.f_locals.items():
            text = show(value)
            if known.get(name) != text:
                known[name] = text
                note(name, text)

    def trace(frame, event, argument):
        name = frame.f_code.co_name
        if frame.f_code.co_filename != "<task>" or (name[0] == "<" and name != "<lambda>"):
            return None
        if event == "call":
            seen[id(frame)] = {}
            if not root:
                root.append(frame)
                seen[id(frame)] = {name: show(v) for name, v in frame.f_locals.items()}
                given.update(text for text in seen[id(frame)].values() if text)
        elif event in ("line", "return"):
            look(frame)
            if event == "return" and frame is not root[0]:
                note("", show(argument))
        return trace if len(values) < n_most else None

    space = {"__name__": "task"}
    exec(compile(code, "<task>", "exec", dont_inherit=True), space)
    call = compile("f(" + call + ")", "<call>", "eval", dont_inherit=True)
    sys.settrace(trace)
    try:
        final = eval(call, space)
    finally:
        sys.settrace(None)
    given.add(show(final))
    return [(name, text) for name, text in values if text not in given]

sys.stdout = io.StringIO()
found = json.dumps(run(*TASK))
os.write(1, found.encode())
os._exit(0)
"""
"""Notes each local that changes, line by line, and what inner calls return; comprehensions and
generator expressions are left alone, since Python's versions differ in what they show of them.
"""


def split_question(question: str) -> tuple[str, str] | None:
    """A question that is a program which defines `f`, and under it the arguments of a call of it.

    Returns:
        The program and the text of the arguments; None where the question is nothing of the kind.
    """
    lines = question.strip().split("\n")
    if not any(line.startswith("def f(") for line in lines):
        return None
    for n_code in range(len(lines) - 1, 0, -1):
        code, call = "\n".join(lines[:n_code]), "\n".join(lines[n_code:])
        if _parses(f"f({call}\n)", "eval") and _parses(code, "exec"):
            return code, call
    return None


def trace_values(
    judge: Judge, programs: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, ...] | None]:
    """The intermediate values of programs, by running them.

    Args:
        judge: an entered judge.
        programs: of each the code, which defines `f`, and the text of the arguments of the call.

    Yields:
        The values in order, as Python writes them, a trivial one (see `is_trivial`) together with
        its variable: `i = 0`. Those equal to an argument or to what the call returns are left out,
        and consecutive repeats; at most `MAX_VALUES`. None where the program fails or does not end.
    """
    for output in judge.run(_make_tracer(code, call) for code, call in programs):
        yield None if output is None else _read_values(output)


def is_trivial(value: str) -> bool:
    """Whether finding this value in a text says nothing, unless its variable is named beside it.

    None, True and False; text and numbers of fewer than two letters or digits; containers that hold
    no letter or digit at all (`[]`, `[[]]`, `['']`).
    """
    n_characters = sum(character.isalnum() for character in value)
    if value[:1] in _CONTAINERS or value.startswith(("set(", "frozenset(")):
        return n_characters == 0 or value in ("set()", "frozenset()")
    return value in ("None", "True", "False") or n_characters < 2


def state_coverage(values: Sequence[str], kept: str) -> float | None:
    """The share of the values that the kept text tells, in their order.

    Values and text are compared token by token, without quotes and white space: 2 is not found in
    12, nor 12 in 12.5; `['a','b']` is found as `[a, b]`, and `i = 0` as "i is 0", too.

    Args:
        values: what `trace_values` gave.
        kept: the kept thinking.

    Returns:
        Length of the longest common subsequence of the values and their mentions, over the number
        of values; more paragraphs never lower it. None where there are no values.
    """
    if not values:
        return None
    # Bit-parallel longest common subsequence (Hyyrö 2004): a zero bit is a value matched.
    everything = (1 << len(values)) - 1
    row = everything
    for mask in _find_mentions(_plant_trie(tuple(values)), _tokenize(kept)):
        step = row & mask
        row = ((row + step) | (row - step)) & everything
    return (len(values) - row.bit_count()) / len(values)


class _Node:
    """A place in the trie of the values' tokens, with the bits of the values that end there."""

    __slots__ = ("bits", "following")

    def __init__(self) -> None:
        self.bits = 0
        self.following: dict[str, _Node] = {}


@lru_cache(maxsize=16)
def _plant_trie(values: tuple[str, ...]) -> _Node:
    root = _Node()
    for place, value in enumerate(values):
        node = root
        for token in _tokenize(value):
            node = node.following.setdefault(token, _Node())
        node.bits |= 1 << place
    return root


def _tokenize(text: str) -> list[str]:
    return _TOKEN.findall(_LINK.sub("=", text))


def _find_mentions(root: _Node, tokens: Sequence[str]) -> Iterator[int]:
    """For each mention the bits of the values it may be, by where it begins."""
    for start, token in enumerate(tokens):
        node = root.following.get(token)
        place = start + 1
        while node is not None:
            if node.bits:
                yield node.bits
            node = node.following.get(tokens[place]) if place < len(tokens) else None
            place += 1


def _make_tracer(code: str, call: str) -> str:
    return f"TASK = {(code, call, MAX_CHARACTERS, 10 * MAX_VALUES)!r}\n{_TRACER}"


def _read_values(output: str) -> tuple[str, ...] | None:
    """The tracer's word, which the program may have forged."""
    try:
        found = [(str(name), str(text)) for name, text in json.loads(output)]
    except (ValueError, TypeError, RecursionError):
        return None
    values: list[str] = []
    for name, text in found:
        value = text
        if is_trivial(text):
            value = f"{name} = {text}"
            if not name or not _TOKEN.search(text):
                continue
        if value not in values[-1:] and len(text) <= MAX_CHARACTERS:
            values.append(value)
    return tuple(values[:MAX_VALUES])


def _parses(text: str, mode: str) -> bool:
    try:
        compile(text, "<question>", mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
