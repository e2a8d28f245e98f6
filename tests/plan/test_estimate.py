"""From a sample to a total."""

from __future__ import annotations

import random

from asap.plan import Range, estimate_count, estimate_total


def test_a_sample_of_everything_leaves_the_floor_alone() -> None:
    assert estimate_total([10.0, 30.0], 2) == Range(2 * 20 * 0.98, 40.0, 2 * 20 * 1.02)
    assert estimate_total([10.0, 30.0], 2, floor=0.0) == Range(40.0, 40.0, 40.0)
    assert estimate_count(3, 12, 12) == Range(3.0, 3.0, 3.0)


def test_nothing_stays_nothing() -> None:
    assert estimate_total([], 100) == Range(0.0, 0.0, 0.0)
    assert estimate_total([0.0, 0.0], 100) == Range(0.0, 0.0, 0.0)


def test_none_in_the_sample_is_not_none_in_the_input() -> None:
    count = estimate_count(0, 100, 10_000)
    assert count.low == 0
    assert count.likely == 0
    # Wilson's upper end at 90 %: z^2 / (n + z^2) = 2.706 / 102.706.
    assert 260 < count.high < 264


def test_ranges_hold_the_truth_about_as_often_as_they_say() -> None:
    """200 inputs of 2,000 long-tailed lengths, a sample of 100 of each: 90 % of the ranges hold."""
    source = random.Random(7)
    n_held = 0
    for _ in range(200):
        lengths = [source.lognormvariate(8, 0.8) for _ in range(2000)]
        total = estimate_total(source.sample(lengths, 100), 2000, floor=0.0)
        n_held += total.holds(sum(lengths))
    assert 160 <= n_held <= 195
