"""A page of tables, plots and sentences that a command leaves beside its report, so that the view
can show the run without knowing how its numbers came about: `page.json` in the run's folder.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asap.errors import RunFolderError
from asap.report.plot import BarPlot, Histogram, LinePlot, Plot, ScatterPlot, check_plot
from asap.report.table import Cell, Number, Table

PAGE = "page.json"
"""Its name in a run's folder."""
_FORMAT_VERSION: Literal[1] = 1


@dataclass(frozen=True)
class Page:
    """What there is to show of a run."""

    title: str
    notes: tuple[str, ...] = ()
    """Sentences that go before everything else."""
    tables: tuple[Table, ...] = ()
    plots: Mapping[str, Plot] = field(default_factory=dict)
    """By a short name, fit for a file."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class _Lines(_Entry):
    kind: Literal["lines"] = "lines"
    plot: LinePlot


class _Histogram(_Entry):
    kind: Literal["histogram"] = "histogram"
    plot: Histogram


class _Bars(_Entry):
    kind: Literal["bars"] = "bars"
    plot: BarPlot


class _Scatter(_Entry):
    kind: Literal["scatter"] = "scatter"
    plot: ScatterPlot


class _File(BaseModel):
    """`page.json`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format_version: Literal[1] = _FORMAT_VERSION
    title: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    plots: tuple[
        Annotated[_Lines | _Histogram | _Bars | _Scatter, Field(discriminator="kind")], ...
    ]


def write_page(folder: Path, page: Page) -> None:
    """Write `page.json`, whole or not at all; a number that is not finite is left out.

    Args:
        folder: the run's, which exists.
        page: what to show.

    Raises:
        ValueError: one of its plots cannot be drawn (see `check_plot`).
    """
    for plot in page.plots.values():
        check_plot(plot)
    content = _File(
        title=page.title,
        notes=page.notes,
        tables=tuple(map(_drop_infinite, page.tables)),
        plots=tuple(_enter(name, plot) for name, plot in page.plots.items()),
    )
    temporary = folder / "page.tmp"
    temporary.write_text(content.model_dump_json(indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, folder / PAGE)


def read_page(folder: Path, command: str) -> Page:
    """What `write_page` wrote.

    Args:
        folder: the run's.
        command: the verb that writes it, for the message where it is missing: `asap rank`.

    Raises:
        RunFolderError: there is no page, it is damaged, or of another format.
    """
    path = folder / PAGE
    again = f"run the same `{command}` command again: what is finished is not done twice"
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"{folder} has no {PAGE}; {again}") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error}; {again}") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != _FORMAT_VERSION:
        raise RunFolderError(
            f"{path} has format version {version}; this asap reads {_FORMAT_VERSION}; {again}"
        )
    try:
        file = _File.model_validate(content)
        for entry in file.plots:
            check_plot(entry.plot)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RunFolderError(f"{path} is damaged: {place}: {first['msg']}; {again}") from None
    except ValueError as error:
        raise RunFolderError(f"{path} is damaged: {error}; {again}") from None
    return Page(file.title, file.notes, file.tables, {each.name: each.plot for each in file.plots})


def _enter(name: str, plot: Plot) -> _Lines | _Histogram | _Bars | _Scatter:
    match plot:
        case LinePlot():
            return _Lines(name=name, plot=plot)
        case Histogram():
            return _Histogram(name=name, plot=plot)
        case BarPlot():
            return _Bars(name=name, plot=plot)
        case ScatterPlot():
            return _Scatter(name=name, plot=plot)


def _drop_infinite(table: Table) -> Table:
    return replace(table, rows=tuple(tuple(map(_drop_cell, row)) for row in table.rows))


def _drop_cell(cell: Cell) -> Cell:
    if not isinstance(cell, Number):
        return cell
    if not math.isfinite(cell.value):
        return None
    is_finite = cell.interval is None or all(map(math.isfinite, cell.interval))
    return cell if is_finite else replace(cell, interval=None)
