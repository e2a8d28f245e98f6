"""Upper and lower case alike, as the search means it: Unicode's simple case folding, sign by sign,
so that a place in the folded text is the same place in the text.

σ, ς and Σ are one letter, ẞ and ß are one, the Kelvin sign is a k; but ß is not ss, and the Turkish
İ and ı are no i. It is what RE2 does, and a regular expression of the page with flags `iu`.
"""

from __future__ import annotations


def fold_case(text: str) -> str:
    """The text with each sign as the one that stands for all its cases; as long as it was."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


class _Folded(dict[int, int]):
    """Signs by code, worked out when they are first met."""

    def __missing__(self, code: int) -> int:
        folded = _fold_sign(chr(code))
        self[code] = ord(folded)
        return self[code]


def _fold_sign(sign: str) -> str:
    # Where full folding makes several signs of one, simple folding has the lower case or nothing.
    for other in (sign.casefold(), sign.lower()):
        if len(other) == 1:
            return other
    return sign


_FOLDED = _Folded()
