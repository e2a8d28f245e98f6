"""Intervals and paired tests for accuracies, token counts and times. A leaf: numpy and stdlib.

What it is not: a statistics package. Every test here is paired, because every comparison of two
models is made on the same problems. The paper names Wilcoxon's signed-rank test without its unit;
ours is the problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Zeros = Literal["drop", "pratt"]

_EXACT_UP_TO = 200
"""Differences for which Wilcoxon's distribution is computed, not approximated: some 20 ms."""
_RESAMPLES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval round it."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SignedRank:
    """The result of Wilcoxon's signed-rank test."""

    statistic: float
    """The sum of the ranks of the positive differences."""
    p_value: float
    """Two-sided."""
    n: int
    """Differences that were ranked and are not zero."""
    n_zeros: int
    method: Literal["exact", "normal"]


def wilson_interval(n_successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion (Wilson 1927), without continuity correction.

    Args:
        n_successes: at most `n`.
        n: trials; with none the interval is all of [0, 1] and the estimate not a number.
        confidence: in (0, 1).

    Raises:
        ValueError: the counts are not those of a sample.
    """
    if not 0 <= n_successes <= n:
        raise ValueError(f"{n_successes} successes in {n} trials")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    z = _two_sided(confidence)
    share = n_successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and n the bound is 0 or 1 exactly; floats miss it by an ulp.
    low = 0.0 if n_successes == 0 else (centre - half) / scale
    high = 1.0 if n_successes == n else (centre + half) / scale
    return Interval(share, low, high)


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of the mean of `first` minus the mean of `second`, over problems.

    Args:
        first: one value per problem, or one row of such values per training seed. Column j is
            problem j in both arms: problems are drawn once for both, seeds for each arm on its own.
        second: the other arm, with as many problems; None: the interval of the first arm's mean.
        confidence: in (0, 1).
        n_resamples: at least 1.
        seed: of the random numbers; the same data and seed give the same interval.

    Raises:
        ValueError: no problems, or arms with different numbers of them.
    """
    one = np.atleast_2d(np.asarray(first, dtype=np.float64))
    other = np.zeros((1, one.shape[1]))
    if second is not None:
        other = np.atleast_2d(np.asarray(second, dtype=np.float64))
    if one.shape[1] != other.shape[1] or one.shape[1] == 0:
        raise ValueError(f"{one.shape[1]} problems in one arm, {other.shape[1]} in the other")
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [
            _resample(one, other, min(_RESAMPLES_AT_ONCE, n_resamples - done), random)
            for done in range(0, n_resamples, _RESAMPLES_AT_ONCE)
        ]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(one.mean() - other.mean()), float(low), float(high))


