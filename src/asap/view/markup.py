"""Text as pieces that a page can set as text nodes: prose, code, mathematics, control signs.

It reads the few marks that reasoning traces use; it is no Markdown parser, and never makes HTML.
Joined with their delimiters, the pieces are the text with its control signs made visible.
"""

from __future__ import annotations

import re
from typing import Any

from asap.trace import classify_paragraph, find_fences
from asap.view.highlight import Highlighter
from asap.view.visible import find_controls, show_controls, split_controls

Piece = list[Any]
"""`[kind, text]` or `[kind, text, more]`: of `block` more is its tokens, of `math` and `display`
the delimiter before it.
"""

MOST_CHARACTERS = 20_000
"""A longer text is cut unless all of it is asked for."""
_MOST_FOR_CODE = 20_000
"""A longer paragraph is not asked whether it is unfenced code."""

CLOSING = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
"""Opening delimiters of mathematics, with their closing ones."""
_SIGN = re.compile(r"[`$\\]")
"""What any inline piece begins with."""
_RULES = (
    ("$$", "$$", "display", 4000),
    ("\\[", "\\]", "display", 4000),
    ("\\(", "\\)", "math", 1000),
    ("$", "$", "math", 1000),
    ("`", "`", "code", 1000),
)
"""Delimiters, kind, and how many characters may stand between: a bound, so that hostile text costs
little.
"""


def describe_text(
    text: str, *, is_full: bool = False, highlighter: Highlighter | None = None
) -> dict[str, Any]:
    """A text as the page gets it: `pieces`, and `cut`, its length where it was cut.

    Args:
        text: any text.
        is_full: not cut.
        highlighter: of the page, for its code.
    """
    is_cut = len(text) > MOST_CHARACTERS and not is_full
    shown = text[:MOST_CHARACTERS] if is_cut else text
    return {"pieces": split_markup(shown, highlighter), "cut": len(text) if is_cut else None}


def split_markup(text: str, highlighter: Highlighter | None = None) -> list[Piece]:
    """The pieces of a text."""
    highlighter = highlighter or Highlighter()
    pieces: list[Piece] = []
    position = 0
    for start, end in find_fences(text):
        pieces += _split_prose(text[position:start], highlighter)
        pieces += _split_fenced(text[start:end], highlighter)
        position = end
    return pieces + _split_prose(text[position:], highlighter)


def join_pieces(pieces: list[Piece]) -> str:
    """The text that pieces were made of, its control signs visible."""
    parts = []
    for kind, text, *more in pieces:
        if kind in ("math", "display"):
            text = f"{more[0]}{text}{CLOSING[more[0]]}"
        parts.append(f"`{text}`" if kind == "code" else text)
    return "".join(parts)


def _split_fenced(text: str, highlighter: Highlighter) -> list[Piece]:
    """The opening line, the code, the closing line."""
    opening, *body, closing = text.split("\n")
    fence = [["fence", show_controls(line)] for line in (opening + "\n", closing)]
    if not body:
        return fence
    words = opening.lstrip(" \t-*+.)0123456789").lstrip("`~").split()
    code = "\n".join(body) + "\n"
    return [fence[0], _make_block(code, words[0] if words else "", highlighter), fence[1]]


def _make_block(code: str, language: str, highlighter: Highlighter) -> Piece:
    shown = show_controls(code)
    return ["block", shown, [list(token) for token in highlighter.highlight(shown, language)]]


def _split_prose(text: str, highlighter: Highlighter) -> list[Piece]:
    if not text:
        return []
    if _is_code(text):
        return [_make_block(text, "", highlighter)]
    pieces: list[Piece] = []
    position = 0
    for sign in _SIGN.finditer(text):
        start = sign.start()
        found = _find_inline(text, start) if start >= position else None
        if found is not None:
            pieces += _split_plain(text[position:start])
            piece, position = found
            pieces.append(piece)
    return pieces + _split_plain(text[position:])


def _is_code(text: str) -> bool:
    is_asked = len(text) <= _MOST_FOR_CODE and not text.isspace()
    return is_asked and classify_paragraph(text) == "strong"


def _find_inline(text: str, start: int) -> tuple[Piece, int] | None:
    """The piece that begins here, and where it ends."""
    for opening, closing, kind, most in _RULES:
        if text.startswith(opening, start):
            first = start + len(opening)
            end = text.find(closing, first + 1, first + most + len(closing))
            content, after = text[first:end], text[end + len(closing) : end + len(closing) + 1]
            before = text[start - 1 : start] if start else ""
            if end < 0 or find_controls(content) or not _fits(opening, before, content, after):
                return None
            return [kind, content, *([] if kind == "code" else [opening])], end + len(closing)
    return None


def _fits(opening: str, before: str, content: str, after: str) -> bool:
    """Whether what stands between delimiters and next to them is no accident."""
    match opening:
        case "`":
            return before != "`" and after != "`" and not set(content) & {"`", "\n"}
        case "$":
            # No amounts of money: no blank inside the edges, no digit behind the closing sign.
            is_alone = before not in ("\\", "$") and not before.isalnum()
            is_tight = content == content.strip() and not content.endswith("\\")
            is_closed = after != "$" and not after.isdigit()
            return is_alone and is_tight and is_closed and not set(content) & {"$", "\n"}
        case "$$":
            return "$" not in content
        case _:
            return before != "\\"


def _split_plain(text: str) -> list[Piece]:
    return [["control" if is_mark else "text", run] for is_mark, run in split_controls(text)]
