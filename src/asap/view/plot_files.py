"""Plots of runs as files for papers: the same that the page shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from asap.errors import InputError
from asap.report import PlotFormat, check_drawing, draw
from asap.view.comparison import compare_all
from asap.view.eval_run import EvaluatedRun
from asap.view.figure import Figure
from asap.view.page_run import PageRun
from asap.view.prune_run import PruneRun
from asap.view.run import Run, open_run
from asap.view.run_folder import RunFolder


def write_plot_files(
    folders: Sequence[RunFolder], output: Path, format: PlotFormat
) -> tuple[list[Path], list[str]]:
    """Write every plot of some runs; see `write_plots` of the room's door."""
    check_drawing()
    figures, notes = gather_figures([open_run(folder) for folder in folders])
    if not figures:
        raise InputError("; ".join(["there is nothing to plot", *notes]))
    written = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            path = output / f"{figure.name}.{format}"
            path.write_bytes(draw(figure.plot, format))
            written.append(path)
    except OSError as error:
        raise InputError(f"cannot write to {output}: {error.strerror}") from None
    return written, notes


def gather_figures(runs: Sequence[Run]) -> tuple[list[Figure], list[str]]:
    """Figures under names of their own, and why some are not there. Evaluations are in common
    plots, since it is their comparison that is wanted; those of other runs go by the run's name.
    """
    pruned = [run for run in runs if isinstance(run, PruneRun)]
    together = [run for run in runs if isinstance(run, EvaluatedRun)]
    compared = compare_all([*together, *(pruned if len(pruned) > 1 else ())])
    figures = list(compared.figures)
    notes = list(compared.notes)
    for run in runs:
        if isinstance(run, EvaluatedRun):
            continue
        if isinstance(run, PageRun):
            notes += run.notes
        own = list(run.figures())
        prefix = "" if len(runs) == 1 else _slug(run.folder.name)
        figures += [Figure(f"{prefix}-{f.name}".strip("-"), f.plot, f.table) for f in own]
    return figures, notes


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
