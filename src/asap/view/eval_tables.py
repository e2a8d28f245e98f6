"""What was measured of evaluated models, put into the paper's tables and figure: for `asap compare`
and for the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from asap.bench import ArmDifference, Results, Score, say_budget
from asap.report import Cell, Chart, Column, Number, Series, Table
from asap.statistics import Interval

_LATENCY = "latency: wall time of the whole run per sample, as in the paper"
_INTERVALS = (
    "intervals: 95 %, bootstrap over problems, and over training seeds where there are several"
)
_TESTS = (
    "p: exact McNemar for Pass@1 (one sample and seed each), Wilcoxon's signed ranks for the rest; "
    "the unit is the problem; Holm over the arms"
)
_SMALLEST = (
    "smallest: the difference that this sample would show with 80 % power; - where it shows none"
)


def lay_out_main(results: Results) -> list[Table]:
    """Table 1 of the paper, and the differences to the baseline."""
    groups = [
        (f"{benchmark} {say_budget(budget)}", benchmark, budget)
        for benchmark, budget in results.common_budget.items()
    ]
    notes = _gather_notes(results, results.notes)
    main = Table(
        "Pass@1, tokens and latency under the largest common budget",
        (Column("arm"), *(c for group, _, _ in groups for c in _score_columns(group))),
        tuple(
            (arm, *(c for _, b, n in groups for c in _score_cells(results.scores.get((b, n, arm)))))
            for arm in results.arms
        ),
        (_LATENCY, *_count_problems(results), *notes),
    )
    others = [arm for arm in results.arms if arm != results.baseline]
    if not results.differences:
        return [main]
    headings = ("Pass@1, points", "tokens", "s per request")
    against = Table(
        f"Differences to {results.baseline}",
        (Column("arm"), *(Column(h, group) for group, _, _ in groups for h in headings)),
        tuple(
            (arm, *(c for _, b, _ in groups for c in _estimates(results.differences.get((b, arm)))))
            for arm in others
        ),
        (_INTERVALS, *notes),
    )
    return [main, against]


def lay_out_sweeps(results: Results) -> list[Table]:
    """Tables 5 to 12 of the paper: one per benchmark."""
    return [
        Table(
            f"{benchmark} over budgets",
            (Column("arm"), *(c for n in budgets for c in _score_columns(say_budget(n)))),
            tuple(
                (
                    arm,
                    *(
                        cell
                        for n in budgets
                        for cell in _score_cells(results.scores.get((benchmark, n, arm)))
                    ),
                )
                for arm in results.arms
            ),
            (_LATENCY, *_gather_notes(results, [benchmark])),
        )
        for benchmark, budgets in results.budgets.items()
        if budgets
    ]


def lay_out_points(results: Results) -> list[Table]:
    """The points of Figure 3."""
    headings = ("benchmark", "arm", "budget, tokens", "Pass@1 %")
    rows = [
        (benchmark, arm, Number(budget), _percent(score.metrics.pass_at_1))
        for (benchmark, budget, arm), score in _sort_scores(results)
    ]
    notes = (_INTERVALS, *_gather_notes(results, results.notes))
    return [Table("Accuracy over budgets", tuple(map(Column, headings)), tuple(rows), notes)]


def lay_out_charts(results: Results) -> list[Chart]:
    """Figure 3 of the paper: one plot per benchmark."""
    return [
        Chart(
            f"{benchmark}: Pass@1 % over budgets",
            tuple(map(say_budget, budgets)),
            tuple(
                Series(
                    arm, tuple(_find_pass(results.scores.get((benchmark, n, arm))) for n in budgets)
                )
                for arm in results.arms
            ),
        )
        for benchmark, budgets in results.budgets.items()
        if budgets
    ]


def lay_out_differences(results: Results) -> list[Table]:
    """Every arm against the baseline, with tests."""
    columns = (
        *map(Column, ("benchmark", "arm", "measure")),
        *(Column(heading, "mean") for heading in ("value", "baseline", "difference")),
        *(Column(heading, "test") for heading in ("p", "p, Holm", "smallest")),
    )
    rows = [
        (f"{benchmark} {say_budget(budget)}", arm, *cells)
        for benchmark, budget in results.common_budget.items()
        for arm in results.arms
        if (benchmark, arm) in results.differences
        for cells in _difference_rows(
            results.scores[benchmark, budget, arm],
            results.scores[benchmark, budget, results.baseline],
            results.differences[benchmark, arm],
        )
    ]
    if not rows:
        return []
    title = f"Differences to {results.baseline}, tested"
    notes = (_INTERVALS, _TESTS, _SMALLEST, *_gather_notes(results, results.notes))
    return [Table(title, columns, tuple(rows), notes)]


def lay_out_details(results: Results) -> list[Table]:
    """What else was measured."""
    columns = (
        *map(Column, ("benchmark", "arm")),
        *(Column(heading, "number of") for heading in ("problems", "samples")),
        *(Column(heading, "Pass@1 %") for heading in ("all", "of finished", "ceiling")),
        *(Column(h, "output") for h in ("tokens", "cut off %", "</think> %", "loops %")),
        *(Column(heading, "seconds") for heading in ("median", "p95")),
    )
    rows = [
        (f"{benchmark} {say_budget(budget)}", arm, *_detail_cells(score))
        for (benchmark, budget, arm), score in _sort_scores(results)
    ]
    notes = (
        _INTERVALS,
        "cut off: stopped by the budget; of finished: Pass@1 among the others; ceiling: what the "
        "canonical solutions reach where it was judged; median and p95: per request",
        *_gather_notes(results, results.notes),
    )
    return [Table("Details", columns, tuple(rows), notes)]


def _count_problems(results: Results) -> list[str]:
    """How many problems each benchmark's scores are over: `--limit` may have made them few."""
    counts = {
        benchmark: results.scores[benchmark, budget, arm].metrics.n_problems
        for (benchmark, budget, arm) in results.scores
    }
    return [f"problems: {', '.join(f'{count:,} of {name}' for name, count in counts.items())}"]


