"""Rows to train on as a file that another trainer reads: every row, as it is, one JSON object a
line. What each trainer reads is in `trainer`; nothing is rendered by a chat template here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from asap.errors import InputError
from asap.train.rows import TrainRow, read_rows
from asap.train.trainer import TRAINERS, Trainer, write_dataset_entry

_DATASET_INFO = "dataset_info.json"
_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    n_rows: int
    n_empty_prompts: int
    """Rows without a prompt: written as well where that is allowed, else left out."""


def export_rows(
    source: str, trainer: Trainer, output: Path, *, allow_empty_prompts: bool = False
) -> Exported:
    """Write rows into a file, whole or not at all; a file that is there is replaced.

    Args:
        source: a run folder, or any data set with text in `prompt` and `completion`.
        trainer: who is to read it.
        output: a path that ends in `.jsonl`.
        allow_empty_prompts: write rows without a prompt as well.

    Raises:
        InputError: as `read_rows`, `check_export_file` and `write_rows` say.
    """
    check_export_file(output, source)
    temporary = output.with_name(output.name + ".tmp")
    try:
        with temporary.open("wb") as stream:
            exported = write_rows(
                read_rows(source), trainer, stream, allow_empty_prompts=allow_empty_prompts
            )
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    return exported


def write_rows(
    rows: Iterable[TrainRow],
    trainer: Trainer,
    stream: BinaryIO,
    *,
    allow_empty_prompts: bool = False,
) -> Exported:
    """Write rows to a stream, one line each, in UTF-8; one row is held at a time.

    Args:
        rows: what is to be trained on.
        trainer: who is to read it.
        stream: an open file, or standard output.
        allow_empty_prompts: write rows without a prompt as well.

    Raises:
        InputError: no row has a prompt, and that is not allowed.
    """
    n_rows = n_empty_prompts = 0
    write_row = TRAINERS[trainer].write_row
    for row in rows:
        if not row.prompt.strip():
            n_empty_prompts += 1
            if not allow_empty_prompts:
                continue
        line = json.dumps(write_row(row), ensure_ascii=False)
        stream.write(line.encode() + b"\n")
        n_rows += 1
    if n_empty_prompts and not n_rows:
        raise InputError(
            f"all {n_empty_prompts:,} prompts are empty: a model trained on them learns answers to "
            "no question; add the questions (asap prune --question-column), or pass "
            "--allow-empty-prompts"
        )
    return Exported(n_rows, n_empty_prompts)


def check_export_file(output: Path, source: str) -> None:
    """Refuse a file that rows cannot be written to.

    Raises:
        InputError: another suffix than `.jsonl`, no such folder, or the file that is to be read.
    """
    if output.suffix != _SUFFIX:
        raise InputError(f"--output {output} must end in {_SUFFIX}, or be - for standard output")
    if output.is_dir():
        raise InputError(f"--output {output} is a folder; name a file in it")
    if not output.parent.is_dir():
        raise InputError(f"there is no folder {output.parent} for --output; make it first")
    if output.exists() and os.path.exists(source) and output.samefile(source):
        raise InputError(f"--output {output} is the input itself; name another file")


def register_dataset(output: Path) -> bool:
    """Tell LLaMA-Factory of a file: write `dataset_info.json` beside it where there is none.

    One that is there is the user's and stays as it is.

    Returns:
        Whether LLaMA-Factory knows the file now; if not, `describe_dataset` says what to add.
    """
    info = output.with_name(_DATASET_INFO)
    entry = write_dataset_entry(output.name)
    if info.exists():
        try:
            known = json.loads(info.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(known, dict) and known.get(output.stem) == entry
    temporary = info.with_name(_DATASET_INFO + ".tmp")
    temporary.write_text(f"{{\n{describe_dataset(output)}\n}}\n", encoding="utf-8", newline="\n")
    os.replace(temporary, info)
    return True


def describe_dataset(output: Path) -> str:
    """The lines that LLaMA-Factory's `dataset_info.json` needs for a file."""
    entry = {output.stem: write_dataset_entry(output.name)}
    return json.dumps(entry, ensure_ascii=False, indent=2)[2:-2]
