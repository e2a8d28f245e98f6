"""A chart in characters."""

from __future__ import annotations

import pytest

from asap.report import Chart, Series, render_chart


def test_each_series_has_its_letter_and_its_column():
    chart = Chart(
        "humaneval",
        ("2k", "10k"),
        (Series("original", (22.0, 40.0)), Series("asap", (30.0, None))),
    )
    assert render_chart(chart).splitlines() == [
        "humaneval",
        "40 |      A",
        "38 |",
        "36 |",
        "34 |",
        "32 |",
        "30 |  B",
        "28 |",
        "26 |",
        "24 |",
        "22 | A",
        "20 |",
        "   +----------",
        "     2k   10k",
        "A original",
        "B asap",
    ]


def test_equal_values_stand_side_by_side():
    chart = Chart("t", ("1k",), (Series("a", (0.0,)), Series("b", (0.0,))))
    assert " 0 | AB" in render_chart(chart).splitlines()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="needs a value"):
        render_chart(Chart("t", ("1k",), (Series("a", (None,)),)))
