"""Pages: what is written comes back, and what cannot be read is said in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from asap.errors import RunFolderError
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
    Page,
    Point,
    ScatterPlot,
    Table,
    read_page,
    write_page,
)

TABLE = Table(
    "Scores",
    (Column("arm"), Column("↑", "score", "highest")),
    (("asap", Number(0.5, 2, (0.25, 0.75), is_signed=True)), ("1", Number(0.0004, 3, floor=0.001))),
    ("a note",),
)
PAGE = Page(
    "Two arms",
    ("First sentence.",),
    (TABLE, replace(TABLE, rows=(("asap", None), ("1", Number(3))))),
    {
        "sweep": LinePlot(
            "Sweep",
            "x",
            "y",
            (Line("a", (Point(1, 2, (1, 3), (0.5, 2)), Point(2, 3))),),
            (1, 2),
            True,
        ),
        "lengths": Histogram(
            "Lengths", "x", "y", (1, 2, 4), (Counts("a", (3, 0.5)),), True, "Alt."
        ),
        "openers": BarPlot("Openers", "x", (Bar("So", 1.5, (1, 2)), Bar("Wait", 1))),
        "cloud": ScatterPlot("Cloud", "x", "y", ((1, 2), (3, 4))),
        "grid": ScatterPlot("Grid", "x", "y", density=Density((1, 2), (3, 4), ((5,),)), unit="u"),
    },
)


def test_what_is_written_comes_back(tmp_path):
    write_page(tmp_path, PAGE)
    assert read_page(tmp_path, "asap rank") == PAGE
    assert [path.name for path in tmp_path.iterdir()] == ["page.json"]


def test_the_same_page_gives_the_same_file(tmp_path):
    write_page(tmp_path, PAGE)
    first = (tmp_path / "page.json").read_bytes()
    write_page(tmp_path, read_page(tmp_path, "asap rank"))
    assert (tmp_path / "page.json").read_bytes() == first


def test_a_number_that_is_not_finite_is_left_out(tmp_path):
    rows = (
        ("asap", Number(float("nan"))),
        ("1", Number(1, 0, (0, float("inf")))),
    )
    write_page(tmp_path, Page("Odd", tables=(replace(TABLE, rows=rows),)))
    (table,) = read_page(tmp_path, "asap rank").tables
    assert table.rows == (("asap", None), ("1", Number(1)))


def test_the_page_of_an_older_run_is_asked_for(tmp_path):
    with pytest.raises(RunFolderError) as caught:
        read_page(tmp_path, "asap rank")
    assert str(caught.value) == (
        f"{tmp_path} has no page.json; run the same `asap rank` command again: what is finished is "
        "not done twice"
    )


def damage(content, name):
    if name == "version":
        content["format_version"] = 2
    elif name == "no version":
        del content["format_version"]
    elif name == "kind":
        content["plots"][0]["kind"] = "pie"
    elif name == "field":
        content["colour"] = "red"
    elif name == "bins":
        content["plots"][1]["plot"]["edges"] = [1, 2]
    elif name == "name":
        content["plots"][0]["name"] = "../../etc"
    return content


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("version", "page.json has format version 2; this asap reads 1"),
        ("no version", "page.json has format version None; this asap reads 1"),
        ("kind", "page.json is damaged: plots.0"),
        ("field", "page.json is damaged: colour: Extra inputs"),
        ("bins", "page.json is damaged: there must be one count per bin"),
        ("name", "page.json is damaged: plots.0.lines.name"),
    ],
)
def test_a_damaged_page_is_refused_in_one_line(tmp_path, name, said):
    write_page(tmp_path, PAGE)
    path = tmp_path / "page.json"
    path.write_text(json.dumps(damage(json.loads(path.read_text("utf-8")), name)), "utf-8")
    with pytest.raises(RunFolderError) as caught:
        read_page(tmp_path, "asap lab")
    assert said in str(caught.value)
    assert "run the same `asap lab` command again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1]", "\x00"])
def test_what_is_no_page_is_refused(tmp_path, text):
    (tmp_path / "page.json").write_text(text, "utf-8")
    with pytest.raises(RunFolderError, match=r"page\.json"):
        read_page(tmp_path, "asap lab")
