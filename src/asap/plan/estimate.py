"""A figure that is not known yet: low, likely, high. And the step from a sample's rows to it.

The range of a total over all rows is a bootstrap of the sample's mean, narrowed by how much of the
input the sample is (a sample of everything has nothing left to guess), and never narrower than the
floor: what stands in for models and LLMs is not what will run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asap.statistics import paired_bootstrap, wilson_interval

FLOOR = 0.02
"""Half the width that every forecast has at least, as a share of it."""
_CONFIDENCE = 0.9
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Range:
    """Low, likely and high, in whatever unit its name says."""

    low: float
    likely: float
    high: float

    def times(self, factor: Range | float) -> Range:
        """The product; both are at least 0."""
        other = factor if isinstance(factor, Range) else Range(factor, factor, factor)
        return Range(self.low * other.low, self.likely * other.likely, self.high * other.high)

    def plus(self, other: Range) -> Range:
        """The sum: both low, both likely, both high."""
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def capped(self, most: Range) -> Range:
        """No more than that, end by end."""
        return Range(
            min(self.low, most.low), min(self.likely, most.likely), min(self.high, most.high)
        )

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range, ends included."""
        return self.low <= value <= self.high


def exactly(value: float) -> Range:
    """What is known."""
    return Range(value, value, value)


def estimate_total(values: Sequence[float], n_rows: int, floor: float = FLOOR) -> Range:
    """The total over all rows of a figure that is known for a sample of them.

    Args:
        values: one per sampled row; none: 0.
        n_rows: rows of the whole.
        floor: half the range's width at least, as a share of the likely value.
    """
    if not values or not any(values):
        return exactly(0.0)
    interval = paired_bootstrap(values, confidence=_CONFIDENCE, n_resamples=_RESAMPLES)
    unseen = math.sqrt(max(0.0, 1 - len(values) / n_rows))
    likely = interval.estimate
    low = min(likely - (likely - interval.low) * unseen, likely * (1 - floor))
    high = max(likely + (interval.high - likely) * unseen, likely * (1 + floor))
    return Range(max(0.0, low) * n_rows, likely * n_rows, high * n_rows)


def estimate_count(n_hits: int, n_sample: int, n_rows: int) -> Range:
    """How many of all rows have what `n_hits` of the sample's have (Wilson's interval)."""
    interval = wilson_interval(n_hits, n_sample, _CONFIDENCE)
    unseen = math.sqrt(max(0.0, 1 - n_sample / n_rows))
    likely = n_hits / n_sample
    low = likely - (likely - interval.low) * unseen
    high = likely + (interval.high - likely) * unseen
    return Range(low * n_rows, likely * n_rows, high * n_rows)