def _sort_scores(results: Results) -> list[tuple[tuple[str, int, str], Score]]:
    """In the order of benchmarks, budgets, arms."""
    keys = [
        (benchmark, budget, arm)
        for benchmark, budgets in results.budgets.items()
        for budget in budgets
        for arm in results.arms
    ]
    return [(key, results.scores[key]) for key in keys if key in results.scores]


def _score_columns(group: str) -> tuple[Column, ...]:
    return (
        Column("Pass@1 %", group, "highest"),
        Column("tokens", group, "lowest"),
        Column("latency s", group, "lowest"),
    )


def _score_cells(score: Score | None) -> tuple[Cell, ...]:
    if score is None:
        return (None, None, None)
    latency = score.latency
    return (
        Number(100 * score.metrics.pass_at_1.estimate, 1),
        Number(score.metrics.tokens.estimate),
        None if latency is None else Number(latency.amortised_s, 2),
    )


def _detail_cells(score: Score) -> tuple[Cell, ...]:
    metrics, latency, ceiling = score.metrics, score.latency, score.ceiling
    return (
        Number(metrics.n_problems),
        Number(metrics.n_samples),
        _percent(metrics.pass_at_1),
        _share(metrics.accuracy_of_finished),
        None if ceiling is None else _share(ceiling.n_passed / ceiling.n_problems),
        _number(metrics.tokens, 0),
        _share(metrics.truncation_rate),
        _share(metrics.closed_thinking_rate),
        _share(metrics.loop_rate),
        None if latency is None else Number(latency.median_s, 2),
        None if latency is None else Number(latency.p95_s, 2),
    )


def _share(share: float | None) -> Cell:
    return None if share is None else Number(100 * share, 1)


def _estimates(difference: ArmDifference | None) -> tuple[Cell, ...]:
    if difference is None:
        return (None, None, None)
    compared = difference.comparison
    return (
        _percent(compared.accuracy, is_signed=True),
        _number(compared.tokens.mean, 0, is_signed=True),
        None if compared.seconds is None else _number(compared.seconds.mean, 2, is_signed=True),
    )


def _difference_rows(
    score: Score, baseline: Score, difference: ArmDifference
) -> list[tuple[Cell, ...]]:
    """Measure, value, baseline, difference, p, p adjusted, smallest difference."""
    compared, common = difference.comparison, difference.comparison.common_tokens
    accuracy, tokens, seconds = _estimates(difference)
    rows: list[tuple[Cell, ...]] = [
        (
            "Pass@1, points",
            Number(100 * score.metrics.pass_at_1.estimate, 1),
            Number(100 * baseline.metrics.pass_at_1.estimate, 1),
            accuracy,
            _p_value(compared.mcnemar_p),
            _p_value(difference.mcnemar_p),
            _finite(100 * compared.smallest_accuracy, 1),
        ),
        (
            "tokens",
            Number(score.metrics.tokens.estimate),
            Number(baseline.metrics.tokens.estimate),
            tokens,
            _p_value(compared.tokens.test.p_value),
            _p_value(difference.tokens_p),
            _finite(compared.tokens.smallest, 0),
        ),
    ]
    if common.first is not None and common.second is not None:
        values = (Number(common.first), Number(common.second))
        delta = Number(common.first - common.second, is_signed=True)
        measure = f"tokens where both pass ({common.n_problems})"
        rows.append((measure, *values, delta, None, None, None))
    if compared.seconds is not None and score.request_s is not None:
        rows.append(
            (
                "s per request",
                Number(score.request_s, 2),
                None if baseline.request_s is None else Number(baseline.request_s, 2),
                seconds,
                _p_value(compared.seconds.test.p_value),
                _p_value(difference.seconds_p),
                _finite(compared.seconds.smallest, 2),
            )
        )
    return rows


def _find_pass(score: Score | None) -> float | None:
    return None if score is None else 100 * score.metrics.pass_at_1.estimate


def _percent(interval: Interval, *, is_signed: bool = False) -> Number:
    scaled = Interval(100 * interval.estimate, 100 * interval.low, 100 * interval.high)
    return _number(scaled, 1, is_signed=is_signed)


def _number(interval: Interval, digits: int, *, is_signed: bool = False) -> Number:
    return Number(interval.estimate, digits, (interval.low, interval.high), is_signed)


def _p_value(p: float | None) -> Cell:
    return None if p is None else Number(p, 3, floor=0.001)


def _finite(value: float, digits: int) -> Cell:
    return Number(value, digits) if math.isfinite(value) else None


def _gather_notes(results: Results, benchmarks: Iterable[str]) -> Sequence[str]:
    return [*results.differing_rules, *(n for name in benchmarks for n in results.notes[name])]
