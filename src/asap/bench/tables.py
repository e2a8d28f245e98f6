"""What the tables of a comparison hold, as plain values: arms, their scores, their differences.

Runs of one label are one arm with several training seeds. Every score is measured once; differences
are taken under the largest budget that all arms have in common. How a table looks is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from asap.bench.comparison import Comparison, check_same_problems, compare_arms, tabulate
from asap.bench.eval_folder import Ceiling, EvalRun
from asap.bench.metrics import Graded, Latency, Metrics, measure
from asap.errors import InputError
from asap.statistics import adjust_holm, paired_bootstrap


@dataclass(frozen=True, slots=True)
class Arm:
    """A row of the tables."""

    name: str
    runs: tuple[EvalRun, ...]
    """One per training seed."""

    def budgets(self, benchmark: str) -> tuple[int, ...]:
        """Budgets in tokens that every run has, ascending; none where one lacks the benchmark."""
        own = [set(run.budgets().get(benchmark, ())) for run in self.runs]
        return tuple(sorted(set.intersection(*own)))


@dataclass(frozen=True, slots=True)
class Score:
    """An arm on a benchmark under a budget."""

    metrics: Metrics
    """Of all seeds; with several of them, intervals draw seeds as well as problems."""
    latency: Latency | None
    """Mean over seeds; None where completions of one were cut to the budget."""
    request_s: float | None
    """Mean seconds per request, over problems."""
    ceiling: Ceiling | None
    """The lowest of the seeds'."""


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """An arm against the baseline; p-values adjusted by Holm over the arms."""

    comparison: Comparison
    mcnemar_p: float | None
    tokens_p: float | None
    seconds_p: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """All that the tables are made of."""

    arms: tuple[str, ...]
    baseline: str
    budgets: Mapping[str, tuple[int, ...]]
    """Those that any arm has, by benchmark, ascending."""
    common_budget: Mapping[str, int]
    """The largest that all arms with the benchmark have; a benchmark without one is not there."""
    scores: Mapping[tuple[str, int, str], Score]
    """By benchmark, budget and arm."""
    differences: Mapping[tuple[str, str], ArmDifference]
    """By benchmark and arm, under the common budget."""
    notes: Mapping[str, tuple[str, ...]]
    """What an arm lacks, by benchmark."""
    differing_rules: tuple[str, ...]
    """Rules of grading that are not the same in all runs, so that scores are hard to compare."""


def gather_arms(named: Iterable[tuple[str, EvalRun]]) -> list[Arm]:
    """Put runs of one name together, in the order in which names come.

    Raises:
        InputError: a folder stands twice under one name: it would pass for a second seed.
    """
    runs: dict[str, list[EvalRun]] = {}
    for name, run in named:
        there = runs.setdefault(name, [])
        if any(run.folder.resolve() == other.folder.resolve() for other in there):
            raise InputError(f"{run.folder} is named twice; a seed counts once")
        there.append(run)
    return [Arm(name, tuple(members)) for name, members in runs.items()]


def compare_runs(arms: Sequence[Arm], baseline: str | None = None) -> Results:
    """Measure every arm and compare it with the baseline.

    Args:
        arms: at least one.
        baseline: its name; None: the first.

    Raises:
        InputError: there is no such arm, or runs do not answer the same problems.
        RunFolderError: a run's files are not what its report says.
    """
    names = tuple(arm.name for arm in arms)
    baseline = names[0] if baseline is None else baseline
    if baseline not in names:
        raise InputError(
            f"there is no arm '{baseline}' to be the baseline, only {', '.join(names)}"
        )
    # The baseline first: its completions are at hand when those of the others come.
    ordered = sorted(arms, key=lambda arm: arm.name != baseline)
    benchmarks = list(
        dict.fromkeys(name for arm in arms for run in arm.runs for name in run.budgets())
    )
    scores: dict[tuple[str, int, str], Score] = {}
    differences: dict[tuple[str, str], ArmDifference] = {}
    common = {}
    for benchmark in benchmarks:
        shared = _find_common_budgets(arms, benchmark)
        if shared:
            common[benchmark] = max(shared)
        for budget in _find_budgets(arms, benchmark):
            try:
                measured, compared = _measure_arms(
                    ordered, baseline, benchmark, budget, budget == common.get(benchmark)
                )
            except InputError as error:
                raise InputError(f"{benchmark} under {budget} tokens: {error}") from None
            scores |= {(benchmark, budget, arm): score for arm, score in measured.items()}
            adjusted = _adjust(compared)
            differences |= {(benchmark, arm): difference for arm, difference in adjusted.items()}
    return Results(
        arms=names,
        baseline=baseline,
        budgets={benchmark: _find_budgets(arms, benchmark) for benchmark in benchmarks},
        common_budget=common,
        scores=scores,
        differences=differences,
        notes={benchmark: _find_gaps(arms, baseline, benchmark) for benchmark in benchmarks},
        differing_rules=_find_differing_rules(arms),
    )


def say_budget(budget_tokens: int) -> str:
    """The budget in k tokens of 1,024 where it is whole: `6k`; else in tokens."""
    return f"{budget_tokens // 1024}k" if budget_tokens % 1024 == 0 else f"{budget_tokens:,}"


