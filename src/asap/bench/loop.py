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
# One copy is at most a third of the shortest loop; all but one copy stood there one period before.
_MIN_REPEATED = _MIN_TOKENS - _MIN_TOKENS // _MIN_COPIES


def ends_in_loop(tokens: Sequence[int]) -> bool:
    """Whether an output ends in a loop.

    Args:
        tokens: its token ids.
    """
    backwards = tokens[::-1]
    return _is_end_repeated(backwards) and _begins_in_loop(backwards)


def _is_end_repeated(backwards: Sequence[int]) -> bool:
    """Whether the output's last tokens stand in it once more, near enough to the end to be another
    copy. In every loop they do, in nearly no other output, and to look costs a tenth.
    """
    if len(backwards) < _MIN_TOKENS:
        return False
    end = backwards[:_MIN_REPEATED]
    last_period = len(backwards) // _MIN_COPIES
    period = 0
    while True:
        try:
            period = backwards.index(end[0], period + 1, last_period + 1)
        except ValueError:
            return False
        if backwards[period : period + _MIN_REPEATED] == end:
            return True


def _begins_in_loop(backwards: Sequence[int]) -> bool:
    """The definition. The prefix function of the reversed output gives the smallest period of each
    of its tails.
    """
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
