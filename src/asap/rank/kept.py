"""What a method left of one trace, as the metrics see it: text, and where it is the trace's own."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

Span = tuple[int, int]
"""A half-open piece of the thinking, in code points."""


@dataclass(frozen=True, slots=True)
class KeptText:
    """A pruned thinking."""

    text: str
    spans: tuple[Span, ...] | None
    """The pieces of the thinking that it is made of, ascending and disjoint; None where it is new
    text, so that nothing can be said about places in the original.
    """

    def share_kept(self, start: int, end: int) -> float:
        """The share of the characters in `[start, end)` of the thinking that stand in a span.

        Raises:
            ValueError: the text is new.
        """
        if self.spans is None:
            raise ValueError("the text is new: no place in the thinking is known to be kept")
        n_kept = 0
        first = bisect_right(self.spans, (start, start)) - 1
        for span_start, span_end in self.spans[max(0, first) :]:
            if span_start >= end:
                break
            n_kept += max(0, min(end, span_end) - max(start, span_start))
        return n_kept / (end - start) if end > start else 1.0
