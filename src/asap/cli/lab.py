"""`asap lab`: parse the flags, run the experiment, say where the report is."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from asap.cli import flags
from asap.cli.progress import EvalBar
from asap.cli.terminal import Terminal
from asap.lab import REGIMES, REPORT, SCALES, Regime, SizeName, lay_out_main, run_lab
from asap.report import render_terminal
from asap.run import count_cores


def lab(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The lab's folder, or the one to go on in.")
    ],
    size: Annotated[
        SizeName,
        typer.Option(help="tiny: hours on two cores. small: a night. gpu: one GPU."),
    ] = "tiny",
    regime: Annotated[
        Regime | None,
        typer.Option(help="Run only one; the report has all that are finished. Default: both."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Jobs at a time. Default: one a core, or one on a GPU."),
    ] = None,
    device: flags.Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print where the report is.")] = False,
) -> None:
    """The paper's experiment at one machine's size: prune by every method, fine-tune, compare.

    Programs are made up and traces written with labelled habits, so that every ranking can be held
    against the truth. The same command on an unfinished folder goes on where it stopped.

    Examples:
      asap lab --size tiny -o lab-tiny

      asap lab --size tiny --regime shared --workers 4 -o lab-tiny
    """
    is_quiet = not logging.getLogger().isEnabledFor(logging.WARNING)
    is_resumed = (output / "report.json").exists()
    with EvalBar(is_quiet) as bar:
        if is_resumed:
            bar.say("this lab was begun before: what is finished stays")
        all_results = run_lab(
            SCALES[size],
            output,
            (regime,) if regime else REGIMES,
            workers=workers or (1 if _has_gpu(device) else count_cores()),
            device=device,
            command=f"asap {shlex.join(sys.argv[1:])}",
            on_progress=lambda phase, n_done, n_all: bar.advance(phase, "", n_done, n_all),
        )
    if as_json:
        print(json.dumps({"output": str(output), "report": str(output / REPORT)}))
    else:
        terminal = Terminal()
        for results in all_results:
            terminal.print(render_terminal(lay_out_main(results), terminal))
            if results.void_rule is not None and results.void_rule.state != "passed":
                terminal.say(f"{results.void_rule.state} for ranking:", *results.void_rule.reasons)
        terminal.say(f"the report is in {output / REPORT}", f"to look at: asap view {output}")


def _has_gpu(device: str) -> bool:
    if device == "auto":
        import torch

        return torch.cuda.is_available()
    return device.startswith("cuda")
