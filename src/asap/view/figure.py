"""A figure of the page: a plot of the report room with its name, and the values as a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asap.report import Plot, Table, describe, draw_for_page
from asap.view.table_value import describe_table
from asap.view.visible import show_controls


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot and its words."""

    name: str
    """Of the figure in its run, and of the file: lower case and hyphens."""
    plot: Plot
    table: Table | None

    def to_json(self, url: str) -> dict[str, Any]:
        """The figure with the address of its picture."""
        return {
            "name": self.name,
            "title": show_controls(self.plot.title),
            "alt": describe(self.plot),
            "url": url,
            "table": None if self.table is None else describe_table(self.table),
        }

    def draw(self) -> bytes:
        """The picture as SVG.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return _draw(self.plot)


@lru_cache(maxsize=100)
def _draw(plot: Plot) -> bytes:
    return draw_for_page(plot)
