"""How the lab's texts fall into tokens: a word, a number or a sign with the blank before it, and a
line break with the indentation after it. Every character is in exactly one piece.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PATTERN = r"\n\n|\n(?: {4})*| ?[A-Za-z]+(?:'[a-z]+)?| ?[0-9]+| ?==| ?[^\sA-Za-z0-9]|\s"
"""Read alike by Python's `re` and by the tokenizers package."""
_PIECE = re.compile(PATTERN)


def cut_pieces(text: str) -> Sequence[str]:
    """The pieces of a text; of the lab's own texts each is one token."""
    return _PIECE.findall(text)


def count_pieces(text: str) -> int:
    """How many there are."""
    return len(_PIECE.findall(text))
