"""Opening run folders to look at: what kind each is, and what it is called here.

Folders are only read. Unfinished runs can be opened; what is finished in them is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError

from asap.errors import InputError, RunFolderError
from asap.place import refuse_remote

Kind = Literal["prune", "eval", "rank", "lab", "train"]

FORMAT_VERSION = 1
"""The layout of run folders that this version can show; another number is refused by name."""


class _Head(BaseModel):
    kind: str
    format_version: int
    status: str = "finished"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One opened run folder."""

    name: str
    """Unique among those opened together."""
    arm: str
    """What it is called in comparisons: evaluations of one given name are one arm with several
    training seeds.
    """
    path: Path
    kind: Kind
    status: str
    """`finished`, or what the report says otherwise."""
    report: Mapping[str, Any]
    """All of `report.json`."""


def open_run_folders(arguments: Iterable[str]) -> list[RunFolder]:
    """Open folders in the order given.

    Args:
        arguments: `PATH`, named by its folder, or `NAME=PATH`; a folder that is there under the
            whole argument goes first.

    Raises:
        InputError: an argument has an empty name or path.
        RunFolderError: a folder is no run, or one that this version cannot show.
    """
    folders: list[RunFolder] = []
    taken: set[str] = set()
    for argument in arguments:
        given, path = _split(argument)
        name = _make_unique(given or path.resolve().name, taken)
        taken.add(name)
        folders.append(_open(name, given or name, path))
    return folders


def _split(argument: str) -> tuple[str, Path]:
    name, sign, path = argument.partition("=")
    if not sign or Path(argument).exists():
        return "", Path(argument)
    if not name or not path:
        raise InputError(f"'{argument}' is neither a folder nor NAME=FOLDER")
    return name, Path(path)


def _make_unique(name: str, taken: set[str]) -> str:
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name} ({number})", number + 1
    return unique


def _open(name: str, arm: str, folder: Path) -> RunFolder:
    refuse_remote(folder)
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(f"{folder} is no run folder: it has no report.json") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from None
    try:
        head = _Head.model_validate(report)
    except ValidationError:
        raise RunFolderError(f"{path} is not a report of asap") from None
    if head.kind not in get_args(Kind):
        known = ", ".join(get_args(Kind))
        raise RunFolderError(f"{folder} is a run of kind '{head.kind}'; this asap shows {known}")
    if head.format_version != FORMAT_VERSION:
        raise RunFolderError(
            f"{folder} has format version {head.format_version}; this asap reads {FORMAT_VERSION}"
        )
    kind: Kind = head.kind  # type: ignore[assignment]
    return RunFolder(name, arm, folder, kind, head.status, report)