def _resample(
    one: NDArray[np.float64], other: NDArray[np.float64], n: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Differences of the means of `n` resamples."""
    difference = _draw_seeds(one, n, random) - _draw_seeds(other, n, random)
    problems = random.integers(0, one.shape[1], size=(n, one.shape[1]))
    if len(difference) == 1:
        return np.asarray(difference[0][problems].mean(axis=1))
    return np.asarray(np.take_along_axis(difference, problems, axis=1).mean(axis=1))


def _draw_seeds(
    arm: NDArray[np.float64], n: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """`n` rows: the arm's mean by problem over seeds drawn with replacement. One row for all where
    there is one seed and so nothing to draw.
    """
    n_seeds = len(arm)
    if n_seeds == 1:
        return arm
    counts = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n)
    return np.asarray(counts @ arm / n_seeds)


def mcnemar_exact(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided p-value of McNemar's exact test: are the problems that one arm alone solves evenly
    shared?

    Raises:
        ValueError: the arms have different numbers of problems.
    """
    n_first = sum(a and not b for a, b in zip(first, second, strict=True))
    n_second = sum(b and not a for a, b in zip(first, second, strict=True))
    return _sign_test(n_first, n_second)


def _sign_test(n_first: int, n_second: int) -> float:
    # Sums of numpy's truth values are 64-bit integers, and a power of two of many overflows.
    n_first, n_second = int(n_first), int(n_second)
    n = n_first + n_second
    tail = sum(math.comb(n, k) for k in range(min(n_first, n_second) + 1))
    return float(min(1.0, 2 * tail / int(2**n)))


def wilcoxon_signed_rank(differences: ArrayLike, zeros: Zeros = "drop") -> SignedRank:
    """Wilcoxon's signed-rank test, two-sided: are the differences symmetric round zero?

    Ties get their mean rank. Up to 200 differences the p-value is exact for the ranks as they are,
    ties included; beyond, it is the normal approximation with its variance corrected for ties and
    no continuity correction.

    Args:
        differences: one per problem.
        zeros: `drop`, Wilcoxon's rule: zero differences are left out before ranking; `pratt`,
            Pratt's: they take part in the ranking, then their ranks are left out.
    """
    values = np.asarray(differences, dtype=np.float64)
    is_zero = values == 0
    ranked = values if zeros == "pratt" else values[~is_zero]
    ranks = _rank(np.abs(ranked))[ranked != 0]
    is_positive = ranked[ranked != 0] > 0
    statistic = float(ranks[is_positive].sum())
    exact = len(ranks) <= _EXACT_UP_TO
    p_value = (_exact_tail if exact else _normal_tail)(ranks, statistic)
    method: Literal["exact", "normal"] = "exact" if exact else "normal"
    return SignedRank(statistic, p_value, len(ranks), int(is_zero.sum()), method)


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[group])


def _exact_tail(ranks: NDArray[np.float64], statistic: float) -> float:
    """All sign patterns are equally likely; mean ranks are whole or half, so doubled they count."""
    doubled = np.rint(2 * ranks).astype(int)
    shares = np.zeros(int(doubled.sum()) + 1)
    shares[0] = 1.0
    for rank in doubled:
        with_rank = np.zeros_like(shares)
        with_rank[rank:] = shares[: len(shares) - rank]
        shares = (shares + with_rank) / 2
    at = round(2 * statistic)
    return float(min(1.0, 2 * min(shares[: at + 1].sum(), shares[at:].sum())))


def _normal_tail(ranks: NDArray[np.float64], statistic: float) -> float:
    """Mean and variance of the sum of ranks under random signs; ties are in the ranks already."""
    deviation = math.sqrt(float((ranks**2).sum()) / 4)
    z = (statistic - float(ranks.sum()) / 2) / deviation
    return min(1.0, 2 * NormalDist().cdf(-abs(z)))


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for several comparisons (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, k in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[k]))
        adjusted[k] = largest
    return adjusted


def smallest_difference(
    differences: ArrayLike, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The smallest mean difference that a paired sample like this one would show.

    "Show" means: a two-sided test at `1 - confidence` finds it with probability `power`. Normal
    approximation, with the spread of the differences as observed.

    Args:
        differences: one per problem.
        confidence: in (0, 1).
        power: in (0, 1).

    Returns:
        In the unit of the differences; infinite below two problems.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return math.inf
    spread = float(values.std(ddof=1)) / math.sqrt(len(values))
    return (_two_sided(confidence) + NormalDist().inv_cdf(power)) * spread


def smallest_accuracy_difference(
    first: Sequence[bool],
    second: Sequence[bool],
    *,
    confidence: float = 0.95,
    power: float = 0.8,
) -> float:
    """The smallest difference in accuracy that a paired sample like this one would show.

    As `smallest_difference`, but never below the least that McNemar's exact test can call
    significant at all: 6 problems at 95 %, each solved by the same arm alone. Two arms that agree
    everywhere have no spread, and still no sample shows a difference of nothing.

    Returns:
        A share of the problems; infinite where the sample is too small to show any difference.
    """
    differences = [float(a) - float(b) for a, b in zip(first, second, strict=True)]
    n_least = next(k for k in range(1, 1000) if _sign_test(k, 0) <= 1 - confidence)
    if len(differences) < n_least:
        return math.inf
    floor = n_least / len(differences)
    return max(floor, smallest_difference(differences, confidence=confidence, power=power))


def _two_sided(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
