"""Plots: their values read back from the SVG's own coordinates, their names from its text."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from asap.errors import MissingExtraError
from asap.report import (
    Bar,
    BarPlot,
    Column,
    Counts,
    Density,
    Histogram,
    Line,
    LinePlot,
    Number,
    Point,
    ScatterPlot,
    check_plot,
    describe,
    draw,
    draw_for_page,
    lay_out_plot,
)

SVG = "{http://www.w3.org/2000/svg}"
SWEEP = LinePlot(
    "Accuracy over budgets",
    "budget, tokens",
    "accuracy, %",
    (
        Line("original", (Point(100, 0), Point(200, 10), Point(400, 60))),
        Line("asap", (Point(100, 20), Point(200, 50), Point(400, 60))),
    ),
)
LENGTHS = Histogram(
    "Tokens of a trace",
    "tokens",
    "traces",
    (0.0, 10.0, 20.0, 40.0),
    (Counts("before", (1, 2, 4)), Counts("after", (5, 2, 0))),
)
OPENERS = BarPlot(
    "Surprisal by first word", "surprisal, nats", (Bar("Wait", 6.25, (5.0, 8.5)), Bar("So", 1.5))
)
CLOUD = ScatterPlot("Kept by length", "tokens", "share kept", ((10, 0.5), (30, 0.25), (50, 1.0)))
GRID = ScatterPlot(
    "Kept by length",
    "tokens",
    "share kept",
    density=Density((1.0, 10.0, 100.0), (0.0, 0.5, 1.0), ((0, 40), (3, 1))),
    unit="traces",
    is_x_log=True,
)
ALL = {"lines": SWEEP, "histogram": LENGTHS, "bars": OPENERS, "points": CLOUD, "density": GRID}
every_plot = pytest.mark.parametrize("plot", ALL.values(), ids=list(ALL))


def read(svg):
    return ElementTree.fromstring(svg)


def find_texts(tree):
    return [each.text for each in tree.iter(f"{SVG}text")]


def find_paths(svg, colour):
    """Coordinates of each path that is drawn in a colour, markers and keys left out."""
    tree = read(svg)
    shapes = {id(path) for defs in tree.iter(f"{SVG}defs") for path in defs.iter(f"{SVG}path")}
    legends = [g for g in tree.iter(f"{SVG}g") if g.get("id", "").startswith("legend")]
    shapes |= {id(path) for legend in legends for path in legend.iter(f"{SVG}path")}
    return [
        [
            tuple(map(float, place))
            for place in re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path.get("d"))
        ]
        for path in tree.iter(f"{SVG}path")
        if id(path) not in shapes and colour in path.get("style", "")
    ]


def find_ticks(svg, axis):
    """Values at an axis, and where they stand: x for its x axis, y for its y axis."""
    ticks = []
    for group in read(svg).iter(f"{SVG}g"):
        if re.fullmatch(rf"{axis}tick_\d+", group.get("id", "")):
            text = next(group.iter(f"{SVG}text"))
            mark = next(group.iter(f"{SVG}use"))
            ticks.append((float(text.text.replace(",", "")), float(mark.get(axis))))
    return ticks


def find_scale(svg, axis):
    """A function from the pixels of an axis without logarithms back to values."""
    (value, place), *_, (other, end) = find_ticks(svg, axis)
    return lambda px: value + (px - place) / (end - place) * (other - value)


def test_it_says_what_it_shows():
    plot = replace(SWEEP, title="A < B", x_label="budget & more")
    tree = read(draw(plot))
    texts = find_texts(tree)
    assert {"A < B", "budget & more", "accuracy, %", "asap", "original"} <= set(texts)
    assert tree.find(f"{SVG}title").text == "A < B"


def test_points_stand_where_their_values_are():
    svg = draw(SWEEP)
    to_x, to_y = find_scale(svg, "x"), find_scale(svg, "y")
    (original,) = (path for path in find_paths(svg, "#0072b2") if len(path) == 3)
    found = [value for x, y in original for value in (to_x(x), to_y(y))]
    assert found == pytest.approx([100, 0, 200, 10, 400, 60], abs=0.5)


def test_an_interval_is_drawn_about_its_point():
    line = Line("asap", (Point(10, 50, (40, 70), (5, 15)), Point(20, 60)))
    svg = draw(replace(SWEEP, lines=(line,)))
    to_x, to_y = find_scale(svg, "x"), find_scale(svg, "y")
    _, upright, level = find_paths(svg, "#0072b2")
    assert [to_x(x) for x, _ in upright] == pytest.approx([10, 10], abs=0.1)
    assert [to_y(y) for _, y in upright] == pytest.approx([40, 70], abs=0.2)
    assert [to_x(x) for x, _ in level] == pytest.approx([5, 15], abs=0.1)
    assert [to_y(y) for _, y in level] == pytest.approx([50, 50], abs=0.2)


def test_intervals_at_one_place_stand_beside_each_other():
    lines = tuple(Line(name, (Point(10, 50, (40, 60)),)) for name in ("one", "two"))
    svg = draw(replace(SWEEP, lines=lines))
    (first,), (second,) = find_paths(svg, "#0072b2")[-1:], find_paths(svg, "#d55e00")[-1:]
    assert 3 < second[0][0] - first[0][0] < 6
    assert [y for _, y in first] == [y for _, y in second]


def test_ticks_stand_where_they_are_asked_for():
    ticks = find_ticks(draw(replace(SWEEP, x_ticks=(100, 200, 400), is_x_log=True)), "x")
    assert [value for value, _ in ticks] == [100, 200, 400]
    # Each twice the one before: as far apart on a logarithmic axis.
    places = [place for _, place in ticks]
    assert places[2] - places[1] == pytest.approx(places[1] - places[0], abs=0.01)


def test_bins_are_as_high_as_their_counts():
    svg = draw(LENGTHS)
    to_x, to_y = find_scale(svg, "x"), find_scale(svg, "y")
    outline = next(path for path in find_paths(svg, "stroke: #d55e00"))
    corners = [(round(to_x(x), 1), round(to_y(y), 1)) for x, y in outline]
    assert corners == [
        *((0, 0), (0, 5), (10, 5), (10, 2), (20, 2), (20, 0), (40, 0), (40, 0)),
    ]


def test_bars_are_as_long_as_their_values_and_say_them():
    svg = draw(OPENERS)
    to_x = find_scale(svg, "x")
    wait, so, interval = (
        [to_x(x) for x, _ in path]
        for path in (*find_paths(svg, "fill: #0072b2"), *find_paths(svg, "stroke: #1f2328"))
    )
    assert (min(wait), max(wait)) == pytest.approx((0, 6.25), abs=0.01)
    assert (min(so), max(so)) == pytest.approx((0, 1.5), abs=0.01)
    assert interval == pytest.approx([5.0, 8.5], abs=0.01)
    assert {"Wait", "So", "6.25", "1.5"} <= set(find_texts(read(svg)))


def test_cells_of_one_count_have_one_colour():
    svg = draw(GRID)
    texts = find_texts(read(svg))
    # Up to 40 in five levels, each some twice as wide as the one before: 40 ** (n / 5).
    levels = ["19 to 40", "9 to 18", "4 to 8", "2 to 3", "1"]
    start = texts.index("traces") + 1
    assert texts[start : start + 5] == levels
    drawn = [colour for colour in ("#c6dcef", "#8fbfe0", "#0a3d66") if find_paths(svg, colour)]
    assert drawn == ["#c6dcef", "#8fbfe0", "#0a3d66"]
    assert not find_paths(svg, "#4b97c9")


def test_many_lines_differ_in_more_than_colour():
    lines = [Line(f"arm {n}", (Point(0, n), Point(1, n))) for n in range(14)]
    svg = draw(replace(SWEEP, lines=tuple(lines)))
    paths = [path.get("style") for path in read(svg).iter(f"{SVG}path")]
    looks = {style for style in paths if "stroke-width: 1.5" in (style or "")}
    assert len(looks) == 14


@pytest.mark.parametrize("values", [(3, 3), (0, 0), (-7, -7), (0.001, 0.002), (1e6, 3e6)])
def test_any_range_has_axes(values):
    line = Line("asap", tuple(Point(n, value) for n, value in enumerate(values)))
    svg = draw(replace(SWEEP, lines=(line,)))
    assert len(find_ticks(svg.replace("−".encode(), b"-"), "y")) > 2


@every_plot
@pytest.mark.parametrize(
    ("format", "head"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_the_same_values_give_the_same_file(plot, format, head):
    first = draw(plot, format)
    assert first.startswith(head)
    assert draw(plot, format) == first


def test_threads_do_not_disturb_each_other():
    plots = list(ALL.values())
    alone = [draw(plot) for plot in plots]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, plots)) == alone


@every_plot
def test_a_reader_chooses_light_or_dark(plot):
    svg = draw_for_page(plot).decode()
    tree = read(svg)
    (style, *_) = tree.iter(f"{SVG}style")
    light, dark = style.text.split("@media (prefers-color-scheme:dark)")
    body = svg.replace(style.text, "")
    used = set(re.findall(r"var\((--[\w-]+)\)", body))
    assert {"--ink", "--dim", "--grid"} <= used
    for name in used:
        assert re.search(rf"{name}:#[0-9a-f]{{6}};", light)
        assert re.search(rf"{name}:#[0-9a-f]{{6}};", dark)
    # Nothing is left that does not change with the choice, and nothing white lies under it.
    assert re.findall(r"#[0-9a-f]{6}\b", body) == []
    # The page says the title.
    assert plot.title not in find_texts(tree)


HOSTILE = {
    "</text><script>alert(1)</script>": "</text><script>alert(1)</script>",
    "$\\frac{1}{0}$ and $x": "$\\frac{1}{0}$ and $x",
    "_hidden": "_hidden",
    'style="fill:#0072b2"': 'style="fill:#0072b2"',
    "a\x00b\x1b[31mc": "a�b�[31mc",
    "left\u202eright": "left�right",
    "\ud800": "�",
    "多\n行": "多 行",
}
"""Names, and how they are shown."""
JOINED = "$x_a\x00"


@pytest.mark.parametrize(
    "plot",
    [
        replace(SWEEP, lines=tuple(Line(name, (Point(1, 1),)) for name in HOSTILE)),
        replace(LENGTHS, series=tuple(Counts(name, (1, 2, 3)) for name in HOSTILE)),
        BarPlot("bars", "x", tuple(Bar(name, 1) for name in HOSTILE)),
        BarPlot("bars", JOINED, (Bar(JOINED, 1),)),
    ],
    ids=["lines", "histogram", "bars", "labels"],
)
def test_names_are_text_and_nothing_else(plot):
    names = ["$x_a�"] if plot.x_label == JOINED else HOSTILE.values()
    for svg in (draw(plot), draw_for_page(plot)):
        tree = read(svg)
        assert set(names) <= set(find_texts(tree))
        assert not list(tree.iter(f"{SVG}script"))
    assert draw(plot, "png").startswith(b"\x89PNG")
    assert draw(plot, "pdf").startswith(b"%PDF")
    assert not re.search("[\x00-\x1f\u202e\ud800]", describe(plot))


def test_a_long_name_is_cut():
    (text,) = (
        text
        for text in find_texts(read(draw(replace(SWEEP, lines=(Line("x" * 200, (Point(1, 1),)),)))))
        if text.startswith("xx")
    )
    assert text == "x" * 39 + "…"


@pytest.mark.parametrize(
    "plot",
    [
        replace(SWEEP, lines=()),
        replace(SWEEP, lines=(Line("a", (Point(float("nan"), 1),)),)),
        replace(SWEEP, lines=(Line("a", (Point(1, 2, (0, float("inf"))),)),)),
        replace(SWEEP, is_x_log=True, lines=(Line("a", (Point(0, 2),)),)),
        replace(LENGTHS, edges=(0, 10, 10, 40)),
        replace(LENGTHS, edges=(0, 10, 20)),
        replace(LENGTHS, series=()),
        replace(OPENERS, bars=()),
        replace(CLOUD, points=()),
        replace(GRID, density=Density((1.0, 10.0), (0.0, 1.0), ((1, 2),))),
        replace(GRID, density=Density((0.0, 10.0), (0.0, 1.0), ((1,),))),
    ],
    ids=range(11),
)
def test_what_cannot_be_drawn_is_refused(plot):
    for use in (check_plot, draw, draw_for_page, describe, lay_out_plot):
        with pytest.raises(ValueError, match=r"plot needs|above 0|bins|per bin"):
            use(plot)


def test_one_sentence_says_what_is_to_be_seen():
    assert {name: describe(plot) for name, plot in ALL.items()} == {
        "lines": "accuracy, % against budget, tokens: original from 0 at 100 to 60 at 400; "
        "asap from 20 at 100 to 60 at 400.",
        "histogram": "traces by tokens: before: 7 in all, most (4) from 20 to 40; "
        "after: 7 in all, most (5) from 0 to 10.",
        "bars": "surprisal, nats: from Wait 6.25 to So 1.5.",
        "points": "share kept against tokens of 3 points: 0.25 to 1 over 10 to 50.",
        "density": "share kept against tokens of 44 traces: 0 to 1 over 1 to 100.",
    }
    assert describe(replace(SWEEP, alt="It goes up.")) == "It goes up."


def test_the_same_values_as_a_table():
    lines = replace(SWEEP, lines=(Line("asap", (Point(100, 20.5, (10.25, 30)),)),))
    table = lay_out_plot(lines)
    assert table.columns == (Column("name"), Column("budget, tokens"), Column("accuracy, %"))
    assert table.rows == (("asap", Number(100), Number(20.5, 1, (10.25, 30))),)
    assert [list(map(str, row)) for row in lay_out_plot(LENGTHS).rows] == [
        ["0", "10", "1", "5"],
        ["10", "20", "2", "2"],
        ["20", "40", "4", "0"],
    ]
    assert [list(map(str, row)) for row in lay_out_plot(OPENERS).rows] == [
        ["Wait", "6.25 [5.00, 8.50]"],
        ["So", "1.50"],
    ]
    assert lay_out_plot(CLOUD).rows[1] == (Number(30), Number(0.25, 3))
    assert lay_out_plot(GRID) is None
    assert lay_out_plot(replace(CLOUD, points=CLOUD.points * 100)) is None


def test_a_missing_library_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"drawing plots needs the extra 'view': pip"):
        draw(SWEEP)
