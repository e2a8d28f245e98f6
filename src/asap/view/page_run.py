"""A run that has left a page of its own, as rank and lab do: shown as it was written."""

from __future__ import annotations

from typing import Any

from asap.errors import RunFolderError
from asap.report import Page, lay_out_plot, read_page
from asap.view.figure import Figure
from asap.view.overview import describe_settings
from asap.view.run_folder import RunFolder
from asap.view.table_value import describe_table
from asap.view.visible import show_controls


class PageRun:
    """A run of kind rank or lab.

    Args:
        folder: the opened folder.
    """

    n_rows: int | None = None

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.page = Page(folder.name)
        self.notes: tuple[str, ...] = ()
        """Why there is no page, where there is none."""
        try:
            self.page = read_page(folder.path, f"asap {folder.kind}")
        except RunFolderError as error:
            # Other runs opened with it can be looked at all the same.
            self.notes = (str(error),)

    def overview(self) -> dict[str, Any]:
        """The page's sentences and tables."""
        return {
            "summary": [],
            "funnel": [],
            "excluded": [],
            **describe_settings(self.folder),
            "tables": [describe_table(table) for table in self.page.tables],
            "notes": list(map(show_controls, (*self.notes, *self.page.notes))),
        }

    def figures(self) -> list[Figure]:
        """The page's plots."""
        return [Figure(name, plot, lay_out_plot(plot)) for name, plot in self.page.plots.items()]