def _measure_arms(
    arms: Sequence[Arm], baseline: str, benchmark: str, budget: int, is_compared: bool
) -> tuple[dict[str, Score], dict[str, Comparison]]:
    """One benchmark under one budget; of completions, one arm's and the baseline's are in memory at
    a time.
    """
    scores: dict[str, Score] = {}
    comparisons: dict[str, Comparison] = {}
    problems: list[set[str]] = []
    baseline_runs: list[list[Graded]] = []
    for arm in arms:
        if budget not in arm.budgets(benchmark):
            continue
        runs = [run.graded(benchmark, budget) for run in arm.runs]
        problems += [{each.completion.id for each in run} for run in runs]
        check_same_problems(problems)
        scores[arm.name] = _score(arm, runs, benchmark, budget)
        if not is_compared:
            continue
        if arm.name == baseline:
            baseline_runs = runs
        elif baseline_runs:
            comparisons[arm.name] = compare_arms(runs, baseline_runs)
    return scores, comparisons


def _score(arm: Arm, runs: Sequence[Sequence[Graded]], benchmark: str, budget: int) -> Score:
    everything = [each for run in runs for each in run]
    metrics = measure(everything)
    ids = sorted({each.completion.id for each in everything})
    if len(runs) > 1:
        metrics = replace(
            metrics,
            pass_at_1=paired_bootstrap(tabulate(runs, ids, lambda each: each.is_passed)),
            tokens=paired_bootstrap(tabulate(runs, ids, lambda each: each.completion.n_tokens)),
        )
    times = [each.completion.total_s for each in everything]
    request_s = None
    if None not in times:
        request_s = float(tabulate(runs, ids, lambda each: each.completion.total_s or 0.0).mean())
    ceilings = [ceiling for run in arm.runs if (ceiling := run.ceiling(benchmark)) is not None]
    return Score(
        metrics=metrics,
        latency=_average([run.latency(benchmark, budget) for run in arm.runs]),
        request_s=request_s,
        ceiling=min(ceilings, key=lambda each: each.n_passed, default=None),
    )


def _average(latencies: Sequence[Latency | None]) -> Latency | None:
    known = [latency for latency in latencies if latency is not None]
    if len(known) < len(latencies):
        return None
    return Latency(
        fmean(latency.amortised_s for latency in known),
        fmean(latency.median_s for latency in known),
        fmean(latency.p95_s for latency in known),
    )


def _adjust(comparisons: Mapping[str, Comparison]) -> dict[str, ArmDifference]:
    """Each kind of test is a family of its own."""
    mcnemar = _adjust_known({arm: each.mcnemar_p for arm, each in comparisons.items()})
    tokens = _adjust_known({arm: each.tokens.test.p_value for arm, each in comparisons.items()})
    seconds = _adjust_known(
        {
            arm: None if each.seconds is None else each.seconds.test.p_value
            for arm, each in comparisons.items()
        }
    )
    return {
        arm: ArmDifference(comparison, mcnemar.get(arm), tokens.get(arm), seconds.get(arm))
        for arm, comparison in comparisons.items()
    }


def _adjust_known(p_values: Mapping[str, float | None]) -> dict[str, float]:
    known = {arm: p for arm, p in p_values.items() if p is not None}
    return dict(zip(known, adjust_holm(list(known.values())), strict=True))


def _find_budgets(arms: Sequence[Arm], benchmark: str) -> tuple[int, ...]:
    return tuple(sorted({budget for arm in arms for budget in arm.budgets(benchmark)}))


def _find_common_budgets(arms: Sequence[Arm], benchmark: str) -> set[int]:
    """Those of all arms that have the benchmark at all."""
    own = [set(budgets) for arm in arms if (budgets := arm.budgets(benchmark))]
    return set.intersection(*own) if own else set()


def _find_gaps(arms: Sequence[Arm], baseline: str, benchmark: str) -> tuple[str, ...]:
    """One line for each thing that not all arms have."""
    notes = []
    lacking = [arm for arm in arms if not arm.budgets(benchmark)]
    if lacking:
        notes.append(f"{benchmark} is not in {_list(lacking)}")
    if baseline in [arm.name for arm in lacking]:
        notes.append(f"{benchmark} has no differences: the baseline {baseline} lacks it")
    having = [arm for arm in arms if arm not in lacking]
    if having and not _find_common_budgets(arms, benchmark):
        notes.append(f"{benchmark} has no budget that all arms share")
    for budget in _find_budgets(arms, benchmark):
        without = [arm for arm in having if budget not in arm.budgets(benchmark)]
        if without:
            notes.append(f"{benchmark} under {say_budget(budget)} is not in {_list(without)}")
    return tuple(notes)


def _find_differing_rules(arms: Sequence[Arm]) -> tuple[str, ...]:
    lines = []
    for rule in ("extract", "timing", "temperature", "top_p", "n_samples"):
        values = {_find_rule(run.report, rule) for arm in arms for run in arm.runs}
        if len(values) > 1:
            lines.append(f"the runs were not made alike: {rule} is {' or '.join(sorted(values))}")
    return tuple(lines)


def _find_rule(report: Mapping[str, Any], rule: str) -> str:
    return str({**report, **report.get("sampling", {})}.get(rule))


def _list(arms: Sequence[Arm]) -> str:
    return ", ".join(arm.name if len(arm.runs) == 1 else f"every run of {arm.name}" for arm in arms)
