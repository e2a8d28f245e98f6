"""`asap report`: one HTML file about some runs, to send around."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asap.cli.terminal import Terminal
from asap.view import open_run_folders, write_report_page


def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN…", help="Run folders; NAME=RUN gives one another name."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    traces: Annotated[
        int, typer.Option(min=0, help="Traces of each run to take in, spread evenly.")
    ] = 20,
) -> None:
    """Write one HTML file about runs: overview, plots and some traces, with all it needs inside.

    Examples:
      asap report pruned --output pruned.html

      asap report before=pruned-a after=pruned-b -o both.html --traces 50
    """
    terminal = Terminal()
    for line in write_report_page(open_run_folders(runs), output, traces):
        terminal.say(line)
