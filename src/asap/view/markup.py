"""Text as pieces that a page can set as text nodes: prose, code, mathematics, control signs.

It reads the few marks that reasoning traces use; it is no Markdown parser, and never makes HTML.
Joined with their delimiters, the pieces are the text with its control signs made visible.
"""

from __future__ import annotations

import re
from typing import Any

from asap.trace import classify_paragraph, find_fences
from asap.view.highlight import highlight_code
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
# A dollar opens mathematics only where no amount of money is meant: no blank inside its edges, no
# digit behind the closing one. Every pattern is bounded, so hostile text costs little.
_SIGN = re.compile(r"[`$\\]")
"""What any of these begins with; to look for it alone is many times as fast."""
_INLINE = re.compile(
    r"(?P<code>(?<!`)`[^`\n]{1,1000}`(?!`))"
    r"|(?P<display>\$\$[^$]{1,4000}\$\$|\\\[(?:(?!\\\]).){1,4000}\\\])"
    r"|(?P<math>\\\((?:(?!\\\)).){1,1000}\\\)"
    r"|(?<![\\$\w])\$(?![\s$])[^$\n]{0,999}(?<![\s\\])\$(?![\d$]))",
    re.DOTALL,
)


def describe_text(text: str | None, *, is_full: bool = False) -> dict[str, Any] | None:
    """A text as the page gets it: `pieces`, and `cut`, its length where it was cut."""
    if text is None:
        return None
    is_cut = len(text) > MOST_CHARACTERS and not is_full
    shown = text[:MOST_CHARACTERS] if is_cut else text
    return {"pieces": split_markup(shown), "cut": len(text) if is_cut else None}


def split_markup(text: str) -> list[Piece]:
    """The pieces of a text."""
    pieces: list[Piece] = []
    position = 0
    for start, end in find_fences(text):
        pieces += _split_prose(text[position:start])
        pieces += _split_fenced(text[start:end])
        position = end
    return pieces + _split_prose(text[position:])


def join_pieces(pieces: list[Piece]) -> str:
    """The text that pieces were made of, its control signs visible."""
    parts = []
    for kind, text, *more in pieces:
        if kind in ("math", "display"):
            text = f"{more[0]}{text}{CLOSING[more[0]]}"
        parts.append(f"`{text}`" if kind == "code" else text)
    return "".join(parts)


def _split_fenced(text: str) -> list[Piece]:
    """The opening line, the code, the closing line."""
    opening, *body, closing = text.split("\n")
    fence = [["fence", show_controls(line)] for line in (opening + "\n", closing)]
    if not body:
        return fence
    words = opening.lstrip(" \t-*+.)0123456789").lstrip("`~").split()
    code = "\n".join(body) + "\n"
    return [fence[0], _make_block(code, words[0] if words else ""), fence[1]]


def _make_block(code: str, language: str) -> Piece:
    shown = show_controls(code)
    return ["block", shown, [list(token) for token in highlight_code(shown, language)]]


def _split_prose(text: str) -> list[Piece]:
    if not text:
        return []
    if _is_code(text):
        return [_make_block(text, "")]
    pieces: list[Piece] = []
    position = 0
    for sign in _SIGN.finditer(text):
        found = _INLINE.match(text, sign.start()) if sign.start() >= position else None
        piece = _read_inline(found) if found else None
        if found and piece:
            pieces += _split_plain(text[position : found.start()])
            pieces.append(piece)
            position = found.end()
    return pieces + _split_plain(text[position:])


def _is_code(text: str) -> bool:
    is_asked = len(text) <= _MOST_FOR_CODE and not text.isspace()
    return is_asked and classify_paragraph(text) == "strong"


def _read_inline(found: re.Match[str]) -> Piece | None:
    if find_controls(found[0]):
        return None
    if found["code"]:
        return ["code", found[0][1:-1]]
    opening = next(each for each in ("$$", "$", "\\(", "\\[") if found[0].startswith(each))
    return [found.lastgroup, found[0][len(opening) : -len(CLOSING[opening])], opening]


def _split_plain(text: str) -> list[Piece]:
    return [["control" if is_mark else "text", run] for is_mark, run in split_controls(text)]
