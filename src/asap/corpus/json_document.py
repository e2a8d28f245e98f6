"""One JSON document: an array of objects, or an object that holds one. Read element by element in
constant memory.

A document is checked to its end when it is opened: unlike a line, a broken document has no rows
that can be trusted. A `.json` file that holds JSON lines, as many do, is left to the JSON lines
reader (`is_document`).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from asap.corpus.card import find_licence
from asap.corpus.jsonl import check_object
from asap.corpus.record import Record
from asap.corpus.stream import MAX_RECORD_BYTES, digest_file, guard_reading, open_bytes
from asap.errors import InputError

_CHUNK_BYTES = 2**18
_DECODER = json.JSONDecoder()


def is_document(path: Path) -> bool:
    """Whether the file is one JSON document; if its first line is an object by itself and more
    follows, it is not.
    """
    with guard_reading(path), open_bytes(path) as (stream, _):
        lines = (
            line for line in iter(lambda: stream.readline(MAX_RECORD_BYTES), b"") if line.strip()
        )
        first = next(lines, b"").removeprefix(codecs.BOM_UTF8)
        if not first.lstrip().startswith(b"{") or next(lines, None) is None:
            return True
    try:
        return not isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return True


@dataclass(frozen=True)
class JsonFile:
    """A file with one JSON document."""

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
        """Records from `start` on."""
        with guard_reading(self.path), open_bytes(self.path) as (stream, _):
            cursor = _Cursor(self.path, stream)
            for position, (value, has_escapes) in enumerate(_read_elements(cursor)):
                if position >= start:
                    columns = check_object(value, may_have_surrogates=has_escapes)
                    yield Record(f"{self.name}, item {position + 1}", columns)

    def count(self) -> int:
        """The number of elements; reads the document to its end and so checks it."""
        return self._n_elements

    def estimate(self) -> int | None:
        """The number of elements."""
        return self._n_elements

    @cached_property
    def _n_elements(self) -> int:
        with guard_reading(self.path), open_bytes(self.path) as (stream, _):
            return sum(1 for _ in _read_elements(_Cursor(self.path, stream)))


class _Cursor:
    """A window on the text of a document. It grows until one value fits and forgets what lies
    behind.
    """

    def __init__(self, path: Path, stream: BufferedReader) -> None:
        self._path = path
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._position = 0
        self._n_before = 0
        self._is_complete = False

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._position < len(self._text):
                if self._text[self._position] not in " \t\r\n":
                    return self._text[self._position]
                self._position += 1
            if self._is_complete:
                return ""
            self._grow(_CHUNK_BYTES)

    def take(self, expected: str) -> str:
        """Step over the next character, which must be one of `expected`."""
        found = self.peek()
        if not found or found not in expected:
            self.fail(f"expected one of {' '.join(expected)}, found {found or 'the end'}")
        self._position += 1
        return found

    def value(self) -> tuple[Any, bool]:
        """The next value, and whether escapes stand in it."""
        self.peek()
        n_bytes = _CHUNK_BYTES
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._position)
            except RecursionError:
                self.fail("nested too deeply")
            except ValueError as error:
                if self._is_complete or len(self._text) > MAX_RECORD_BYTES:
                    self.fail(str(error).split(":")[0])
            else:
                # A number at the window's end may go on beyond it.
                if end < len(self._text) or self._is_complete:
                    has_escapes = self._text.find("\\u", self._position, end) >= 0
                    self._position = end
                    return value, has_escapes
            self._grow(n_bytes)
            n_bytes *= 2

    def fail(self, reason: str) -> NoReturn:
        """Refuse the document."""
        place = self._n_before + self._position + 1
        raise InputError(
            f"{self._path} is not valid JSON near character {place}: {reason}; "
            "one object per line is called .jsonl"
        )

    def _grow(self, n_bytes: int) -> None:
        chunk = self._stream.read(n_bytes)
        self._is_complete = not chunk
        self._n_before += self._position
        try:
            self._text = self._text[self._position :] + self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path} is not UTF-8 ({error.reason}); save it as UTF-8"
            ) from error
        self._position = 0


def _read_elements(cursor: _Cursor) -> Iterator[tuple[Any, bool]]:
    """Elements of the document's array, or of the one array of objects that its object holds."""
    if cursor.peek() == "[":
        yield from _read_array(cursor)
    elif cursor.peek() == "{":
        yield from _read_member(cursor)
    else:
        cursor.fail("it is neither an array of objects nor an object that holds one")
    if cursor.peek():
        cursor.fail("something follows the document")


def _read_array(cursor: _Cursor) -> Iterator[tuple[Any, bool]]:
    cursor.take("[")
    if cursor.peek() == "]":
        cursor.take("]")
        return
    while True:
        yield cursor.value()
        if cursor.take(",]") == "]":
            return


def _read_member(cursor: _Cursor) -> Iterator[tuple[Any, bool]]:
    taken: str | None = None
    cursor.take("{")
    while cursor.peek() != "}":
        key, _ = cursor.value()
        cursor.take(":")
        if cursor.peek() != "[":
            cursor.value()
        else:
            elements = _read_array(cursor)
            first = next(elements, None)
            if first is not None and isinstance(first[0], dict):
                if taken is not None:
                    cursor.fail(
                        f"it has two lists, '{taken}' and '{key}'; write one to its own file"
                    )
                taken = key
                yield first
                yield from elements
            # Lists of other things are no rows; stepping through them is how the cursor gets past.
            for _ in elements:
                pass
        if cursor.take(",}") == "}":
            break
    else:
        cursor.take("}")
    if taken is None:
        cursor.fail("the object holds no list of rows")
