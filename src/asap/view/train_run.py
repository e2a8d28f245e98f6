"""A training as the page shows it: what it was trained on, and its loss."""

from __future__ import annotations

import math
from typing import Any

from asap.report import Line, LinePlot, Point, lay_out_plot
from asap.view.figure import Figure
from asap.view.overview import describe_settings
from asap.view.run_folder import RunFolder
from asap.view.visible import show_controls


class TrainRun:
    """A run of kind train, shown by its `report.json`.

    Args:
        folder: the opened folder.
    """

    n_rows: int | None = None

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def overview(self) -> dict[str, Any]:
        """Data, settings, versions and times."""
        data = self.folder.report.get("data") or {}
        left_out = data.get("rows_left_out") or {}
        training = self.folder.report.get("training") or {}
        pairs = [
            *((name, data.get(key)) for name, key in _DATA),
            *((name, training.get(key)) for name, key in _TRAINING),
        ]
        return {
            "summary": [[name, f"{value:,}"] for name, value in pairs if value is not None],
            "funnel": [],
            "excluded": [
                {"reason": show_controls(reason), "count": n} for reason, n in left_out.items()
            ],
            **describe_settings(self.folder),
            "tables": [],
            "notes": [],
        }

    def figures(self) -> list[Figure]:
        """The loss over steps, where it was logged."""
        points = [
            Point(entry["step"], entry["loss"])
            for entry in self.folder.report.get("log") or ()
            if _is_number(entry.get("step")) and _is_number(entry.get("loss"))
        ]
        if not points:
            return []
        plot = LinePlot("Loss in training", "step", "loss, nats", (Line("", tuple(points)),))
        return [Figure("loss", plot, lay_out_plot(plot))]


_DATA = (("rows", "rows"), ("tokens trained on", "trained_tokens"))
_TRAINING = (("steps", "n_steps"), ("seconds", "seconds"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
