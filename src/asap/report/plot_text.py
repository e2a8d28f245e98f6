"""A plot in words: numbers and names as they stand at axes and in keys, one sentence that says what
is to be seen, and the same values as a table.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from asap.report.plot import (
    BarPlot,
    Density,
    Histogram,
    Line,
    LinePlot,
    Plot,
    Point,
    ScatterPlot,
    check_plot,
)
from asap.report.table import Cell, Column, Number, Table

_LONGEST_NAME = 40
_MOST_NAMED = 6
"""Series that a sentence goes into."""
_MOST_POINTS = 200
"""Rows of a table that somebody might still read."""


def clean_name(text: str, longest: int = _LONGEST_NAME) -> str:
    """A name on one line, safe in any file: what cannot be seen or would turn the line round
    (controls, marks of direction, lone surrogates) becomes U+FFFD; what is too long is cut.
    """
    seen = "".join(
        " " if sign in "\n\t" else "�" if unicodedata.category(sign)[0] == "C" else sign
        for sign in text
    )
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


def say_number(value: float) -> str:
    """Three digits or all before the point, with commas: `0.123`, `12.3`, `1,234`."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value + 0.0:.3g}"


def describe(plot: Plot) -> str:
    """What is to be seen, in one sentence with numbers.

    Raises:
        ValueError: there is nothing to draw (see `check_plot`).
    """
    check_plot(plot)
    if plot.alt:
        return plot.alt
    match plot:
        case LinePlot():
            said = [_describe_line(line) for line in plot.lines if line.points]
            return f"{_axes(plot)}: {_join(said)}."
        case Histogram():
            said = [_describe_counts(plot, n) for n in range(len(plot.series))]
            return f"{_label(plot.y_label)} by {_label(plot.x_label)}: {_join(said)}."
        case BarPlot():
            return _describe_bars(plot)
        case ScatterPlot():
            return _describe_scatter(plot)


def lay_out_plot(plot: Plot) -> Table | None:
    """The same values as a table; None for points too many to be read.

    Raises:
        ValueError: there is nothing to draw (see `check_plot`).
    """
    check_plot(plot)
    match plot:
        case LinePlot():
            return _lay_out_lines(plot)
        case Histogram():
            columns = (Column("from"), Column("to"), *(Column(s.name) for s in plot.series))
            bins = zip(plot.edges, plot.edges[1:], *(s.counts for s in plot.series), strict=False)
            rows: list[tuple[Cell, ...]] = [tuple(map(_number, each)) for each in bins]
        case BarPlot():
            columns = (Column("name"), Column(plot.x_label))
            rows = [(bar.name, _number(bar.value, bar.interval)) for bar in plot.bars]
        case ScatterPlot(density=None):
            if len(plot.points) > _MOST_POINTS:
                return None
            columns = (Column(plot.x_label), Column(plot.y_label))
            rows = [(_number(x), _number(y)) for x, y in plot.points]
        case ScatterPlot():
            return None
    return Table(plot.title, columns, tuple(rows))


def _lay_out_lines(plot: LinePlot) -> Table | None:
    points = [(line.name, point) for line in plot.lines for point in line.points]
    if len(points) > _MOST_POINTS:
        return None
    columns = (Column("name"), Column(plot.x_label), Column(plot.y_label))
    return Table(
        plot.title,
        columns,
        tuple((name, _number(p.x, p.x_interval), _number(p.y, p.y_interval)) for name, p in points),
    )


def _number(value: float, interval: tuple[float, float] | None = None) -> Number:
    """As many digits as the value and its interval need at three in all."""
    size = max(abs(each) for each in (value, *(interval or ())))
    is_whole = interval is None and value == round(value)
    digits = 0 if is_whole or size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    return Number(value, digits, interval)


def _axes(plot: LinePlot | ScatterPlot) -> str:
    return f"{_label(plot.y_label)} against {_label(plot.x_label)}"


def _label(text: str) -> str:
    return clean_name(text, 80)


def _join(said: Sequence[str]) -> str:
    more = len(said) - _MOST_NAMED
    return "; ".join([*said[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def _describe_line(line: Line) -> str:
    first, last = line.points[0], line.points[-1]
    name = f"{clean_name(line.name)} " if line.name else ""
    if len(line.points) == 1:
        return f"{name}{say_number(first.y)} at {say_number(first.x)}"
    return f"{name}from {_say_point(first)} to {_say_point(last)}"


def _say_point(point: Point) -> str:
    return f"{say_number(point.y)} at {say_number(point.x)}"


def _describe_counts(plot: Histogram, n_series: int) -> str:
    series = plot.series[n_series]
    highest = max(range(len(series.counts)), key=series.counts.__getitem__)
    low, high = plot.edges[highest], plot.edges[highest + 1]
    name = f"{clean_name(series.name)}: " if series.name else ""
    return (
        f"{name}{say_number(sum(series.counts))} in all, most "
        f"({say_number(series.counts[highest])}) from {say_number(low)} to {say_number(high)}"
    )


def _describe_bars(plot: BarPlot) -> str:
    ordered = sorted(plot.bars, key=lambda bar: -bar.value)
    first, last = ordered[0], ordered[-1]
    said = f"{clean_name(first.name)} {say_number(first.value)}"
    if len(ordered) > 1:
        said = f"from {said} to {clean_name(last.name)} {say_number(last.value)}"
    return f"{_label(plot.x_label)}: {said}."


def _describe_scatter(plot: ScatterPlot) -> str:
    if plot.density is None:
        xs, ys = zip(*plot.points, strict=True)
        n_points = len(plot.points)
    else:
        xs, ys, n_points = *_find_range(plot.density), sum(map(sum, plot.density.counts))
    return (
        f"{_axes(plot)} of {n_points:,} {plot.unit}: {say_number(min(ys))} to "
        f"{say_number(max(ys))} over {say_number(min(xs))} to {say_number(max(xs))}."
    )


def _find_range(density: Density) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges of the cells that hold something; all edges where none does."""
    rows = [n for n, row in enumerate(density.counts) if any(row)]
    columns = [m for m in range(len(density.x_edges) - 1) if any(r[m] for r in density.counts)]
    if not rows:
        return density.x_edges, density.y_edges
    return (
        (density.x_edges[columns[0]], density.x_edges[columns[-1] + 1]),
        (density.y_edges[rows[0]], density.y_edges[rows[-1] + 1]),
    )
