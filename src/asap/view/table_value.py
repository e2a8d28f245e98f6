"""A table of the report room as JSON for the page."""

from __future__ import annotations

from typing import Any

from asap.report import Cell, Number, Table
from asap.view.plain_value import say_text
from asap.view.visible import show_controls


def describe_table(table: Table) -> dict[str, Any]:
    """The table's title, columns, rows and notes; of a cell its text and, where it is a number, its
    value and interval.
    """
    best = table.find_best()
    n_columns = range(len(table.columns))
    return {
        "title": show_controls(table.title),
        "columns": [
            {
                "heading": show_controls(column.heading),
                "group": show_controls(column.group),
                "is_numeric": not any(isinstance(row[n], str) for row in table.rows),
            }
            for n, column in enumerate(table.columns)
        ],
        "rows": [
            [_describe_cell(row[n], (n_row, n) in best) for n in n_columns]
            for n_row, row in enumerate(table.rows)
        ],
        "notes": list(map(show_controls, table.notes)),
    }


def _describe_cell(cell: Cell, is_best: bool) -> dict[str, Any]:
    value = cell.value if isinstance(cell, Number) else None
    low, high = (cell.interval or (None, None)) if isinstance(cell, Number) else (None, None)
    text = "-" if cell is None else say_text(str(cell))
    return {"text": text, "value": value, "low": low, "high": high, "is_best": is_best}
