"""The bootstrap over problems and seeds of `asap.statistics`, for many arms at once.

Problems are drawn once for all arms, the seeds of each arm once for all its measures. So every
interval of a setting costs the same draws: seconds, where one by one they take minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asap.statistics import Interval

Measure = int | Literal["tokens"]
"""Accuracy under a budget in tokens, or the tokens of an answer."""
_N_RESAMPLES = 10_000
_AT_ONCE = 500


def resample(
    arms: Sequence[Mapping[Measure, NDArray[np.float64]]], seed: int = 0
) -> list[dict[Measure, NDArray[np.float64]]]:
    """The mean of every measure of every arm in each resample.

    Args:
        arms: for each measure one row per training seed, one column per problem; column j is
            problem j in every arm.
        seed: of the random numbers.

    Returns:
        For each arm and measure 10,000 means; the same place is the same resample.
    """
    rows = np.concatenate([table for arm in arms for table in arm.values()]).astype(np.float64)
    n_problems = rows.shape[1]
    random = np.random.default_rng(seed)
    offsets = n_problems * np.arange(_AT_ONCE)[:, None]
    parts = []
    for _ in range(_N_RESAMPLES // _AT_ONCE):
        drawn = random.integers(0, n_problems, size=(_AT_ONCE, n_problems)) + offsets
        counts = np.bincount(drawn.ravel(), minlength=_AT_ONCE * n_problems)
        parts.append(counts.reshape(_AT_ONCE, n_problems) @ rows.T / n_problems)
    means = np.concatenate(parts)
    found = []
    start = 0
    for arm in arms:
        n_seeds = len(next(iter(arm.values())))
        shares = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=_N_RESAMPLES)
        own: dict[Measure, NDArray[np.float64]] = {}
        for measure in arm:
            own[measure] = (means[:, start : start + n_seeds] * shares).sum(axis=1) / n_seeds
            start += n_seeds
        found.append(own)
    return found


def find_interval(estimate: float, draws: NDArray[np.float64]) -> Interval:
    """The 95 % percentile interval."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(estimate, float(low), float(high))
