"""Against values worked out by hand, by brute force, and with scipy where it is installed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from asap.statistics import (
    Interval,
    adjust_holm,
    mcnemar_exact,
    paired_bootstrap,
    smallest_accuracy_difference,
    smallest_difference,
    wilcoxon_signed_rank,
    wilson_interval,
)


def test_wilson_of_8_in_10():
    # (0.8 + 1.92073/10 ± 1.95996·sqrt(0.016 + 3.84146/400)) / (1 + 0.384146)
    interval = wilson_interval(8, 10)
    assert interval.estimate == 0.8
    assert (interval.low, interval.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)


def test_wilson_at_the_ends_stays_within_0_and_1_and_has_width():
    none, every = wilson_interval(0, 10), wilson_interval(10, 10)
    assert none.low == 0.0
    assert none.high == pytest.approx(0.277533, abs=1e-6)
    assert every.high == 1.0
    assert every.low == pytest.approx(1 - 0.277533, abs=1e-6)


def test_wilson_of_nothing_knows_nothing():
    interval = wilson_interval(0, 0)
    assert math.isnan(interval.estimate)
    assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.parametrize(("n_successes", "n"), [(-1, 3), (4, 3)])
def test_wilson_refuses_counts_of_no_sample(n_successes, n):
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(n_successes, n)


def test_bootstrap_of_two_problems_is_the_binomial_it_must_be():
    # Resampled means of {0, 1}: 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert paired_bootstrap([0, 1]) == Interval(0.5, 0.0, 1.0)
    assert paired_bootstrap([0, 1], confidence=0.4) == Interval(0.5, 0.5, 0.5)


def test_bootstrap_is_paired():
    first = [0, 10, 200, 3000]
    second = [value + 1 for value in first]
    assert paired_bootstrap(second, first) == Interval(1.0, 1.0, 1.0)


def test_bootstrap_draws_seeds_too():
    # Problems are alike, so all spread is between the two seeds of the first arm.
    interval = paired_bootstrap([[0, 0, 0], [1, 1, 1]], [[0.5, 0.5, 0.5]])
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.0, -0.5, 0.5))


def test_bootstrap_draws_the_seeds_of_the_arms_apart():
    # Two seeds each: the difference of two independent means of {0, 1} reaches -1 and 1.
    interval = paired_bootstrap([[0, 0], [1, 1]], [[0, 0], [1, 1]])
    assert (interval.low, interval.high) == pytest.approx((-1.0, 1.0))


def test_bootstrap_agrees_with_the_normal_interval_of_a_large_sample():
    values = np.random.default_rng(7).normal(2.0, 3.0, size=900)
    interval = paired_bootstrap(values)
    half = 1.96 * values.std() / 30
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)


def test_bootstrap_gives_the_same_interval_again():
    values = np.random.default_rng(1).random(20)
    assert paired_bootstrap(values, seed=3) == paired_bootstrap(values, seed=3)
    assert paired_bootstrap(values, seed=3) != paired_bootstrap(values, seed=4)


@pytest.mark.parametrize(("first", "second"), [([], None), ([1, 2], [1])])
def test_bootstrap_refuses_arms_that_do_not_pair(first, second):
    with pytest.raises(ValueError, match="problems"):
        paired_bootstrap(first, second)


def test_mcnemar_counts_only_problems_that_one_arm_alone_solves():
    # 1 against 9: 2·(C(10,0) + C(10,1)) / 2^10.
    first = [True] * 1 + [False] * 9 + [True] * 50 + [False] * 40
    second = [False] * 1 + [True] * 9 + [True] * 50 + [False] * 40
    assert mcnemar_exact(first, second) == 22 / 1024
    assert mcnemar_exact(second, first) == 22 / 1024


def test_mcnemar_of_an_even_share_and_of_no_difference_is_1():
    assert mcnemar_exact([True, False], [False, True]) == 1.0
    assert mcnemar_exact([True, False], [True, False]) == 1.0


def test_mcnemar_refuses_arms_that_do_not_pair():
    with pytest.raises(ValueError, match="argument 2"):
        mcnemar_exact([True], [True, False])


def test_wilcoxon_exact_by_hand():
    # Ranks 1..6, positive ones 1, 3, 5, 6; 14 of 64 subsets sum to at most 6.
    result = wilcoxon_signed_rank([1, -2, 3, -4, 5, 6])
    assert (result.statistic, result.n, result.n_zeros, result.method) == (15.0, 6, 0, "exact")
    assert result.p_value == 28 / 64


def test_wilcoxon_with_ties_by_hand():
    # Ranks 2, 2, 2: sums 0, 2, 4, 6 in 1, 3, 3, 1 of 8 ways.
    assert wilcoxon_signed_rank([1, 1, 1]).p_value == 2 / 8
    assert wilcoxon_signed_rank([1, 1, -1]).p_value == 1.0


def test_wilcoxon_zeros_by_both_names():
    # drop: ranks 1, 2, 3, positive 1 and 3. pratt: the two zeros take rank 1.5, then 3, 4, 5.
    dropped = wilcoxon_signed_rank([0, 0, 1, -2, 3], zeros="drop")
    assert (dropped.statistic, dropped.n, dropped.n_zeros) == (4.0, 3, 2)
    ranked = wilcoxon_signed_rank([0, 0, 1, -2, 3], zeros="pratt")
    assert (ranked.statistic, ranked.n, ranked.n_zeros) == (8.0, 3, 2)
    # Of the subsets of {3, 4, 5}, 8, 9 and 12 reach 8.
    assert ranked.p_value == 2 * 3 / 8


def test_wilcoxon_of_nothing_but_zeros_finds_nothing():
    result = wilcoxon_signed_rank([0.0, 0.0])
    assert (result.p_value, result.n, result.n_zeros) == (1.0, 0, 2)


@pytest.mark.parametrize("zeros", ["drop", "pratt"])
def test_wilcoxon_exact_is_the_enumeration_of_all_signs(zeros):
    random = np.random.default_rng(5)
    for _ in range(20):
        values = random.integers(-4, 5, size=9)
        result = wilcoxon_signed_rank(values, zeros=zeros)
        kept = [v for v in values if v or zeros == "pratt"]
        ranks = [
            sum(abs(w) < abs(v) for w in kept) + (sum(abs(w) == abs(v) for w in kept) + 1) / 2
            for v in kept
            if v
        ]
        sums = [
            sum(r for r, s in zip(ranks, signs, strict=True) if s)
            for signs in itertools.product([0, 1], repeat=len(ranks))
        ]
        low = sum(s <= result.statistic for s in sums) / len(sums)
        high = sum(s >= result.statistic for s in sums) / len(sums)
        assert result.p_value == pytest.approx(min(1.0, 2 * min(low, high)))


def test_wilcoxon_beyond_200_is_the_normal_approximation_with_tie_correction():
    # 150 ones, 60 of them negative, and 150 twos, 70 negative: mean ranks 75.5 and 225.5.
    values = [1] * 90 + [-1] * 60 + [2] * 80 + [-2] * 70
    result = wilcoxon_signed_rank(values)
    statistic = 90 * 75.5 + 80 * 225.5
    variance = 300 * 301 * 601 / 24 - 2 * (150**3 - 150) / 48
    z = (statistic - 300 * 301 / 4) / math.sqrt(variance)
    assert (result.method, result.statistic) == ("normal", statistic)
    assert result.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_wilcoxon_exact_and_normal_agree_where_they_meet():
    values = np.random.default_rng(2).normal(0.1, 1.0, size=200)
    exact = wilcoxon_signed_rank(values)
    variance = 200 * 201 * 401 / 24
    z = (exact.statistic - 200 * 201 / 4) / math.sqrt(variance)
    assert exact.method == "exact"
    assert exact.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=2e-3)


def test_holm_by_hand():
    # Sorted 0.01·3, 0.03·2, 0.04·1 raised to the one before.
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm([0.6, 0.9]) == [1.0, 1.0]
    assert adjust_holm([]) == []


def test_smallest_difference_by_hand():
    # (1.959964 + 0.841621) · sqrt(4/3) / 2
    assert smallest_difference([1, -1, 1, -1]) == pytest.approx(1.617496, abs=1e-5)
    assert smallest_difference([1, -1]) == pytest.approx(2.801585, abs=1e-5)
    assert smallest_difference([5.0]) == math.inf


def test_smallest_accuracy_difference_of_arms_that_agree_is_what_mcnemar_needs():
    assert smallest_accuracy_difference([True] * 60, [True] * 60) == 6 / 60
    assert smallest_accuracy_difference([True] * 5, [True] * 5) == math.inf


def test_smallest_accuracy_difference_of_arms_that_differ_follows_their_spread():
    first = [True, False] * 50
    second = [False, True] * 50
    spread = math.sqrt(100 / 99) / 10
    assert smallest_accuracy_difference(first, second) == pytest.approx(2.801585 * spread)


def test_against_scipy():
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    random = np.random.default_rng(11)
    for size in (8, 25):
        values = random.normal(0.3, 1.0, size=size)
        theirs = stats.wilcoxon(values, method="exact").pvalue
        assert wilcoxon_signed_rank(values).p_value == pytest.approx(theirs)
    values = random.integers(-6, 8, size=400)
    for ours, name in (("drop", "wilcox"), ("pratt", "pratt")):
        theirs = stats.wilcoxon(values, zero_method=name, method="asymptotic").pvalue
        assert wilcoxon_signed_rank(values, zeros=ours).p_value == pytest.approx(theirs)
    theirs = stats.binomtest(37, 120).proportion_ci(method="wilson")
    ours = wilson_interval(37, 120)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert mcnemar_exact([True] * 3 + [False] * 12, [False] * 3 + [True] * 12) == pytest.approx(
        stats.binomtest(3, 15).pvalue
    )


def test_mcnemar_of_many_problems_in_numpys_truth_values():
    # Their sums are 64-bit integers: 2^63 and 2^64 are none.
    for n in (62, 63, 64, 80):
        first, second = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
        assert mcnemar_exact(list(first), list(second)) == 2 / 2**n
