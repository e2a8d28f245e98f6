"""What the first words of steps tell of their labels, under either regime."""

from __future__ import annotations

from collections import Counter
from typing import Any

from asap.lab import HABIT_OPENERS, OPENER_COUNTS, TINY, draw_traces


def count_openers(regime: Any) -> tuple[Counter[str], Counter[str]]:
    """First words of redundant and of essential steps."""
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for trace in draw_traces(TINY, regime, "train", 1500, 4):
        for step, is_redundant in zip(
            trace.thinking.split("\n\n"), trace.is_redundant, strict=True
        ):
            counts[not is_redundant][step.split()[0].rstrip(",")] += 1
    return counts


def chi_square(*samples: Counter[str]) -> float:
    total = sum(samples, Counter[str]())
    statistic = 0.0
    for sample in samples:
        for word, n in total.items():
            expected = n * sample.total() / total.total()
            statistic += (sample[word] - expected) ** 2 / expected
    return statistic


def test_shared_openers_do_not_tell_the_label() -> None:
    redundant, essential = count_openers("shared")
    # 18 degrees of freedom: above 42.3 once in a thousand draws.
    assert chi_square(redundant, essential) < 42.3


def test_distinct_openers_tell_it_for_sure() -> None:
    redundant, essential = count_openers("distinct")
    assert set(redundant) == HABIT_OPENERS
    assert set(essential) == set(OPENER_COUNTS) - HABIT_OPENERS
    assert chi_square(redundant, essential) > 1000


def test_openers_are_as_frequent_as_those_of_real_steps() -> None:
    drawn = sum(count_openers("shared"), Counter[str]())
    share = drawn.total() / sum(OPENER_COUNTS.values())
    statistic = sum((drawn[w] - n * share) ** 2 / (n * share) for w, n in OPENER_COUNTS.items())
    assert statistic < 42.3


def test_each_family_keeps_its_proportions() -> None:
    for drawn in count_openers("distinct"):
        share = drawn.total() / sum(OPENER_COUNTS[word] for word in drawn)
        assert all(
            abs(n - OPENER_COUNTS[word] * share) < 5 * (OPENER_COUNTS[word] * share) ** 0.5
            for word, n in drawn.items()
        )
