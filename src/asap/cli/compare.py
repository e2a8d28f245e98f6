"""`asap compare`: open the runs, compute, print the tables."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from asap.bench import EvalRun, Results, compare_runs, gather_arms, open_eval_run
from asap.cli.terminal import Terminal
from asap.errors import InputError
from asap.report import (
    Table,
    render_chart,
    render_csv,
    render_latex,
    render_markdown,
    render_terminal,
)
from asap.view import (
    lay_out_charts,
    lay_out_details,
    lay_out_differences,
    lay_out_main,
    lay_out_points,
    lay_out_sweeps,
)

TableName = Literal["main", "sweep", "figure", "differences", "details"]
Format = Literal["terminal", "markdown", "csv", "latex"]

_LAYOUTS: dict[TableName, Callable[[Results], list[Table]]] = {
    "main": lay_out_main,
    "sweep": lay_out_sweeps,
    "figure": lay_out_points,
    "differences": lay_out_differences,
    "details": lay_out_details,
}
_FORMATS: dict[str, Format] = {".md": "markdown", ".csv": "csv", ".tex": "latex"}
_ENDLESS = 100_000
"""Columns of a file or a pipe, where no line has to be broken."""


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…", help="Folders that asap eval wrote; NAME=RUN gives one another name."
        ),
    ],
    baseline: Annotated[
        str | None, typer.Option(help="The arm to compare with; the first one by default.")
    ] = None,
    table: Annotated[TableName | None, typer.Option(help="Only this one; all by default.")] = None,
    format: Annotated[
        Format | None,
        typer.Option(help="How the tables are written; by default as --output's suffix says."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write instead of printing.")
    ] = None,
) -> None:
    """Compare evaluated models: the paper's tables, with intervals and tests.

    Runs of one name are one arm with several training seeds.

    Examples:
      asap compare base asap-4k

      asap compare original=runs/a asap=runs/b1 asap=runs/b2 --table main --format latex
    """
    format = format or _FORMATS.get(output.suffix if output else "", "terminal")
    results = compare_runs(gather_arms(map(_open_run, runs)), baseline)
    names: Sequence[TableName] = tuple(_LAYOUTS) if table is None else (table,)
    if format == "terminal":
        _write_to_terminal(results, names, output)
        return
    tables = [each for name in names for each in _LAYOUTS[name](results)]
    if format == "csv":
        _say_notes(tables)
    _write("\n".join(_render(tables, format)), output)


def _open_run(argument: str) -> tuple[str, EvalRun]:
    """`PATH` or `NAME=PATH`; a folder that is there under the whole argument goes first."""
    name, sign, path = argument.partition("=")
    if not sign or Path(argument).exists():
        run = open_eval_run(Path(argument))
        return run.label, run
    if not name or not path:
        raise InputError(f"'{argument}' is neither a folder nor NAME=FOLDER")
    return name, open_eval_run(Path(path))


def _write_to_terminal(results: Results, names: Sequence[TableName], output: Path | None) -> None:
    text = io.StringIO()
    terminal = Terminal() if output is None else Terminal(file=text)
    if not terminal.is_terminal:
        terminal.width = _ENDLESS
    for name in names:
        if name == "figure":
            for chart in lay_out_charts(results):
                terminal.say(render_chart(chart), "")
            continue
        for each in _LAYOUTS[name](results):
            terminal.print(render_terminal(each, terminal))
            terminal.say("")
    if output is not None:
        _write(text.getvalue(), output)


def _render(tables: Sequence[Table], format: Format) -> list[str]:
    if format == "csv":
        return [render_csv(each, has_title=len(tables) > 1) for each in tables]
    render = render_markdown if format == "markdown" else render_latex
    return [render(each) for each in tables]


def _say_notes(tables: Sequence[Table]) -> None:
    """CSV has no place for notes."""
    for note in dict.fromkeys(note for table in tables for note in table.notes):
        print(f"asap: {note}", file=sys.stderr)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}") from None
