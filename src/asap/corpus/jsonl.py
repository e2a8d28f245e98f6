"""JSON lines: one object per line, plain or compressed. A bad line is a record with a reason, never
an error.

Blank lines are no rows. It also parses single JSON texts for the `.json` reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from asap.corpus.card import find_licence
from asap.corpus.record import Record
from asap.corpus.stream import MAX_RECORD_BYTES, digest_file, guard_reading, open_bytes
from asap.place import is_remote
from asap.trace import Excluded

_BOM = b"\xef\xbb\xbf"
_ESTIMATE_BYTES = 64 * 2**20
_REMOTE_ESTIMATE_BYTES = 2**20


@dataclass(frozen=True)
class JsonlFile:
    """A file of JSON lines."""

    path: Path
    name: str

    @property
    def identity(self) -> tuple[str, ...]:
        """Digest of the content."""
        return (digest_file(self.path),)

    @property
    def licence(self) -> str | None:
        """The licence of the card beside the file."""
        return find_licence(self.path.parent)

    def read(self, start: int = 0) -> Iterator[Record]:
        """Records from `start` on; the lines before are read, not parsed."""
        with guard_reading(self.path), open_bytes(self.path) as (stream, _):
            for position, (number, line) in enumerate(_read_lines(stream)):
                if position >= start:
                    yield Record(f"{self.name}, line {number}", parse_line(line))

    def count(self) -> int:
        """The number of lines that are not blank."""
        with guard_reading(self.path), open_bytes(self.path) as (stream, _):
            return sum(1 for _ in _read_lines(stream))

    def estimate(self) -> int | None:
        """Exact up to 64 MB on disk, beyond by the lines in the first 64 MB; of a remote file by
        those in the first megabyte.
        """
        size = self.path.stat().st_size
        limit = _REMOTE_ESTIMATE_BYTES if is_remote(self.path) else _ESTIMATE_BYTES
        n_lines = 0
        with guard_reading(self.path), open_bytes(self.path) as (stream, raw):
            for n_lines, _ in enumerate(_read_lines(stream), 1):
                if raw.tell() > limit:
                    return int(n_lines * size / raw.tell())
        return n_lines


def _read_lines(stream: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of the lines that are not blank; of an endless line no more than the limit
    is ever held.
    """
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > MAX_RECORD_BYTES:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(MAX_RECORD_BYTES)
        if not line.isspace() and line:
            yield number, line


def parse_line(line: bytes) -> Mapping[str, Any] | Excluded:
    """The object on one line, or why there is none."""
    if len(line) > MAX_RECORD_BYTES:
        return Excluded("line_too_long")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Excluded("not_utf8", f"byte {error.start + 1} of the line")
    try:
        value = json.loads(text)
    except RecursionError:
        return Excluded("malformed_json", "nested too deeply")
    except ValueError as error:
        return Excluded("malformed_json", str(error))
    return check_object(value, may_have_surrogates="\\u" in text)


def check_object(value: Any, *, may_have_surrogates: bool) -> Mapping[str, Any] | Excluded:
    """The value, if it is an object whose texts can be written as UTF-8."""
    if not isinstance(value, dict):
        return Excluded("not_an_object", f"it is {type(value).__name__}")
    if may_have_surrogates:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            return Excluded("lone_surrogate")
    return value
