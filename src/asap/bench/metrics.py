"""From completions and verdicts to the figures of a table. Pure arithmetic on values at hand.

Means are over problems: a problem counts once, however many samples it has. Latency has two names
for two things: the paper's is the wall clock of a whole run divided by its samples (throughput,
really); per request it is what one user waits.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from asap.bench.completion import Completion
from asap.bench.extract import find_answer
from asap.bench.loop import ends_in_loop
from asap.judge import Outcome, Verdict
from asap.statistics import Interval, paired_bootstrap, wilson_interval


@dataclass(frozen=True, slots=True)
class Graded:
    """A completion and what became of it."""

    completion: Completion
    verdict: Verdict

    @property
    def is_passed(self) -> bool:
        """Whether the judge passed it."""
        return self.verdict.outcome == "passed"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of one model on one benchmark under one budget. Rates are shares of samples."""

    n_problems: int
    n_samples: int
    pass_at_1: Interval
    """Wilson's interval for one sample per problem; for more, bootstrapped over problems."""
    pass_at_k: Mapping[int, float]
    """Unbiased (Chen et al. 2021)."""
    tokens: Interval
    """Mean per sample, bootstrapped over problems."""
    truncation_rate: float
    """Stopped by the budget."""
    closed_thinking_rate: float
    """Got as far as the closing tag."""
    loop_rate: float | None
    """Ended in a loop; None where a completion has no token ids."""
    accuracy_of_finished: float | None
    """Share passed of those the budget did not stop; None where it stopped all."""
    outcomes: Mapping[Outcome, int]


@dataclass(frozen=True, slots=True)
class CommonTokens:
    """Mean tokens of the right answers of two models to the problems that both solve."""

    n_problems: int
    first: float | None
    """None where there is no such problem."""
    second: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds."""

    amortised_s: float
    """Wall clock of the run per sample, the paper's."""
    median_s: float
    """Per request."""
    p95_s: float
    """Per request, interpolated."""


def measure(graded: Sequence[Graded], ks: Sequence[int] = ()) -> Metrics:
    """The figures of one model on one benchmark under one budget.

    Args:
        graded: all samples.
        ks: the k of each pass@k that is wanted beyond 1.

    Raises:
        ValueError: there is nothing to measure, or a problem has fewer than k samples.
    """
    if not graded:
        raise ValueError("there are no samples to measure")
    problems = group_by_problem(graded)
    completions = [each.completion for each in graded]
    finished = [each for each in graded if each.completion.finish_reason == "stop"]
    outputs = [each.completion_ids for each in completions if each.completion_ids is not None]
    has_ids = len(outputs) == len(completions)
    return Metrics(
        n_problems=len(problems),
        n_samples=len(graded),
        pass_at_1=measure_pass_at_1([[e.is_passed for e in samples] for samples in problems]),
        pass_at_k={k: fmean(_pass_at_k(samples, k) for samples in problems) for k in ks},
        tokens=paired_bootstrap([_mean_tokens(samples) for samples in problems]),
        truncation_rate=1 - len(finished) / len(graded),
        closed_thinking_rate=fmean(find_answer(each.text) is not None for each in completions),
        loop_rate=fmean(ends_in_loop(each) for each in outputs) if has_ids else None,
        accuracy_of_finished=fmean(each.is_passed for each in finished) if finished else None,
        outcomes=dict(Counter(each.verdict.outcome for each in graded)),
    )


def measure_pass_at_1(problems: Sequence[Sequence[bool]]) -> Interval:
    """The share of samples passed, averaged over problems.

    Args:
        problems: for each, whether its samples passed.

    Returns:
        Wilson's interval for one sample per problem; for more, bootstrapped over problems.
    """
    shares = [fmean(samples) for samples in problems]
    if all(len(samples) == 1 for samples in problems):
        return wilson_interval(int(sum(shares)), len(shares))
    return paired_bootstrap(shares)


def pass_at_k(n: int, n_passed: int, k: int) -> float:
    """The chance that k of n samples, drawn without replacement, hold one that passed.

    Raises:
        ValueError: there are fewer than k samples.
    """
    if not 0 < k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples per problem; one has {n}")
    return 1 - math.comb(n - n_passed, k) / math.comb(n, k)


def measure_common_tokens(first: Sequence[Graded], second: Sequence[Graded]) -> CommonTokens:
    """Tokens where both models are right, so that neither looks short by giving up.

    A problem counts where each model solves it in at least one sample, with the mean of the samples
    that do.
    """
    solved = [
        {
            samples[0].completion.id: _mean_tokens(samples)
            for samples in group_by_problem(each for each in arm if each.is_passed)
        }
        for arm in (first, second)
    ]
    common = [id for id in solved[0] if id in solved[1]]
    first_mean, second_mean = (
        fmean(tokens[id] for id in common) if common else None for tokens in solved
    )
    return CommonTokens(len(common), first_mean, second_mean)


def measure_latency(completions: Sequence[Completion], wall_s: float) -> Latency:
    """Both latencies of one run.

    Args:
        completions: all of the run, none of them cut to a budget or taken from an earlier run.
        wall_s: from the first request sent to the last response received.

    Raises:
        ValueError: there are none, or one has no time.
    """
    times = [each.total_s for each in completions if each.total_s is not None]
    if not times or len(times) < len(completions):
        raise ValueError("latency needs the time of every completion")
    median_s, p95_s = np.percentile(times, [50, 95])
    return Latency(wall_s / len(times), float(median_s), float(p95_s))


def group_by_problem(graded: Iterable[Graded]) -> list[list[Graded]]:
    """Samples by problem."""
    problems: dict[str, list[Graded]] = defaultdict(list)
    for each in graded:
        problems[each.completion.id].append(each)
    return list(problems.values())


def _pass_at_k(samples: Sequence[Graded], k: int) -> float:
    return pass_at_k(len(samples), sum(each.is_passed for each in samples), k)


def _mean_tokens(samples: Sequence[Graded]) -> float:
    return fmean(each.completion.n_tokens for each in samples)
