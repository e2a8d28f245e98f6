"""Code as tokens of seven classes, by pygments (which rich brings), so that the page needs no
highlighter. What is too long for it, or in no language that it knows, is one plain token.

Its rules for some languages take a time that grows with the square of the length (ten thousand
blank lines as Java: 19 s), so a page of code has a limited time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import groupby

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

MOST_CHARACTERS = 20_000
"""A longer piece of code is not highlighted."""
LIMIT_S = 1.0
"""Of processor time, for all the code of one page."""

_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "k"),
    (Operator.Word, "k"),
    (Operator, "o"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Builtin, "f"),
    (Name.Decorator, "f"),
)
_LANGUAGES = (
    ("cpp", re.compile(r"^[ \t]*#include\b|\bstd::|\busing namespace\b|;[ \t]*(?:\n|\Z)", re.M)),
    (
        "python",
        re.compile(
            r"^[ \t]*(?:def|class|import|from|for|while|if|elif|else|try|with|return|print)\b"
            r"|\w\s*=\s|\w\(",
            re.M,
        ),
    ),
)


class Highlighter:
    """Highlights the code of one page; when its time is up, the rest is plain."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self.left_s = limit_s

    def highlight(self, code: str, language: str) -> list[tuple[str, str]]:
        """Tokens as (class, text): joined, the texts are the code.

        Args:
            code: any text.
            language: as behind a fence; empty: guessed between Python and the C family.
        """
        lexer = None
        if len(code) <= MOST_CHARACTERS and self.left_s > 0:
            lexer = _find_lexer(language.lower() or _guess_language(code))
        if lexer is None:
            return [("", code)]
        # The thread's own time: a busy machine is no reason for a page without colours.
        started = time.thread_time()
        tokens = _merge(self._read(lexer, code, started + self.left_s))
        self.left_s -= time.thread_time() - started
        # A lexer may normalise line ends; then the code itself is worth more than its colours.
        return tokens if "".join(text for _, text in tokens) == code else [("", code)]

    def _read(self, lexer: Lexer, code: str, end_s: float) -> Iterator[tuple[str, str]]:
        position = 0
        for kind, text in lexer.get_tokens(code):
            yield _classify(kind), text
            position += len(text)
            if time.thread_time() > end_s:
                yield "", code[position:]
                return


def _merge(tokens: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbours of one class as one token."""
    groups = groupby(tokens, lambda token: token[0])
    merged = [(name, "".join(text for _, text in group)) for name, group in groups]
    return [token for token in merged if token[1]]


@cache
def _classify(kind: _TokenType) -> str:
    return next((name for group, name in _CLASSES if kind in group), "")


def _guess_language(code: str) -> str:
    return next((name for name, signs in _LANGUAGES if signs.search(code)), "")


@lru_cache(maxsize=64)
def _find_lexer(language: str) -> Lexer | None:
    if not re.fullmatch(r"[\w+#.-]{1,20}", language):
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
