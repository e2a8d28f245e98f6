"""`asap plot`: the plots of runs as files for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asap.cli.terminal import Terminal
from asap.report import PlotFormat
from asap.view import open_run_folders, write_plots


def plot(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN…", help="Run folders; NAME=RUN gives one another name."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write into.")],
    format: Annotated[PlotFormat, typer.Option(help="pdf and svg stay sharp at any size.")] = "svg",
) -> None:
    """Write every plot of runs as a file, readable in print and by the colour-blind.

    Eval runs are plotted together; those of one NAME are one arm with several seeds.

    Examples:
      asap plot pruned --output figures

      asap plot original=eval-a asap=eval-b -o figures --format pdf
    """
    written, notes = write_plots(open_run_folders(runs), output, format)
    terminal = Terminal()
    terminal.say(*(f"written: {path}" for path in written), *notes)
