"""Plots as values: what is shown, not how. `draw` makes a file of one, `lay_out_plot` a table of
the same numbers, `describe` one sentence for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Point:
    """A value, and its intervals where it has them."""

    x: float
    y: float
    y_interval: tuple[float, float] | None = None
    x_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Points that belong together, joined in the order given."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class LinePlot:
    """Lines over a common pair of axes; lines of one point each make a plot of named points."""

    title: str
    x_label: str
    """With its unit, as every label of an axis."""
    y_label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[float, ...] = ()
    """Where the axis has its ticks; round numbers if there are none."""
    is_x_log: bool = False
    alt: str = ""
    """What is to be seen, in one sentence; `describe` makes one where it is empty."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of one series falls into each bin."""

    name: str
    counts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Series over common bins."""

    title: str
    x_label: str
    y_label: str
    edges: tuple[float, ...]
    """Ascending; one more than there are bins."""
    series: tuple[Counts, ...]
    is_x_log: bool = False
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A named value."""

    name: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class BarPlot:
    """Named values as bars that lie, the first on top."""

    title: str
    x_label: str
    bars: tuple[Bar, ...]
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Density:
    """How many points fall into each cell of a grid: for more points than one could see."""

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    """`counts[n][m]`: between `y_edges[n]` and the next, `x_edges[m]` and the next."""


@dataclass(frozen=True, slots=True)
class ScatterPlot:
    """Points, or their density, over a pair of axes."""

    title: str
    x_label: str
    y_label: str
    points: tuple[tuple[float, float], ...] = ()
    """x and y."""
    density: Density | None = None
    """Instead of points."""
    unit: str = "points"
    """What one point is, in the plural: `traces`."""
    is_x_log: bool = False
    is_y_log: bool = False
    alt: str = ""


Plot = LinePlot | Histogram | BarPlot | ScatterPlot
"""Any of them."""


def check_plot(plot: Plot) -> None:
    """Make sure that there is something to draw and that it can be drawn.

    Raises:
        ValueError: there is nothing, a value is not finite, or not above 0 on a logarithmic axis,
            or edges and counts do not fit together.
    """
    xs, ys = _list_values(plot)
    if not xs or not all(map(math.isfinite, (*xs, *ys))):
        raise ValueError("a plot needs values, and finite ones")
    is_x_log = not isinstance(plot, BarPlot) and plot.is_x_log
    is_y_log = isinstance(plot, ScatterPlot) and plot.is_y_log
    if (is_x_log and min(xs) <= 0) or (is_y_log and min(ys) <= 0):
        raise ValueError("a logarithmic axis needs values above 0")
    if isinstance(plot, Histogram):
        _check_bins(plot.edges, (each.counts for each in plot.series))
    if isinstance(plot, ScatterPlot) and plot.density is not None:
        _check_bins(plot.density.x_edges, plot.density.counts)
        _check_bins(plot.density.y_edges, (plot.density.counts,))


def _list_values(plot: Plot) -> tuple[list[float], list[float]]:
    """All that has a place on the x axis, and on the y axis."""
    match plot:
        case LinePlot():
            points = [point for line in plot.lines for point in line.points]
            xs = [v for p in points for v in (p.x, *(p.x_interval or ()))]
            return xs, [v for p in points for v in (p.y, *(p.y_interval or ()))]
        case Histogram():
            counts = [count for series in plot.series for count in series.counts]
            return (list(plot.edges), counts) if counts else ([], [])
        case BarPlot():
            return [v for bar in plot.bars for v in (bar.value, *(bar.interval or ()))], []
        case ScatterPlot(density=None):
            return [x for x, _ in plot.points], [y for _, y in plot.points]
        case ScatterPlot(density=Density() as density):
            return list(density.x_edges), list(density.y_edges)
    raise TypeError(f"not a plot: {plot!r}")


def _check_bins(edges: tuple[float, ...], series: Iterable[tuple[object, ...]]) -> None:
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError("the edges of bins must ascend")
    if any(len(counts) != len(edges) - 1 for counts in series):
        raise ValueError("there must be one count per bin")
