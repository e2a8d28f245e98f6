"""Parquet files and Arrow files (what `datasets.save_to_disk` writes): batch by batch, whole
batches skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asap.corpus.card import find_licence
from asap.corpus.record import Record
from asap.corpus.stream import digest_file, guard_reading
from asap.place import READ_AHEAD_BYTES, is_remote, open_binary
from asap.trace import Excluded

_BATCH_ROWS = 64
_FOOTER_READ_AHEAD_BYTES = 2**16


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file."""

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
        """Records from `start` on; row groups before are not touched."""
        with guard_reading(self.path), _open_parquet(self.path) as file:
            position = 0
            for group in range(file.num_row_groups):
                n_rows = file.metadata.row_group(group).num_rows
                if position + n_rows > start:
                    batches = file.iter_batches(_BATCH_ROWS, row_groups=[group])
                    yield from _read_batches(self.name, batches, position, start)
                position += n_rows

    def count(self) -> int:
        """From the file's metadata."""
        return self._n_rows

    def estimate(self) -> int | None:
        """From the file's metadata: exact."""
        return self._n_rows

    @cached_property
    def _n_rows(self) -> int:
        with guard_reading(self.path), _open_parquet(self.path, _FOOTER_READ_AHEAD_BYTES) as file:
            return int(file.metadata.num_rows)


@dataclass(frozen=True)
class ArrowFile:
    """An Arrow file in stream or file format, memory-mapped; a remote one is read through to count
    its rows.
    """

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
        """Records from `start` on; batches before are not converted."""
        with guard_reading(self.path):
            yield from _read_batches(self.name, self._batches(), 0, start)

    def count(self) -> int:
        """From the batches' headers."""
        return self._n_rows

    def estimate(self) -> int | None:
        """From the batches' headers: exact."""
        return self._n_rows

    @cached_property
    def _n_rows(self) -> int:
        with guard_reading(self.path):
            return sum(batch.num_rows for batch in self._batches())

    def _batches(self) -> Iterator[Any]:
        import pyarrow as pa

        with _open_arrow(self.path) as opened:
            if opened.read(6) == b"ARROW1":
                with pa.ipc.open_file(opened) as file:
                    yield from (file.get_batch(i) for i in range(file.num_record_batches))
            else:
                opened.seek(0)
                with pa.ipc.open_stream(opened) as stream:
                    yield from stream


@contextmanager
def _open_parquet(path: Path, read_ahead_bytes: int = READ_AHEAD_BYTES) -> Iterator[Any]:
    import pyarrow.parquet as pq

    if not is_remote(path):
        with pq.ParquetFile(path) as file:
            yield file
        return
    with open_binary(path, read_ahead_bytes) as raw, pq.ParquetFile(raw) as file:
        yield file


def _open_arrow(path: Path) -> Any:
    import pyarrow as pa

    return pa.PythonFile(open_binary(path), "r") if is_remote(path) else pa.memory_map(str(path))


def _read_batches(name: str, batches: Iterator[Any], position: int, start: int) -> Iterator[Record]:
    """Records of batches whose first row is the `position`-th of the file."""
    for batch in batches:
        first = max(0, start - position)
        for offset in range(first, batch.num_rows, _BATCH_ROWS):
            for i, row in enumerate(
                _convert(batch.slice(offset, _BATCH_ROWS)), position + offset + 1
            ):
                yield Record(f"{name}, record {i}", row)
        position += batch.num_rows


def _convert(batch: Any) -> list[dict[str, Any] | Excluded]:
    """The rows of a batch; a text that is not UTF-8 costs its own row only."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [Excluded("not_utf8")]
        return [row for i in range(batch.num_rows) for row in _convert(batch.slice(i, 1))]
