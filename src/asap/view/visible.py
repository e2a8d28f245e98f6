"""Makes text safe to show: what has no shape of its own, or would turn other text around, becomes a
visible mark. It neither escapes for HTML nor shortens: the page sets text nodes only.
"""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ZERO_WIDTH = "\u00ad\u180e\u200b-\u200d\u2060-\u2064\ufeff\ufff9-\ufffb"
_LINES = "\x85\u2028\u2029"
_TAGS = "\U000e0000-\U000e007f"
"""Invisible copies of ASCII."""
_CONTROL = re.compile(
    f"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f{_BIDI}{_ZERO_WIDTH}{_LINES}{_TAGS}\ud800-\udfff]"
)


def find_controls(text: str) -> re.Match[str] | None:
    """The first sign that must not reach a page as it is."""
    return _CONTROL.search(text)


def show_controls(text: str) -> str:
    """The text with each such sign as a mark: `␛`, `<U+202E>`."""
    return _CONTROL.sub(lambda found: _mark(found[0]), text)


def split_controls(text: str) -> list[tuple[bool, str]]:
    """The same text as `show_controls` gives, in runs: (whether these are marks, text)."""
    runs: list[tuple[bool, str]] = []
    position = 0
    for found in re.finditer(f"(?:{_CONTROL.pattern})+", text):
        if found.start() > position:
            runs.append((False, text[position : found.start()]))
        runs.append((True, "".join(map(_mark, found[0]))))
        position = found.end()
    if position < len(text):
        runs.append((False, text[position:]))
    return runs


def _mark(sign: str) -> str:
    code = ord(sign)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"<U+{code:04X}>"
