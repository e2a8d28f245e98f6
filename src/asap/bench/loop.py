"""Whether an output ends in a loop: the failure that makes a budget run out for nothing.

Defined on tokens: the output ends in at least 100 tokens that are three copies or more of one
block, the last perhaps begun only. Greedy loops are exact, so no likeness is needed; reasoning
repeats paragraphs all the time (95 % of R1's traces do), but not three times running at the very
end. An output that leaves its loop again is none.
"""

from __future__ import annotations

from collections.abc import Sequence

_MIN_TOKENS = 100
_MIN_COPIES = 3


def ends_in_loop(tokens: Sequence[int]) -> bool:
    """Whether an output ends in a loop.

    Args:
        tokens: its token ids.
    """
    # The prefix function of the reversed output gives the smallest period of each of its tails.
    backwards = tokens[::-1]
    borders = [0] * len(backwards)
    border = 0
    for position in range(1, len(backwards)):
        while border and backwards[position] != backwards[border]:
            border = borders[border - 1]
        if backwards[position] == backwards[border]:
            border += 1
        borders[position] = border
        length = position + 1
        if length >= _MIN_TOKENS and length >= _MIN_COPIES * (length - border):
            return True
    return False
