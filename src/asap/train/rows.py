"""Rows to train on, as any trainer knows them: a prompt and a completion, read from a run folder or
from any data set with those two columns. What a row's text means is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asap.corpus import Columns, Corpus, open_corpus
from asap.errors import InputError
from asap.place import find_kind, find_place, list_folder


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One row to train on."""

    row: int
    """The row of the run's input; in a data set that is no run folder, the position in it."""
    id: str
    variant: str
    """Which of several rows that a method makes of one trace; empty where it makes one."""
    prompt: str
    completion: str

    @property
    def key(self) -> tuple[int, str]:
        """What names the row within a run: its input row and its variant."""
        return self.row, self.variant


def read_rows(source: str) -> Iterator[TrainRow]:
    """The rows of a run folder, or of any data set with text in `prompt` and `completion`.

    Args:
        source: a run folder, a file, a folder of files (each a path or a URL), a data set saved to
            disk, or a Hub id.

    Raises:
        InputError: there is no such data, a row has no completion, or a text is no text.
    """
    for row in _open(source).rows():
        columns = row.columns
        yield TrainRow(
            row=_read_number(columns, row.row),
            id=row.id,
            variant=str(columns.get("variant") or ""),
            prompt=_read_text(columns, "prompt", source, row.row),
            completion=_read_text(columns, "completion", source, row.row),
        )


def fingerprint_rows(source: str) -> str:
    """A digest of what `read_rows` reads.

    Raises:
        InputError: there is no such data.
    """
    return _open(source).fingerprint


def _open(source: str) -> Corpus:
    columns = Columns(question="prompt", response="completion")
    try:
        return open_corpus([source], columns, require="nothing")
    except InputError as error:
        place = find_place(source)
        if find_kind(place / "report.json") and not list_folder(place / "data"):
            raise InputError(
                f"{source} is a folder without completions: name one that asap prune finished"
            ) from None
        if find_kind(place) is None:
            raise
        raise InputError(
            f"{source} has no rows with 'prompt' and 'completion': name a run folder of asap "
            f"prune, or run asap prune on these traces first ({error})"
        ) from None


def _read_number(columns: Mapping[str, Any], position: int) -> int:
    value = columns.get("row")
    return value if isinstance(value, int) and not isinstance(value, bool) else position


def _read_text(columns: Mapping[str, Any], name: str, source: str, position: int) -> str:
    value = columns.get(name)
    if name == "completion" and not value:
        raise InputError(
            f"{source}: row {position} has no completion; name a run folder of asap prune, or "
            "rows with text in 'prompt' and 'completion'"
        )
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(
            f"{source}: '{name}' of row {position} is no text but {type(value).__name__}; "
            "asap prune makes prompt and completion of conversations"
        )
    return value
