"""Runs beside each other: prune runs in one table, evaluations measured together, the pages of rank
and lab one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asap.errors import InputError
from asap.report import Table
from asap.view.eval_run import (
    EvaluatedRun,
    compare_evaluations,
    draw_up_results,
    lay_out_results,
)
from asap.view.figure import Figure
from asap.view.page_run import PageRun
from asap.view.prune_run import PruneRun
from asap.view.run import Run
from asap.view.side_by_side import compare_lengths, compare_totals


@dataclass(frozen=True, slots=True)
class Comparison:
    """What there is to show of several runs together."""

    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    """Why something is not there."""


def compare_all(runs: Sequence[Run]) -> Comparison:
    """Put runs beside each other, each kind with its own.

    Raises:
        RunFolderError: a run's files are not what its report says.
    """
    pruned = _compare_pruned([run for run in runs if isinstance(run, PruneRun)])
    evaluated = _compare_evaluated([run for run in runs if isinstance(run, EvaluatedRun)])
    paged = _join_pages([run for run in runs if isinstance(run, PageRun)])
    parts = (pruned, evaluated, paged)
    return Comparison(
        tuple(table for part in parts for table in part.tables),
        tuple(figure for part in parts for figure in part.figures),
        tuple(note for part in parts for note in part.notes),
    )


def _compare_pruned(runs: Sequence[PruneRun]) -> Comparison:
    if not runs:
        return Comparison((), (), ())
    figure = compare_lengths(runs)
    return Comparison((compare_totals(runs),), (figure,) if figure else (), ())


def _compare_evaluated(runs: Sequence[EvaluatedRun]) -> Comparison:
    finished = [run for run in runs if run.is_finished]
    notes = [f"{run.folder.name} is {run.folder.status}" for run in runs if not run.is_finished]
    if not finished:
        return Comparison((), (), tuple(notes))
    try:
        results = compare_evaluations(finished)
    except InputError as error:
        return Comparison((), (), (*notes, f"These runs cannot be compared: {error}"))
    return Comparison(
        tuple(lay_out_results(results)), tuple(draw_up_results(results)), tuple(notes)
    )


def _join_pages(runs: Sequence[PageRun]) -> Comparison:
    """Where there are several, titles and names say whose they are."""
    if len(runs) == 1:
        return Comparison(
            runs[0].page.tables, tuple(runs[0].figures()), (*runs[0].notes, *runs[0].page.notes)
        )
    tables = [
        replace(table, title=f"{run.folder.name}: {table.title}")
        for run in runs
        for table in run.page.tables
    ]
    figures = [
        Figure(
            f"{n}-{figure.name}",
            replace(figure.plot, title=f"{run.folder.name}: {figure.plot.title}"),
            figure.table,
        )
        for n, run in enumerate(runs)
        for figure in run.figures()
    ]
    notes = [f"{run.folder.name}: {note}" for run in runs for note in run.notes]
    return Comparison(tuple(tables), tuple(figures), tuple(notes))
