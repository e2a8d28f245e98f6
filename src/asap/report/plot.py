"""A plot of lines over numbers as SVG, written by hand: no library, no font, no date in it, so the
same values give the same file.

For a web page or a README; a look in the terminal is `chart`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 820, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 200, 44, 56
# Okabe and Ito's, told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("", "6 3", "2 3")
_MARKERS = ("circle", "square", "triangle", "diamond")
_N_TICKS = 6
_SERIF = 4
_MARKER = 4


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
    """Lines over a common pair of axes."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to pixels."""

    low: float
    high: float
    step: float
    start_px: float
    end_px: float

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start_px + share * (self.end_px - self.start_px)

    def ticks(self) -> list[float]:
        n = round((self.high - self.low) / self.step)
        return [self.low + k * self.step for k in range(n + 1)]


def render_svg(plot: LinePlot) -> str:
    """The plot as an SVG document. Each line has a colour, a dash and a marker of its own.

    Raises:
        ValueError: there is no point to draw, or one is not finite.
    """
    points = [point for line in plot.lines for point in line.points]
    xs = [v for p in points for v in (p.x, *(p.x_interval or ()))]
    ys = [v for p in points for v in (p.y, *(p.y_interval or ()))]
    if not points or not all(map(math.isfinite, (*xs, *ys))):
        raise ValueError("a plot needs points, and finite ones")
    x_axis = _fit(xs, _LEFT, _WIDTH - _RIGHT)
    y_axis = _fit(ys, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(plot.title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 24, plot.title, "start", size=15),
        *_draw_axes(plot, x_axis, y_axis),
    ]
    for n, line in enumerate(plot.lines):
        parts += _draw_line(line, n, x_axis, y_axis)
        parts += _draw_key(line.name, n)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _fit(values: Sequence[float], start_px: float, end_px: float) -> _Axis:
    """An axis between round numbers that holds all values."""
    low, high = min(values), max(values)
    spread = (high - low) or max(abs(high), 1.0)
    rough = spread / _N_TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return _Axis(first * step, max(last, first + 1) * step, step, start_px, end_px)


def _draw_axes(plot: LinePlot, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    left, right = x_axis.start_px, x_axis.end_px
    bottom, top = y_axis.start_px, y_axis.end_px
    parts = []
    for tick in y_axis.ticks():
        y = y_axis.place(tick)
        parts.append(_stroke(left, y, right, y, "#dddddd"))
        parts.append(_text(left - 8, y + 4, _say(tick), "end"))
    for tick in x_axis.ticks():
        x = x_axis.place(tick)
        parts.append(_stroke(x, bottom, x, bottom + 5, "#333333"))
        parts.append(_text(x, bottom + 20, _say(tick), "middle"))
    middle = (top + bottom) / 2
    return [
        *parts,
        _stroke(left, bottom, right, bottom, "#333333"),
        _stroke(left, bottom, left, top, "#333333"),
        _text((left + right) / 2, bottom + 42, plot.x_label, "middle"),
        f'<g transform="translate(18 {middle:.1f}) rotate(-90)">'
        f"{_text(0, 0, plot.y_label, 'middle')}</g>",
    ]


def _draw_line(line: Line, n: int, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    colour = _COLOURS[n % len(_COLOURS)]
    places = [(x_axis.place(point.x), y_axis.place(point.y)) for point in line.points]
    parts = [_join(places, n)] if len(places) > 1 else []
    for point, (x, y) in zip(line.points, places, strict=True):
        if point.y_interval is not None:
            low, high = map(y_axis.place, point.y_interval)
            parts += [_stroke(x, low, x, high, colour)]
            parts += [_stroke(x - _SERIF, end, x + _SERIF, end, colour) for end in (low, high)]
        if point.x_interval is not None:
            low, high = map(x_axis.place, point.x_interval)
            parts += [_stroke(low, y, high, y, colour)]
            parts += [_stroke(end, y - _SERIF, end, y + _SERIF, colour) for end in (low, high)]
        parts.append(_mark(x, y, n))
    return parts


def _draw_key(name: str, n: int) -> list[str]:
    x, y = _WIDTH - _RIGHT + 16, _TOP + 10 + 20 * n
    return [
        _join([(x, y), (x + 28, y)], n),
        _mark(x + 14, y, n),
        _text(x + 36, y + 4, name, "start"),
    ]


def _join(places: Sequence[tuple[float, float]], n: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = _DASHES[n // len(_COLOURS) % len(_DASHES)]
    style = f' stroke-dasharray="{dash}"' if dash else ""
    colour = _COLOURS[n % len(_COLOURS)]
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{style}/>'


def _mark(x: float, y: float, n: int) -> str:
    colour, size = _COLOURS[n % len(_COLOURS)], _MARKER
    match _MARKERS[n % len(_MARKERS)]:
        case "circle":
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour}"/>'
        case "square":
            corners = [(-size, -size), (size, -size), (size, size), (-size, size)]
        case "triangle":
            corners = [(0, -size), (size, size), (-size, size)]
        case _:
            corners = [(0, -size - 1), (size + 1, 0), (0, size + 1), (-size - 1, 0)]
    path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{path}" fill="{colour}"/>'


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        'stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="#222222">{escape(text)}</text>'
    )


def _say(value: float) -> str:
    """Short, without the noise of floats."""
    return f"{round(value, 6) + 0.0:,.6g}"
