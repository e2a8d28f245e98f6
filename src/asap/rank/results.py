"""From per-trace values to what tables show: means, paired differences, and how well arms match.

A mean is taken over the traces for which every arm of the table has a value (arms for which a
metric never has one aside), so that a column compares like with like. A difference is taken over
the traces for which both arms have a value, with a percentile bootstrap over traces. Where arms
kept different numbers of tokens (above 2 % in the mean) a difference compares budgets, not
methods: no interval is given then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from asap.rank.rank_folder import AtTarget, RankFolder, TraceValues
from asap.statistics import Interval, paired_bootstrap

MOST_MISMATCH = 0.02
"""Mean share of the tokens asked for by which an arm may miss them and still get an interval."""
FEWEST_PAIRS = 10
"""With fewer traces a bootstrap interval says nothing."""


@dataclass(frozen=True, slots=True)
class Match:
    """How near an arm came to the tokens asked for."""

    n: int
    """Traces."""
    mean: float
    """Mean of |tokens - wanted| / wanted."""
    largest: float
    ratio: float
    """Mean share of the thinking's tokens that was kept."""

    @property
    def is_close(self) -> bool:
        """Whether differences to this arm are ones between methods."""
        return self.mean <= MOST_MISMATCH


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one arm at one target."""

    mean: float
    n: int
    """Traces for which every arm has a value: those of the mean."""
    difference: Interval | None
    """To the reference: this arm less the reference; None for the reference itself, where either
    missed the tokens asked for, and where there are fewer than `FEWEST_PAIRS` pairs.
    """
    n_both: int
    """Traces with a value of both."""


@dataclass(frozen=True, slots=True)
class Results:
    """What `summarise_values` makes of a folder."""

    arms: tuple[str, ...]
    reference: str
    matches: dict[tuple[str, str], Match]
    """By target and arm."""
    measured: dict[tuple[str, str, str], Measured]
    """By target, arm and metric."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Ratios first, the largest first; then what single methods set."""
        return tuple(sorted({target for target, _ in self.matches}, key=_target_key))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric for which some arm has a value."""
        return tuple(dict.fromkeys(metric for _, _, metric in self.measured))


def _target_key(target: str) -> tuple[int, float, str]:
    try:
        return (0, -float(target), "")
    except ValueError:
        return (1, 0.0, target)


Pick = Callable[[TraceValues], Mapping[str, AtTarget]]


def summarise_values(
    folder: RankFolder, arms: Sequence[str], reference: str, pick: Pick = lambda v: v.targets
) -> Results:
    """Means and differences of a comparison.

    Args:
        folder: the comparison.
        arms: the arms to show, in order.
        reference: the arm that differences are taken to.
        pick: which values of a trace; by default those of the trace as it is.
    """
    rows = {
        arm: {values.row: pick(values) for values in folder.values(arm)}
        for arm in dict.fromkeys([*arms, reference])
    }
    matches: dict[tuple[str, str], Match] = {}
    measured: dict[tuple[str, str, str], Measured] = {}
    targets = dict.fromkeys(t for by_row in rows.values() for at in by_row.values() for t in at)
    for arm in rows:
        for target in targets:
            reached = {row: at[target] for row, at in rows[arm].items() if target in at}
            if reached:
                matches[target, arm] = _match(list(reached.values()))
    for target in dict.fromkeys(target for target, _ in matches):
        values = {arm: _by_metric(rows[arm], target) for arm in rows}
        is_close = {arm: (m := matches.get((target, arm))) and m.is_close for arm in rows}
        shown = [values[arm] for arm in arms]
        metrics = dict.fromkeys(metric for by_metric in shown for metric in by_metric)
        common_rows = {metric: _common_rows(shown, metric) for metric in metrics}
        for arm in arms:
            for metric in values[arm]:
                pair = (values[arm], values[reference])
                difference, n_both = None, 0
                if arm != reference and is_close[arm] and is_close[reference]:
                    difference, n_both = _compare(*pair, metric)
                common = common_rows[metric]
                mean = math.fsum(values[arm][metric][row] for row in common) / max(1, len(common))
                if common:
                    found = Measured(mean, len(common), difference, n_both)
                    measured[target, arm, metric] = found
    return Results(tuple(arms), reference, matches, measured)


Values = Mapping[str, Mapping[int, float]]
"""By metric and row."""


def _common_rows(arms: Sequence[Values], metric: str) -> list[int]:
    """Rows with a value of every arm that has any."""
    known = [set(arm[metric]) for arm in arms if arm.get(metric)]
    return sorted(set.intersection(*known)) if known else []


def _compare(ours: Values, theirs: Values, metric: str) -> tuple[Interval | None, int]:
    """The paired difference, and over how many rows."""
    others = theirs.get(metric, {})
    both = sorted(ours[metric].keys() & others.keys())
    if len(both) < FEWEST_PAIRS:
        return None, len(both)
    pairs = [ours[metric][row] for row in both], [others[row] for row in both]
    return paired_bootstrap(*pairs), len(both)


def _match(reached: Sequence[AtTarget]) -> Match:
    misses = [abs(at.tokens - at.wanted) / max(1, at.wanted) for at in reached]
    ratios = [at.tokens / at.whole for at in reached]
    n = len(reached)
    return Match(n, math.fsum(misses) / n, max(misses), math.fsum(ratios) / n)


def _by_metric(
    by_row: Mapping[int, Mapping[str, AtTarget]], target: str
) -> dict[str, dict[int, float]]:
    """Known values by metric and row."""
    found: dict[str, dict[int, float]] = {}
    for row, at in by_row.items():
        if target in at:
            for metric, value in at[target].values.items():
                if value is not None:
                    found.setdefault(metric, {})[row] = value
    return found
