"""What every run can say, whatever its kind, and what opens it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from asap.view.eval_run import EvaluatedRun
from asap.view.figure import Figure
from asap.view.page_run import PageRun
from asap.view.prune_run import PruneRun
from asap.view.run_folder import Kind, RunFolder
from asap.view.train_run import TrainRun


class Run(Protocol):
    """What every run can say, whatever its kind."""

    @property
    def folder(self) -> RunFolder:
        """The opened folder."""

    @property
    def n_rows(self) -> int | None:
        """Rows to look at, where there are any."""

    def overview(self) -> dict[str, Any]:
        """The run at a glance, without head and figures."""

    def figures(self) -> Sequence[Figure]:
        """What can be drawn of it."""


_OPENERS: dict[Kind, Callable[[RunFolder], Run]] = {
    "prune": PruneRun,
    "eval": EvaluatedRun,
    "rank": PageRun,
    "lab": PageRun,
    "train": TrainRun,
}


def open_run(folder: RunFolder) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: a file of it cannot be read.
    """
    return _OPENERS[folder.kind](folder)
