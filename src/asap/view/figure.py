"""A figure of the page: a plot of the report room, a sentence that says what it shows, and the same
values as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asap.report import LinePlot, Table, render_svg
from asap.view.table_value import describe_table


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot, if there is something to draw, and its words."""

    name: str
    """Of the figure in its run, and of the file: lower case and hyphens."""
    title: str
    alt: str
    """One sentence for those who do not see the plot, with numbers."""
    plot: LinePlot | None
    table: Table | None

    def to_json(self, url: str | None) -> dict[str, Any]:
        """The figure with the address of its picture."""
        return {
            "name": self.name,
            "title": self.title,
            "alt": self.alt,
            "url": url if self.plot is not None else None,
            "table": None if self.table is None else describe_table(self.table),
        }


def draw_figure(figure: Figure) -> bytes | None:
    """The plot as SVG; None where there is none."""
    return None if figure.plot is None else render_svg(figure.plot).encode()
