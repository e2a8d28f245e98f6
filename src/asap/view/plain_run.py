"""A run of a kind that has no views of its own: its report, as far as every report has it."""

from __future__ import annotations

from typing import Any

from asap.view.figure import Figure
from asap.view.overview import describe_settings
from asap.view.run_folder import RunFolder


class PlainRun:
    """A run that is shown by its `report.json` alone.

    Args:
        folder: the opened folder.
    """

    n_rows: int | None = None

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def overview(self) -> dict[str, Any]:
        """Settings, versions and times."""
        return {
            "summary": [],
            "funnel": [],
            "excluded": [],
            **describe_settings(self.folder),
            "tables": [],
            "notes": [],
        }

    def figures(self) -> list[Figure]:
        """None."""
        return []
