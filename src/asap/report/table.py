"""A table as a value: what stands in it, and which value of a column is the best.

How it looks is the renderers' business; what it means, its maker's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal


@dataclass(frozen=True, slots=True)
class Number:
    """A number and how much of it is shown."""

    value: float
    digits: int = 0
    """After the point."""
    interval: tuple[float, float] | None = None
    is_signed: bool = False
    """Show a plus as well."""
    floor: float | None = None
    """What is below it is shown as that: a p-value of `<0.001`."""

    def __str__(self) -> str:
        if self.floor is not None and self.value < self.floor:
            return f"<{self.floor:.{self.digits}f}"
        text = self._show(self.value)
        if self.interval is not None:
            low, high = self.interval
            text += f" [{self._show(low)}, {self._show(high)}]"
        return text

    def _show(self, value: float) -> str:
        # Adding 0.0 makes zero of a minus zero.
        shown = round(value, self.digits) + 0.0
        return f"{shown:{'+' if self.is_signed else ''},.{self.digits}f}"


Cell = str | Number | None
"""None: there is no such value; shown as a hyphen."""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column."""

    heading: str
    group: str = ""
    """Neighbours of one group share a heading above theirs; none for the columns of labels."""
    best: Literal["highest", "lowest"] | None = None
    """Which value is to be marked."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with one cell per row and column."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def find_best(self) -> frozenset[tuple[int, int]]:
        """Row and column of each cell to be marked: the best of its column as shown, ties too; none
        where there is only one value.
        """
        best = set()
        for n_column, column in enumerate(self.columns):
            if column.best is None:
                continue
            cells = [row[n_column] for row in self.rows]
            values = {
                n_row: round(cell.value, cell.digits)
                for n_row, cell in enumerate(cells)
                if isinstance(cell, Number)
            }
            if len(values) > 1:
                wanted = (max if column.best == "highest" else min)(values.values())
                best |= {(n_row, n_column) for n_row, value in values.items() if value == wanted}
        return frozenset(best)

    def find_groups(self) -> list[tuple[str, list[int]]]:
        """Groups in order, with the positions of their columns."""
        positions = range(len(self.columns))
        return [
            (group, list(members))
            for group, members in groupby(positions, lambda n: self.columns[n].group)
        ]


def show_cell(cell: Cell) -> str:
    """The cell as plain text."""
    return "-" if cell is None else str(cell)


def is_numeric(table: Table, n_column: int) -> bool:
    """Whether a column holds numbers, so that it is set flush right."""
    return not any(isinstance(row[n_column], str) for row in table.rows)
