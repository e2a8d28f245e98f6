"""Plots as SVG: read back by an XML parser, places worked out from the axes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from asap.report import Line, LinePlot, Point, render_svg

SVG = "{http://www.w3.org/2000/svg}"


def plot(*lines):
    return LinePlot("A < B", "budget & more", "accuracy, %", tuple(lines))


def read(svg):
    return ElementTree.fromstring(svg)


def find_texts(tree):
    return [each.text for each in tree.iter(f"{SVG}text")]


def test_it_says_what_it_shows():
    line = Line("asap", (Point(0, 0), Point(500, 100)))
    tree = read(render_svg(plot(line)))
    texts = find_texts(tree)
    assert tree.find(f"{SVG}title").text == "A < B"
    assert {"A < B", "budget & more", "accuracy, %", "asap"} <= set(texts)
    # Ticks at round steps, from the lowest to the highest value.
    assert [text for text in texts if re.fullmatch(r"[\d,.]+", text)] == [
        *("0", "20", "40", "60", "80", "100"),
        *("0", "100", "200", "300", "400", "500"),
    ]


def test_points_stand_where_their_values_are():
    line = Line("asap", (Point(0, 0), Point(250, 50), Point(500, 100)))
    tree = read(render_svg(plot(line)))
    first, middle, last = (
        tuple(map(float, place.split(",")))
        for place in tree.find(f"{SVG}polyline").get("points").split()
    )
    assert middle == ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
    assert first[0] < last[0]
    assert first[1] > last[1]  # Downwards in SVG.
    marks = [(float(c.get("cx")), float(c.get("cy"))) for c in tree.iter(f"{SVG}circle")]
    assert marks[:3] == [first, middle, last]


def test_an_interval_is_drawn_about_its_point():
    line = Line("asap", (Point(10, 50, (40, 70), (5, 15)),))
    tree = read(render_svg(plot(line)))
    (mark, _) = tree.iter(f"{SVG}circle")
    x, y = float(mark.get("cx")), float(mark.get("cy"))
    strokes = [
        tuple(float(each.get(name)) for name in ("x1", "y1", "x2", "y2"))
        for each in tree.iter(f"{SVG}line")
        if each.get("stroke") == mark.get("fill")
    ]
    upright = next(s for s in strokes if s[0] == s[2] == x and abs(s[1] - s[3]) > 20)
    level = next(s for s in strokes if s[1] == s[3] == y and abs(s[0] - s[2]) > 20)
    # 10 below, 20 above; 5 to each side.
    assert (y - upright[3]) == pytest.approx(2 * (upright[1] - y), abs=0.2)
    assert (level[2] - x) == pytest.approx(x - level[0], abs=0.2)


def test_lines_differ_in_more_than_colour():
    lines = [Line(f"arm {n}", (Point(0, n), Point(1, n))) for n in range(14)]
    tree = read(render_svg(plot(*lines)))
    looks = {
        (each.get("stroke"), each.get("stroke-dasharray")) for each in tree.iter(f"{SVG}polyline")
    }
    assert len(looks) == 14


@pytest.mark.parametrize("values", [(3, 3), (0, 0), (-7, -7), (0.001, 0.002), (1e6, 3e6)])
def test_any_range_has_axes(values):
    line = Line("asap", tuple(Point(n, value) for n, value in enumerate(values)))
    ticks = find_texts(read(render_svg(plot(line))))
    assert len(ticks) > 8


def test_the_same_values_give_the_same_text():
    lines = plot(Line("asap", (Point(1 / 3, 2 / 3), Point(0.1, 0.7))))
    assert render_svg(lines) == render_svg(lines)


@pytest.mark.parametrize(
    "points", [(), (Point(float("nan"), 1),), (Point(1, 2, (0, float("inf"))),)]
)
def test_nothing_to_draw_is_refused(points):
    with pytest.raises(ValueError, match="finite"):
        render_svg(plot(Line("asap", points)))
