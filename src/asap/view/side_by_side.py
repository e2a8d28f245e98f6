"""Several prune runs in one table and one plot."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from asap.report import Cell, Column, Line, LinePlot, Number, Point, Table
from asap.view.figure import Figure
from asap.view.overview import count_totals, find_ratio
from asap.view.prune_run import PruneRun

_COLUMNS = (
    Column("run"),
    Column("method"),
    Column("budget"),
    Column("in", "rows"),
    Column("excluded", "rows"),
    Column("before", "tokens"),
    Column("after", "tokens"),
    Column("kept, %", "tokens"),
    Column("before", "steps"),
    Column("after", "steps"),
    Column("time, s", "run"),
)
_SHARES = tuple(k / 20 for k in range(21))


def compare_totals(runs: Sequence[PruneRun]) -> Table:
    """One line per run."""
    return Table("Prune runs side by side", _COLUMNS, tuple(map(_write_line, runs)))


def compare_lengths(runs: Sequence[PruneRun]) -> Figure | None:
    """The share of traces with at most so many tokens after pruning, one line per run."""
    lines: list[Line] = []
    cells: list[tuple[Cell, ...]] = []
    for run in runs:
        found = run.index.query(
            "SELECT tokens_after FROM traces WHERE tokens_after IS NOT NULL ORDER BY 1"
        )
        tokens = [value for (value,) in found]
        if tokens:
            points = [tokens[min(len(tokens) - 1, int(q * len(tokens)))] for q in _SHARES]
            shares = [100 * bisect_right(tokens, value) / len(tokens) for value in points]
            lines.append(Line(run.folder.name, tuple(map(Point, points, shares))))
            cells.append((run.folder.name, *(Number(points[k]) for k in (2, 10, 18))))
    if not lines:
        return None
    title = "Tokens per trace after pruning"
    said = ", ".join(f"{cell[0]} {cell[2]}" for cell in cells)
    return Figure(
        name="tokens-after",
        plot=LinePlot(
            title,
            "tokens",
            "traces with at most so many, %",
            tuple(lines),
            alt=f"The share of traces with at most so many tokens; the medians are {said}.",
        ),
        table=Table(title, tuple(map(Column, ("run", "10 %", "median", "90 %"))), tuple(cells)),
    )


def _write_line(run: PruneRun) -> tuple[str | Number | None, ...]:
    totals = count_totals(run.index)
    ratio = find_ratio(totals)
    seconds = (run.folder.report.get("timings") or {}).get("seconds")
    has_steps = bool(totals["steps_after"])
    identity = run.folder.report.get("identity") or {}
    return (
        run.folder.name,
        identity.get("recipe.method"),
        _say_budget(identity),
        Number(totals["rows_in"]),
        Number(totals["rows_in"] - totals["rows_out"]),
        Number(totals["tokens_before"]),
        Number(totals["tokens_after"]),
        None if ratio is None else Number(100 * ratio, 1),
        Number(totals["steps_before"]) if has_steps else None,
        Number(totals["steps_after"]) if has_steps else None,
        None if seconds is None else Number(seconds, 1),
    )


def _say_budget(identity: Mapping[str, Any]) -> str | None:
    """What the recipe asked for."""
    if identity.get("recipe.budget_tokens") is not None:
        return f"{identity['recipe.budget_tokens']:,} tokens"
    ratio = identity.get("recipe.ratio")
    return None if ratio is None else f"{100 * ratio:g} %"
