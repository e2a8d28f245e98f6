r"""The value that a short answer gives, in a form in which two of them compare.

`[1,2]`, "`[1, 2]`" and a fenced `[1, 2]` are one answer. Python's `==` decides, as for CRUXEval: 1
equals True. A text that gives no value is a program or prose: about that nothing is said here.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asap.trace import find_fences

_MAX_CHARACTERS = 10_000
_MAX_WORD_CHARACTERS = 100
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_MARKED = re.compile(r"`([^`\n]+)`|\*\*([^*\n]+)\*\*")
_WRAPPING = " \t\r\n`*$"


@dataclass(frozen=True, slots=True)
class AnswerValue:
    """What an answer comes to: the value of a Python literal, or a single word as text."""

    value: Any


def find_value(answer: str) -> AnswerValue | None:
    r"""The value that an answer gives.

    In order: the whole of it; its last fenced block; its last `\boxed{}`; the last thing set off
    as code or in bold. Literals first, then words (`YES`, `10:25`) of the whole or of a box.

    Args:
        answer: what stands after the thinking.

    Returns:
        The value; None where the answer is a program or prose.
    """
    literals = (_read_literal(text) for text in _candidates(answer))
    literal = next((each for each in literals if each is not None), None)
    if literal is not None:
        return literal
    boxes = _BOXED.findall(answer)[-1:]
    for text in (answer, *boxes):
        word = text.strip(_WRAPPING).removesuffix(".")
        if word and not any(map(str.isspace, word)) and len(word) <= _MAX_WORD_CHARACTERS:
            return AnswerValue(word)
    return None


def _candidates(answer: str) -> Iterator[str]:
    yield answer
    blocks = ["\n".join(answer[start:end].split("\n")[1:-1]) for start, end in find_fences(answer)]
    if blocks:
        if all(_read_literal(block) is not None for block in blocks):
            yield blocks[-1]
        return
    yield from _BOXED.findall(answer)[-1:]
    for code, bold in _MARKED.findall(answer)[-1:]:
        yield code or bold


def _read_literal(text: str) -> AnswerValue | None:
    text = text.strip(_WRAPPING)
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    try:
        with warnings.catch_warnings():
            # Of a backslash that escapes nothing.
            warnings.simplefilter("ignore")
            return AnswerValue(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
