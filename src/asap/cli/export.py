"""`asap export`: write the rows for another trainer, print what it has to be told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from asap.cli.terminal import Terminal
from asap.place import refuse_remote
from asap.train import (
    TRAINERS,
    Exported,
    Trainer,
    describe_dataset,
    export_rows,
    read_rows,
    register_dataset,
    write_rows,
)

_STDOUT = "-"


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run folder, or any data with text in prompt and completion."
        ),
    ],
    trainer: Annotated[Trainer, typer.Option("--to", help="Who is to read the file.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="A .jsonl file to write; - is standard output.")
    ],
    allow_empty_prompts: Annotated[
        bool,
        typer.Option("--allow-empty-prompts", help="Write rows without a question all the same."),
    ] = False,
) -> None:
    """Write a run's rows for another trainer, and print the settings to train on them with.

    The loss is on the completion alone, and the reasoning stays in the assistant's turn.

    Examples:
      asap export pruned --to axolotl --output train.jsonl

      asap export pruned --to openai --output - | gzip > train.jsonl.gz
    """
    if output == _STDOUT:
        exported = write_rows(
            read_rows(source), trainer, sys.stdout.buffer, allow_empty_prompts=allow_empty_prompts
        )
        sys.stdout.buffer.flush()
        _say(Terminal(stderr=True), "standard output", exported, allow_empty_prompts)
        return
    file = Path(output)
    refuse_remote(file)
    exported = export_rows(source, trainer, file, allow_empty_prompts=allow_empty_prompts)
    terminal = Terminal()
    _say(terminal, output, exported, allow_empty_prompts)
    if trainer == "llamafactory":
        _register(terminal, file)
    terminal.say("", TRAINERS[trainer].write_settings(file).rstrip())


def _say(terminal: Terminal, place: str, exported: Exported, is_allowed: bool) -> None:
    terminal.say(f"{place}: {exported.n_rows:,} rows")
    if exported.n_empty_prompts:
        what = "with an empty prompt" if is_allowed else "left out, with an empty prompt"
        terminal.say(f"{what}: {exported.n_empty_prompts:,}")


def _register(terminal: Terminal, file: Path) -> None:
    info = file.with_name("dataset_info.json")
    if register_dataset(file):
        terminal.say(f"{info} has it as {file.stem}")
    else:
        terminal.say(f"{info} is there and stays as it is; add to it:", "", describe_dataset(file))
