"""Code as tokens of seven classes, by pygments (which rich brings), so that the page needs no
highlighter. What is too long for it, or in no language that it knows, is one plain token.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

MOST_CHARACTERS = 50_000
"""A longer piece of code is not highlighted."""

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
    ("cpp", re.compile(r"^\s*#include\b|\bstd::|\busing namespace\b|;[ \t]*(?:\n|\Z)", re.M)),
    (
        "python",
        re.compile(
            r"^\s*(?:def|class|import|from|for|while|if|elif|else|try|with|return|print)\b|\w\s*=\s"
            r"|\w\(",
            re.M,
        ),
    ),
)


def highlight_code(code: str, language: str) -> list[tuple[str, str]]:
    """Tokens as (class, text): joined, the texts are the code.

    Args:
        code: any text.
        language: as behind a fence; empty: guessed between Python and the C family.
    """
    lexer = None
    if len(code) <= MOST_CHARACTERS:
        lexer = _find_lexer(language.lower() or _guess_language(code))
    if lexer is None:
        return [("", code)]
    tokens: list[tuple[str, str]] = []
    for kind, text in lexer.get_tokens(code):
        name = _classify(kind)
        if tokens and tokens[-1][0] == name:
            tokens[-1] = (name, tokens[-1][1] + text)
        elif text:
            tokens.append((name, text))
    # A lexer may normalise line ends; then the code itself is worth more than its colours.
    return tokens if "".join(text for _, text in tokens) == code else [("", code)]


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
