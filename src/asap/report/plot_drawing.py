"""Draws plots with matplotlib: files for papers, and SVG for the browser that follows the reader's
choice of light or dark. The same values give the same bytes.

Colours are Okabe and Ito's, which colour-blind readers tell apart; markers and dashes tell series
apart without them. Names are text from outside: no mathematics is read into them.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import threading
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from asap.errors import MissingExtraError
from asap.report.plot import (
    BarPlot,
    Density,
    Histogram,
    LinePlot,
    Plot,
    Point,
    ScatterPlot,
    check_plot,
)
from asap.report.plot_text import clean_name, describe, say_number

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

PlotFormat = Literal["svg", "png", "pdf"]
"""What `draw` writes."""

_INK, _DIM, _GRID = "#1f2328", "#59636e", "#d9dee3"
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", _INK)
_DENSITY = ("#c6dcef", "#8fbfe0", "#4b97c9", "#1f6ba5", "#0a3d66")
_BY_VARIABLE = {
    "ink": (_INK, "#e6edf3"),
    "dim": (_DIM, "#a3adb8"),
    "grid": (_GRID, "#3a424b"),
    "series-1": (_SERIES[0], "#4ba3e3"),
    "series-2": (_SERIES[1], "#f0803c"),
    "series-3": (_SERIES[2], "#2fbf93"),
    "series-4": (_SERIES[3], "#dd9abf"),
    "series-5": (_SERIES[4], "#f0b429"),
    "series-6": (_SERIES[5], "#9bd4f5"),
    "density-1": (_DENSITY[0], "#123a57"),
    "density-2": (_DENSITY[1], "#1f6090"),
    "density-3": (_DENSITY[2], "#3b8fc6"),
    "density-4": (_DENSITY[3], "#83c0e8"),
    "density-5": (_DENSITY[4], "#d8effc"),
}
"""Colours on light and on dark ground."""
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_MARKERS = "osD^vPX<"
_WIDTH_IN, _HEIGHT_IN = 6.8, 3.9
_BAR_IN, _KEY_IN = 0.27, 0.19
_TITLE_SIGNS = 84
_MOST_MARKERS = 25
_DODGE_PT = 4.0
_SETTINGS: dict[str, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "asap",
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.edgecolor": _DIM,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "text.color": _INK,
    "xtick.color": _DIM,
    "ytick.color": _DIM,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 2.6,
}
_NO_DATE: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
_LOCK = threading.Lock()
"""matplotlib keeps its settings and its fonts per process."""


def check_drawing() -> None:
    """Make sure that plots can be drawn, before work begins that ends in one.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("drawing plots", "view") from None


def draw(plot: Plot, format: PlotFormat = "svg") -> bytes:
    """The plot as a file for a paper or a page in Markdown: on white, with its title.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: there is nothing to draw (see `check_plot`).
    """
    return _render(plot, format, is_for_page=False)


def draw_for_page(plot: Plot) -> bytes:
    """The plot as SVG for a browser: on no ground, light or dark as the reader's system says, and
    without its title, which the page shows.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: there is nothing to draw (see `check_plot`).
    """
    svg = _render(plot, "svg", is_for_page=True).decode("utf-8")
    light, dark = (
        "".join(f"--{name}:{colours[n]};" for name, colours in _BY_VARIABLE.items()) for n in (0, 1)
    )
    style = (
        f"<style>:root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "text{font-family:system-ui,sans-serif !important}</style>"
    )
    names = {colours[0]: f"var(--{name})" for name, colours in _BY_VARIABLE.items()}
    # Within tags alone: in text there is no `<`, so a name that looks like a colour stays.
    svg = re.sub(
        r"<[^>]+>",
        lambda tag: re.sub(r"#[0-9a-f]{6}\b", lambda c: names.get(c[0], c[0]), tag[0]),
        svg,
    )
    return re.sub(r"(<svg\b[^>]*>)", lambda tag: tag[0] + style, svg, count=1).encode("utf-8")


def _render(plot: Plot, format: PlotFormat, *, is_for_page: bool) -> bytes:
    check_plot(plot)
    check_drawing()
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    metadata = dict(_NO_DATE[format])
    if format != "png":
        metadata["Title"] = clean_name(plot.title, 500)
    if format == "svg":
        metadata["Description"] = clean_name(describe(plot), 2000)
    file = io.BytesIO()
    with _LOCK, warnings.catch_warnings(), matplotlib.style.context(["default", _SETTINGS]):
        # A name in a script that the font lacks: SVG shows it all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = _make_figure(plot, has_title=not is_for_page)
        FigureCanvasAgg(figure)
        figure.savefig(file, format=format, dpi=200, transparent=is_for_page, metadata=metadata)
    return file.getvalue()


