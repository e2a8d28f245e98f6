"""Accuracy of evaluated models against budget and against tokens, with intervals (Figure 3 of the
paper, and what its tables say in numbers).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from asap.bench import Results, Score, say_budget
from asap.report import Bar, BarPlot, Line, LinePlot, Plot, Point
from asap.statistics import Interval

_LOG_FROM = 4
"""From this ratio of the largest budget to the smallest on, small ones would stand too close."""


def plot_results(results: Results) -> dict[str, Plot]:
    """Every plot of a comparison, by name: two per benchmark, one for an arm alone."""
    plots: dict[str, Plot] = {}
    for benchmark, budgets in results.budgets.items():
        slug = re.sub(r"[^a-z0-9]+", "-", benchmark.lower()).strip("-")
        if len(budgets) > 1:
            plots[f"accuracy-{slug}"] = _plot_over_budgets(results, benchmark, budgets)
        elif budgets:
            plots[f"accuracy-{slug}"] = _plot_under_budget(results, benchmark, budgets[0])
        if benchmark in results.common_budget and len(results.arms) > 1:
            plots[f"tokens-{slug}"] = _plot_against_tokens(results, benchmark)
    return plots


def _plot_over_budgets(results: Results, benchmark: str, budgets: tuple[int, ...]) -> LinePlot:
    lines = [
        Line(
            arm,
            tuple(
                Point(budget, 100 * score.metrics.pass_at_1.estimate, _percent(score))
                for budget, score in _find_scores(results, benchmark, arm)
            ),
        )
        for arm in results.arms
    ]
    return LinePlot(
        f"{benchmark}: accuracy against budget",
        "budget, tokens",
        "Pass@1, %",
        tuple(line for line in lines if line.points),
        x_ticks=tuple(map(float, budgets)),
        is_x_log=budgets[-1] >= _LOG_FROM * budgets[0],
    )


def _plot_under_budget(results: Results, benchmark: str, budget: int) -> BarPlot:
    bars = tuple(
        Bar(arm, 100 * score.metrics.pass_at_1.estimate, _percent(score))
        for arm in results.arms
        for _, score in _find_scores(results, benchmark, arm)
    )
    title = f"{benchmark}: accuracy under a budget of {say_budget(budget)} tokens"
    return BarPlot(title, "Pass@1, %", bars)


def _plot_against_tokens(results: Results, benchmark: str) -> LinePlot:
    budget = results.common_budget[benchmark]
    lines = [
        Line(
            arm,
            (
                Point(
                    score.metrics.tokens.estimate,
                    100 * score.metrics.pass_at_1.estimate,
                    _percent(score),
                    _bounds(score.metrics.tokens),
                ),
            ),
        )
        for arm in results.arms
        if (score := results.scores.get((benchmark, budget, arm))) is not None
    ]
    return LinePlot(
        f"{benchmark}: accuracy against tokens under a budget of {say_budget(budget)}",
        "mean tokens of an answer",
        "Pass@1, %",
        tuple(lines),
    )


def _find_scores(results: Results, benchmark: str, arm: str) -> Iterator[tuple[int, Score]]:
    for budget in results.budgets[benchmark]:
        score = results.scores.get((benchmark, budget, arm))
        if score is not None:
            yield budget, score


def _percent(score: Score) -> tuple[float, float]:
    low, high = _bounds(score.metrics.pass_at_1)
    return 100 * low, 100 * high


def _bounds(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
