"""Dangling references: names and quantities in the kept text whose introduction was dropped.

Names are variables, told from words by their form or because something is assigned to them;
quantities are numbers of two digits or more, decimals, quoted text and lists of values. By the
shape of the text alone: whether a reader could guess the meaning is not asked. Not in the paper.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap.rank.kept import KeptText
from asap.rank.places import find_kept
from asap.trace import Trace

_NAME = r"[A-Za-z_]\w*"
_NAMES = rf"{_NAME}(?:\s*,\s*{_NAME})*"
_MENTION = re.compile(rf"(?<![\w.'’]){_NAME}")
_WORD = re.compile(_NAME)
_BY_FORM = re.compile(r"[A-Za-z]\w*_\w+|_+[A-Za-z]\w*|[A-Za-z]\d+|[a-z]+[A-Z]\w*")
"""`max_sum`, `_x`, `x1`, `maxSum`; not `at2`, which is a lost space more often than a name."""
_DEFINITIONS = (
    re.compile(rf"(?<![\w.'’\])])({_NAME})[ \t]*=(?!=)"),
    re.compile(rf"^[ \t]*({_NAMES})[ \t]*=(?!=)", re.MULTILINE),
    re.compile(rf"\bfor\s+(?:each\s+|every\s+|all\s+)?\(?({_NAMES})\)?\s+(?:in|from)\b"),
    re.compile(r"\bdef\s+(\w+\s*\([^()]*\))"),
    re.compile(rf"\blambda\s+({_NAMES})\s*:"),
    re.compile(rf"\b(?:[Ll]et|[Dd]enote|[Dd]efine)\s+({_NAME})\s+(?:be|as)\b"),
    re.compile(rf"\b(?:class|import(?:\s+[\w.]+\s+as)?)\s+({_NAME})\b"),
)
"""Places that give a name its meaning, so that an earlier one is not needed."""
_AUGMENTED = re.compile(rf"(?<![\w.'’])({_NAME})[ \t]*(?:[-+*/%&|^]|//|\*\*|<<|>>)=")
_QUANTITIES = (
    re.compile(r"(?<![\w.])(?:\d+\.\d+|\d{2,})(?!\w)"),
    re.compile(r"(?<![\w'])'[^'\n]{0,60}'(?!\w)|\"[^\"\n]{0,60}\""),
    re.compile(r"(?<![\w\]])\[[^\[\]\n]{1,200}\]"),
)
_NO_VARIABLES = frozenset((*keyword.kwlist, *dir(builtins), "a", "A", "I", "i.e", "e.g"))
_PROSE_BEFORE = re.compile(r"[A-Za-z,] \Z")
_PROSE_AFTER = re.compile(r" [A-Za-z]")


@dataclass(frozen=True)
class References:
    """Every mention of a name or quantity in one thinking, in order of place."""

    names: tuple[str, ...]
    """The distinct references."""
    starts: NDArray[np.int64]
    """Where each mention begins; as many as mentions, like the next three."""
    ends: NDArray[np.int64]
    which: NDArray[np.int64]
    """The reference that each one mentions, an index into `names`."""
    introduces: NDArray[np.bool_]
    """Whether one may begin here: the first mention, one that gives a meaning, and every mention of
    what the question mentions.
    """


def find_references(trace: Trace) -> References:
    """Read a trace once.

    Args:
        trace: any; steps are not needed.
    """
    text = f"{trace.question}\n\n{trace.thinking}"
    offset = len(text) - len(trace.thinking)
    mentions = sorted(_find_mentions(text))
    numbers: dict[str, int] = {}
    is_asked: set[str] = set()
    rows: list[tuple[int, int, int, bool]] = []
    for start, end, name, defines in mentions:
        if start < offset:
            is_asked.add(name)
            continue
        is_first = name not in numbers
        number = numbers.setdefault(name, len(numbers))
        rows.append((start - offset, end - offset, number, is_first or defines or name in is_asked))
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return References(
        tuple(numbers), table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(np.bool_)
    )


def list_dangling(references: References, kept: KeptText) -> tuple[str, ...] | None:
    """The references that dangle, by their first mention in the kept text; None for new text."""
    if kept.spans is None:
        return None
    which, introduces = _first_mentions(references, kept)
    return tuple(references.names[number] for number in which[~introduces])


def dangling_rate(references: References, kept: KeptText) -> float | None:
    """The share of the distinct references of the kept text that dangle.

    A reference dangles where its first mention in the kept text neither is its first in the
    thinking, nor gives it a meaning, and the question does not mention it. 0 for the whole
    thinking.

    Returns:
        A number in [0, 1]; None where the text is new or refers to nothing.
    """
    if kept.spans is None:
        return None
    which, introduces = _first_mentions(references, kept)
    return float((~introduces).sum() / len(which)) if len(which) else None


def _first_mentions(
    references: References, kept: KeptText
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The references kept, and whether each one's first kept mention may begin it."""
    assert kept.spans is not None
    is_kept = find_kept(references.starts, references.ends, kept.spans)
    _, first = np.unique(references.which[is_kept], return_index=True)
    first = np.sort(first)
    return references.which[is_kept][first], references.introduces[is_kept][first]


def _find_mentions(text: str) -> Iterator[tuple[int, int, str, bool]]:
    defined = {
        (match.start(1) + word.start(), word.group())
        for pattern in _DEFINITIONS
        for match in pattern.finditer(text)
        for word in _WORD.finditer(match.group(1))
    }
    variables = {name for _, name in defined}
    variables.update(match.group(1) for match in _AUGMENTED.finditer(text))
    variables = {name for name in variables - _NO_VARIABLES if name.islower() or name.isupper()}
    for match in _MENTION.finditer(text):
        name = match.group()
        defines = (match.start(), name) in defined
        if _BY_FORM.fullmatch(name) or (
            name in variables and (defines or len(name) == 1 or not _is_prose(text, match))
        ):
            yield match.start(), match.end(), name, defines
    for pattern in _QUANTITIES:
        for match in pattern.finditer(text):
            value = match.group()
            if _is_quantity(value):
                yield match.start(), match.end(), _pack(value), False


def _is_quantity(value: str) -> bool:
    """Not what merely stands between two quotes, nor an index in brackets."""
    inner = value[1:-1]
    if value[0] in "'\"":
        return len(inner) > 1 and inner == inner.strip()
    return value[0] != "[" or ("," in inner and any(map(str.isalnum, inner)))


def _is_prose(text: str, match: re.Match[str]) -> bool:
    """Whether a word that is a variable's name elsewhere stands between other words here."""
    before = text[max(0, match.start() - 2) : match.start()]
    after = text[match.end() : match.end() + 2]
    return bool(_PROSE_BEFORE.search(before) and _PROSE_AFTER.match(after))


def _pack(value: str) -> str:
    """Without white space, and with one kind of quotes."""
    return "".join(value.split()).replace('"', "'")