def _make_figure(plot: Plot, *, has_title: bool) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, _find_height(plot)), layout="constrained")
    axes = figure.add_subplot()
    match plot:
        case LinePlot():
            keys = _draw_lines(plot, axes)
        case Histogram():
            keys = _draw_histogram(plot, axes)
        case BarPlot():
            keys = _draw_bars(plot, axes)
        case ScatterPlot():
            keys = _draw_scatter(plot, axes)
    axes.set_xlabel(clean_name(plot.x_label, 100))
    if not isinstance(plot, BarPlot):
        axes.set_ylabel(clean_name(plot.y_label, 100))
    if has_title:
        title = textwrap.fill(clean_name(plot.title, 300), _TITLE_SIGNS)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    if any(name for name, _ in keys):
        names = [clean_name(name) for name, _ in keys]
        legend = axes.legend(
            [key for _, key in keys],
            [str(n) for n in range(len(keys))],
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            borderaxespad=0,
            title=clean_name(plot.unit) if isinstance(plot, ScatterPlot) else None,
            alignment="left",
        )
        # A name that begins with `_` means something else to matplotlib.
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set_text(name)
    return figure


def _find_height(plot: Plot) -> float:
    """In inches: what has many names has need of more."""
    match plot:
        case BarPlot():
            return max(1.6, 1.0 + _BAR_IN * len(plot.bars))
        case LinePlot():
            return max(_HEIGHT_IN, 0.7 + _KEY_IN * len(plot.lines))
        case Histogram():
            return max(_HEIGHT_IN, 0.7 + _KEY_IN * len(plot.series))
        case ScatterPlot():
            return _HEIGHT_IN


_Keys = list[tuple[str, "Artist"]]
"""Names, and how each looks in the key."""


def _draw_lines(plot: LinePlot, axes: Axes) -> _Keys:
    from matplotlib.lines import Line2D

    keys: _Keys = []
    shifts = _find_shifts(plot)
    _set_scale(axes, "x", plot.is_x_log, [p.x for line in plot.lines for p in line.points])
    _set_scale(axes, "y", False, ())
    for n, line in enumerate(plot.lines):
        look: dict[str, Any] = {
            "color": _SERIES[n % len(_SERIES)],
            # Lines in one place show through each other's gaps.
            "linestyle": _DASHES[n % len(_DASHES)],
            "marker": _MARKERS[n % len(_MARKERS)],
            "linewidth": 1.5,
            "markersize": 5,
        }
        every = max(1, math.ceil(len(line.points) / _MOST_MARKERS))
        if every > 1 and len(plot.lines) == 1:
            look["marker"] = ""
        drawn = axes.plot(
            [p.x for p in line.points], [p.y for p in line.points], markevery=every, **look
        )
        for point in line.points[::every]:
            drawn += _draw_intervals(point, axes, look["color"])
        _shift(drawn, axes, shifts[n])
        keys.append((line.name, Line2D([], [], **look)))
    if plot.x_ticks:
        from matplotlib.ticker import FixedLocator

        axes.xaxis.set_major_locator(FixedLocator(plot.x_ticks))
    return keys


def _find_shifts(plot: LinePlot) -> list[float]:
    """In points, to the right: intervals over one value of x would hide each other."""
    n_lines = len(plot.lines)
    placed = [{p.x for p in line.points if p.y_interval is not None} for line in plot.lines]
    n_places = len(set().union(*placed))
    if n_places == sum(map(len, placed)):
        return [0.0] * n_lines
    step = min(_DODGE_PT, 20.0 / n_lines)
    return [(n - (n_lines - 1) / 2) * step for n in range(n_lines)]


def _draw_intervals(point: Point, axes: Axes, colour: str) -> list[Any]:
    look: dict[str, Any] = {"color": colour, "linewidth": 0.9, "markersize": 5}
    drawn: list[Any] = []
    if point.y_interval is not None:
        drawn += axes.plot((point.x, point.x), point.y_interval, marker="_", **look)
    if point.x_interval is not None:
        drawn += axes.plot(point.x_interval, (point.y, point.y), marker="|", **look)
    return drawn


def _shift(drawn: Sequence[Any], axes: Axes, points: float) -> None:
    if points:
        from matplotlib.transforms import ScaledTranslation

        scale: Any = axes.get_figure(root=True).dpi_scale_trans  # type: ignore[union-attr]
        for each in drawn:
            each.set_transform(axes.transData + ScaledTranslation(points / 72, 0, scale))


