"""A table as CSV for other programs: numbers in full, nothing marked, no notes."""

from __future__ import annotations

import csv
import io

from asap.report.table import Cell, Number, Table


def render_csv(table: Table, *, has_title: bool = False) -> str:
    """One line of headings, then the rows. A column with intervals has two more beside it, `low`
    and `high`; where there is no value the field is empty.

    Args:
        table: what is written.
        has_title: put a line with the title before it, where several tables share a file.
    """
    columns = [[row[n] for row in table.rows] for n in range(len(table.columns))]
    has_interval = [
        any(isinstance(cell, Number) and cell.interval is not None for cell in column)
        for column in columns
    ]
    heads = []
    for column, is_wide in zip(table.columns, has_interval, strict=True):
        head = f"{column.group} {column.heading}".strip()
        heads += [head, f"{head} low", f"{head} high"] if is_wide else [head]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if has_title:
        writer.writerow([table.title])
    writer.writerow(heads)
    for row in table.rows:
        fields = []
        for cell, is_wide in zip(row, has_interval, strict=True):
            fields += _write(cell)[: 3 if is_wide else 1]
        writer.writerow(fields)
    return text.getvalue()


def _write(cell: Cell) -> list[str]:
    """Value, low, high."""
    if not isinstance(cell, Number):
        return [cell or "", "", ""]
    low, high = cell.interval or (None, None)
    # Ten digits: enough for any program, and 30 stays 30.
    return ["" if value is None else f"{value:.10g}" for value in (cell.value, low, high)]
