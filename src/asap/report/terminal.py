"""A table in the terminal. What bold says a star says too, so that colour is not needed; what is
too wide is cut between groups of columns, never within a number.
"""

from __future__ import annotations

from typing import Literal

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from asap.report.table import Cell, Table, is_numeric, show_cell


def render_terminal(table: Table, console: Console) -> Group:
    """The table, in as many parts as the console's width asks for, with title and notes."""
    parts = [_draw(table, positions) for positions in _cut(table, console)]
    notes = [Text(note, style="dim") for note in table.notes]
    if table.find_best():
        notes.insert(0, Text("*: the best of its column", style="dim"))
    return Group(Text(table.title, style="bold"), *parts, *notes)


def _cut(table: Table, console: Console) -> list[list[int]]:
    """Positions of the columns of each part; those without a group, the labels, stand in each."""
    groups = table.find_groups()
    labels = [n for name, members in groups if not name for n in members]
    # Asked with the console's own width, rich answers with no more than that.
    unbounded = console.options.update(max_width=100_000)
    parts = [list(labels)]
    for name, members in groups:
        if not name:
            continue
        wider = [*parts[-1], *members]
        width = Measurement.get(console, unbounded, _draw(table, wider)).maximum
        if width > console.width and parts[-1] != labels:
            parts.append([*labels, *members])
        else:
            parts[-1] = wider
    return parts


def _draw(table: Table, positions: list[int]) -> RichTable:
    best = table.find_best()
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    has_groups = any(table.columns[n].group for n in positions)
    shown = ""
    for n in positions:
        column = table.columns[n]
        group = column.group if column.group != shown else ""
        shown = column.group
        heading = Text(f"{group}\n{column.heading}" if has_groups else column.heading)
        justify: Literal["left", "right"] = "right" if is_numeric(table, n) else "left"
        # A number that has no room goes on in the next line; dots would hide digits.
        drawn.add_column(heading, justify=justify, overflow="fold")
    for n_row, row in enumerate(table.rows):
        drawn.add_row(*(_show(table, row[n], n, (n_row, n) in best) for n in positions))
    return drawn


def _show(table: Table, cell: Cell, n_column: int, is_best: bool) -> Text:
    """A column with a mark keeps a place for it in every row, so that digits stay in line."""
    text = show_cell(cell)
    if table.columns[n_column].best is not None:
        text += "*" if is_best else " "
    return Text(text, style="bold" if is_best else "")
