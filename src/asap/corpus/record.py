"""One record as a source hands it over: its columns, or the named reason why it is no row. No
parsing of traces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from asap.trace import Excluded

ROW_REASONS: dict[str, str] = {
    "malformed_json": "the line is not JSON",
    "not_an_object": "the line is JSON, but not an object with columns",
    "not_utf8": "the text is not UTF-8",
    "lone_surrogate": "a text holds half a surrogate pair, which no UTF-8 file can hold",
    "line_too_long": "the line is longer than 64 MiB",
    "missing_column": "the row lacks a column that the layout needs",
    "null_value": "a column that the layout needs is null",
    "wrong_type": "a column holds another type than the layout needs",
    "no_assistant_turn": "no turn of the conversation is the assistant's",
    "several_turns": "the assistant spoke before: the user's turns alone are no question",
}
"""Every reason for which reading refuses a row, with its meaning; `trace.REASONS` has those of
parsing.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What stands at one place of a source."""

    where: str
    """File and line, for messages."""
    columns: Mapping[str, Any] | Excluded


class Source(Protocol):
    """A file or a data set that yields records in a fixed order."""

    @property
    def name(self) -> str:
        """Where it stands inside the input: a file's path from the folder that was named, or a Hub
        id.
        """
        ...

    @property
    def identity(self) -> tuple[str, ...]:
        """What changes when the content does: size and digest, or a revision."""
        ...

    @property
    def licence(self) -> str | None:
        """The licence its data card names."""
        ...

    def read(self, start: int = 0) -> Iterator[Record]:
        """Records from position `start` on, in constant memory."""
        ...

    def count(self) -> int:
        """The exact number of records; it may have to read the whole source."""
        ...

    def estimate(self) -> int | None:
        """About how many records there are, where that is cheap to know."""
        ...
