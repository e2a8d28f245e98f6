"""Two models on the same problems: differences, intervals, tests. The unit is the problem.

Values of one problem are averaged over samples and training seeds before they are tested; the
intervals draw problems for both arms at once and seeds for each arm on its own. Several comparisons
in one table need `adjust_holm` on top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from asap.bench.metrics import CommonTokens, Graded, group_by_problem, measure_common_tokens
from asap.errors import InputError
from asap.statistics import (
    Interval,
    SignedRank,
    mcnemar_exact,
    paired_bootstrap,
    smallest_accuracy_difference,
    smallest_difference,
    wilcoxon_signed_rank,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """First arm minus second, per problem."""

    mean: Interval
    test: SignedRank
    """Wilcoxon's signed-rank test."""
    smallest: float
    """The smallest difference that this sample would show (95 %, power 80 %)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two arms differ in."""

    n_problems: int
    accuracy: Interval
    """Pass@1 of the first arm minus that of the second."""
    mcnemar_p: float | None
    """Exact; None where an arm has several samples or seeds per problem."""
    smallest_accuracy: float
    tokens: Difference
    common_tokens: CommonTokens
    seconds: Difference | None
    """Per request; None where a completion has no time, as after cutting it to a budget."""


def compare_arms(
    first: Sequence[Sequence[Graded]], second: Sequence[Sequence[Graded]]
) -> Comparison:
    """Compare two arms on one benchmark under one budget.

    Args:
        first: one list of graded completions per training seed.
        second: the same of the other arm.

    Raises:
        InputError: the runs do not answer the same problems.
    """
    runs = [*first, *second]
    ids = check_same_problems([{each.completion.id for each in run} for run in runs])
    everything = [[each for run in arm for each in run] for arm in (first, second)]
    passed = [tabulate(arm, ids, _is_passed) for arm in (first, second)]
    is_single = all(len(samples) == len(ids) for samples in everything)
    if is_single:
        solved = [[value == 1 for value in table[0]] for table in passed]
        mcnemar_p = mcnemar_exact(*solved)
        smallest = smallest_accuracy_difference(*solved)
    else:
        mcnemar_p = None
        smallest = smallest_difference(passed[0].mean(axis=0) - passed[1].mean(axis=0))
    has_times = all(each.completion.total_s is not None for run in runs for each in run)
    return Comparison(
        n_problems=len(ids),
        accuracy=paired_bootstrap(*passed),
        mcnemar_p=mcnemar_p,
        smallest_accuracy=smallest,
        tokens=_find_difference(first, second, ids, _count_tokens),
        common_tokens=measure_common_tokens(*everything),
        seconds=_find_difference(first, second, ids, _take_seconds) if has_times else None,
    )


def check_same_problems(ids: Sequence[set[str]]) -> list[str]:
    """The problems that every run answers, sorted.

    Args:
        ids: those of each run.

    Raises:
        InputError: they are not the same, or there are none.
    """
    for other in ids[1:]:
        if other != ids[0]:
            odd = sorted(other ^ ids[0])
            raise InputError(
                f"the runs do not answer the same problems: {len(odd)} are in one of them only, "
                f"{odd[0]} for one"
            )
    if not ids or not ids[0]:
        raise InputError("there is nothing to compare: a run answers no problem")
    return sorted(ids[0])


def tabulate(
    arm: Sequence[Sequence[Graded]], ids: Sequence[str], read: Callable[[Graded], float]
) -> NDArray[np.float64]:
    """One row per seed, one column per problem: means over samples.

    Args:
        arm: one list of graded completions per training seed.
        ids: the problems, in the order of the columns.
        read: the value of one.
    """
    rows = []
    for seed in arm:
        samples = {group[0].completion.id: group for group in group_by_problem(seed)}
        rows.append([fmean(read(each) for each in samples[id]) for id in ids])
    return np.array(rows)


def _find_difference(
    first: Sequence[Sequence[Graded]],
    second: Sequence[Sequence[Graded]],
    ids: Sequence[str],
    read: Callable[[Graded], float],
) -> Difference:
    one, other = tabulate(first, ids, read), tabulate(second, ids, read)
    differences = one.mean(axis=0) - other.mean(axis=0)
    return Difference(
        paired_bootstrap(one, other),
        wilcoxon_signed_rank(differences),
        smallest_difference(differences),
    )


def _is_passed(each: Graded) -> float:
    return float(each.is_passed)


def _count_tokens(each: Graded) -> float:
    return float(each.completion.n_tokens)


def _take_seconds(each: Graded) -> float:
    return each.completion.total_s or 0.0
