"""Each trace's share kept against its length: points, and cells counted by hand."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from asap.report import ScatterPlot, check_plot
from asap.view.trace_cloud import draw_up_cloud


class Index:
    """A table `traces` of (tokens before, tokens after, outcome)."""

    def __init__(self, rows: list[tuple[int, int | None, str]]) -> None:
        self.connection = duckdb.connect(":memory:")
        self.connection.execute(
            "CREATE TABLE traces (row BIGINT, tokens_before BIGINT, kept DOUBLE, outcome VARCHAR)"
        )
        for n, (before, after, outcome) in enumerate(rows):
            kept = None if after is None else after / before
            self.connection.execute(
                "INSERT INTO traces VALUES (?, ?, ?, ?)", [n, before, kept, outcome]
            )

    def query(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()


def draw_up(rows: list[tuple[int, int | None, str]]) -> ScatterPlot:
    figure = draw_up_cloud(Index(rows))  # type: ignore[arg-type]
    assert figure is not None
    assert isinstance(figure.plot, ScatterPlot)
    check_plot(figure.plot)
    return figure.plot


def test_few_traces_are_points() -> None:
    plot = draw_up([(100, 25, "kept"), (400, 400, "kept"), (70, None, "excluded")])
    assert (plot.points, plot.density) == (((100.0, 25.0), (400.0, 100.0)), None)


def test_many_traces_are_counted_by_cell() -> None:
    # 36 cells from 10 to 1,000: 100 is the edge after the 18th; 25 cells of 4 % each.
    rows = [(10, 5, "kept")] * 700 + [(1000, 1000, "kept")] * 300 + [(101, 0, "kept")] * 20
    plot = draw_up([*rows, (5, None, "excluded")])
    assert plot.density is not None
    assert plot.density.x_edges[0] == pytest.approx(10)
    assert plot.density.x_edges[-1] == pytest.approx(1000)
    assert plot.density.y_edges[12] == pytest.approx(48)
    found = {
        (x, y): count
        for y, row in enumerate(plot.density.counts)
        for x, count in enumerate(row)
        if count
    }
    assert found == {(0, 12): 700, (35, 24): 300, (18, 0): 20}


def test_traces_of_one_length_have_cells_too() -> None:
    plot = draw_up([(10, 5, "kept")] * 1001)
    assert plot.density is not None
    assert sum(map(sum, plot.density.counts)) == 1001


def test_nothing_kept_is_nothing_to_draw() -> None:
    assert draw_up_cloud(Index([(10, None, "excluded")])) is None  # type: ignore[arg-type]