def _draw_histogram(plot: Histogram, axes: Axes) -> _Keys:
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    keys: _Keys = []
    _set_scale(axes, "x", plot.is_x_log, plot.edges)
    _set_scale(axes, "y", False, ())
    for n, series in enumerate(plot.series):
        colour, dash = _SERIES[n % len(_SERIES)], _DASHES[n % len(_DASHES)]
        axes.stairs(series.counts, plot.edges, fill=True, facecolor=colour, alpha=0.18)
        axes.stairs(series.counts, plot.edges, color=colour, linewidth=1.5, linestyle=dash)
        patch = Patch(facecolor=(colour, 0.18), edgecolor=colour, linewidth=1.5, linestyle=dash)
        keys.append((series.name, patch))
    axes.set_ylim(bottom=0)
    if all(count == round(count) for series in plot.series for count in series.counts):
        axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    return keys


def _draw_bars(plot: BarPlot, axes: Axes) -> _Keys:
    places = range(len(plot.bars))
    _set_scale(axes, "x", False, ())
    axes.barh(places, [bar.value for bar in plot.bars], height=0.66, color=_SERIES[0])
    for place, bar in zip(places, plot.bars, strict=True):
        end = max(0.0, bar.value)
        if bar.interval is not None:
            axes.plot(bar.interval, (place, place), color=_INK, linewidth=1, marker="|")
            end = max(end, *bar.interval)
        axes.annotate(
            say_number(bar.value),
            (end, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=8.5,
        )
    axes.set_yticks(places, [clean_name(bar.name) for bar in plot.bars])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(plot.bars) - 0.4, -0.6)
    axes.margins(x=0.12)
    return []


def _draw_scatter(plot: ScatterPlot, axes: Axes) -> _Keys:
    if plot.density is not None:
        _set_scale(axes, "x", plot.is_x_log, plot.density.x_edges)
        _set_scale(axes, "y", plot.is_y_log, plot.density.y_edges)
        return _draw_density(plot.density, axes)
    xs, ys = zip(*plot.points, strict=True)
    _set_scale(axes, "x", plot.is_x_log, xs)
    _set_scale(axes, "y", plot.is_y_log, ys)
    many = len(plot.points) > 200
    axes.plot(
        xs,
        ys,
        linestyle="",
        marker="o",
        markersize=3 if many else 4.5,
        color=_SERIES[0],
        alpha=0.5 if many else 0.75,
        markeredgewidth=0,
    )
    return []


def _draw_density(density: Density, axes: Axes) -> _Keys:
    """Cells of one level are one path, so that a file stays small however many points there are."""
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    levels = _find_levels(max(map(max, density.counts)))
    keys: _Keys = []
    for (low, high), colour in zip(levels, _DENSITY, strict=False):
        cells = [
            ((left, bottom), (right, bottom), (right, top), (left, top))
            for (bottom, top), row in zip(pairwise(density.y_edges), density.counts, strict=True)
            for (left, right), count in zip(pairwise(density.x_edges), row, strict=True)
            if low <= count <= high
        ]
        if cells:
            axes.add_collection(PolyCollection(cells, facecolors=colour, edgecolors="none"))
        said = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        keys.append((said, Patch(facecolor=colour)))
    axes.set_xlim(density.x_edges[0], density.x_edges[-1])
    axes.set_ylim(density.y_edges[0], density.y_edges[-1])
    return keys[::-1]


def _find_levels(most: int) -> list[tuple[int, int]]:
    """At most five ranges of counts, each some times as wide as the one before."""
    n_levels = len(_DENSITY)
    lows = sorted({max(n + 1, round(most ** (n / n_levels))) for n in range(n_levels)})
    lows = [low for low in lows if low <= max(most, 1)]
    return [(low, after - 1) for low, after in zip(lows, [*lows[1:], most + 1], strict=True)]


def _set_scale(axes: Axes, name: Literal["x", "y"], is_log: bool, values: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis: Axis = axes.xaxis if name == "x" else axes.yaxis
    if is_log:
        (axes.set_xscale if name == "x" else axes.set_yscale)("log")
        n_decades = math.log10(max(values) / min(values))
        subs: Any = (1.0, 2.0, 5.0) if n_decades < 3 else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(_say_tick)


def _say_tick(value: float, _: float) -> str:
    """Without the noise of floats, and without a common factor in the corner."""
    return f"{value + 0.0:,.10g}".replace("-", "−")
