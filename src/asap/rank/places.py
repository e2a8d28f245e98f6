"""Which places of a thinking are wholly kept, for many places at once.

A place is a half-open span in code points of the thinking. Linear in places and kept spans.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asap.rank.kept import Span

_FAR = 2**62


def merge_spans(spans: Sequence[Span]) -> list[Span]:
    """Ascending, disjoint spans with those that touch made one."""
    merged: list[Span] = []
    for start, end in spans:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        elif start < end:
            merged.append((start, end))
    return merged


def find_kept(
    starts: NDArray[np.int64], ends: NDArray[np.int64], spans: Sequence[Span]
) -> NDArray[np.bool_]:
    """Which of the places lie in one kept piece, from their first character to their last.

    Args:
        starts: of the places; n.
        ends: of the places; n.
        spans: kept pieces, ascending and disjoint.

    Returns:
        n truth values.
    """
    merged = np.array(merge_spans(spans), dtype=np.int64).reshape(-1, 2)
    if not len(merged):
        return np.zeros(len(starts), dtype=np.bool_)
    piece = np.searchsorted(merged[:, 0], starts, side="right") - 1
    is_kept: NDArray[np.bool_] = (piece >= 0) & (ends <= merged[piece, 1])
    return is_kept


def find_touched(
    starts: NDArray[np.int64], ends: NDArray[np.int64], spans: Sequence[Span]
) -> NDArray[np.bool_]:
    """Which of the places share a character with a kept piece; arguments as for `find_kept`."""
    pieces = np.array([*spans, (_FAR, _FAR)], dtype=np.int64)
    following = np.searchsorted(pieces[:, 1], starts, side="right")
    is_touched: NDArray[np.bool_] = pieces[following, 0] < ends
    return is_touched


def cut_out(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """What of the spans lies in `[start, end)`."""
    inside = []
    position = max(0, bisect_right(spans, (start, start)) - 1)
    while position < len(spans) and spans[position][0] < end:
        piece = (max(start, spans[position][0]), min(end, spans[position][1]))
        if piece[0] < piece[1]:
            inside.append(piece)
        position += 1
    return inside


def subtract_spans(spans: Sequence[Span], masked: Sequence[Span]) -> tuple[Span, ...]:
    """What is left of the spans outside the masked ones; both ascending and disjoint."""
    left: list[Span] = []
    first = 0
    for start, end in spans:
        position = start
        while first < len(masked) and masked[first][1] <= start:
            first += 1
        k = first
        while k < len(masked) and masked[k][0] < end:
            if masked[k][0] > position:
                left.append((position, masked[k][0]))
            position = max(position, masked[k][1])
            k += 1
        if position < end:
            left.append((position, end))
    return tuple(left)


def join_pieces(thinking: str, spans: Sequence[Span]) -> str:
    """The text of kept pieces, parted by white space where what was between them held some.

    A blank line where the gap holds one, else a line break, else a space; nothing where one of the
    two pieces has white space there already, or the gap has none.
    """
    parts: list[str] = []
    position = None
    for start, end in spans:
        if position is not None and position < start:
            seam = thinking[position - 1] + thinking[start]
            parts.append("" if seam.split() != [seam] else _find_break(thinking[position:start]))
        parts.append(thinking[start:end])
        position = end
    return "".join(parts)


def _find_break(gap: str) -> str:
    for mark in ("\n\n", "\n"):
        if mark in gap:
            return mark
    return " " if any(character.isspace() for character in gap) else ""
