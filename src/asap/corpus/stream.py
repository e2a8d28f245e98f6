"""Bytes and lines of a file that may be compressed; every fault of a file becomes one InputError.

The compression is read off the file's first bytes, not its name. Arrow's decompressors do the work
because they notice a file that was cut off (the zstandard package's stream reader ends silently
there, and rows would be lost).
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from asap.errors import InputError
from asap.place import find_etag, guard_store, is_remote, open_binary

MAX_RECORD_BYTES = 64 * 2**20
_COMPRESSION = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BUFFER_BYTES = 2**20
_WHOLE_DIGEST_BYTES = 64 * 2**20
_N_SAMPLES = 16


@contextmanager
def guard_reading(path: Path) -> Iterator[None]:
    """Turn what system and decoders say about a damaged or forbidden file into an InputError, what
    a store says into a StoreError.
    """
    import pyarrow as pa

    try:
        with guard_store(path):
            yield
    except (OSError, EOFError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {reason}; is the file complete?") from error


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[io.BufferedReader, BinaryIO]]:
    """The decompressed bytes, and the file below them (whose position tells how much is done)."""
    import pyarrow as pa

    with open_binary(path) as raw:
        magic = raw.read(4)
        raw.seek(0)
        compression = next(
            (name for start, name in _COMPRESSION.items() if magic.startswith(start)), None
        )
        if compression is None:
            yield io.BufferedReader(cast(io.RawIOBase, raw), _BUFFER_BYTES), raw
        else:
            with pa.CompressedInputStream(pa.PythonFile(raw, "r"), compression) as stream:
                yield io.BufferedReader(stream, _BUFFER_BYTES), raw


def check_text(path: Path) -> None:
    """Refuse a file that is no text.

    A JSONL file in which a few bytes went bad still has lines that begin as objects do; its bad
    lines are rows with a reason, not a reason to refuse the file.

    Raises:
        InputError: the file is binary or not UTF-8.
    """
    with guard_reading(path), open_bytes(path) as (stream, _):
        head = stream.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16; save it as UTF-8")
    has_objects = any(
        line.lstrip(b"\xef\xbb\xbf \t\r[").startswith(b"{") for line in head.split(b"\n")
    )
    if not has_objects and not _is_text(head):
        raise InputError(f"{path} is a binary file, not JSON; is its name right?")


def _is_text(head: bytes) -> bool:
    try:
        # Not final: the head may end within a character.
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False


def digest_file(path: Path) -> str:
    """A digest of the content: of all of it below 64 MB, else of 16 stretches from head to tail
    (and the size). Of a remote file, what its store says of the content, if it does: nothing is
    read for that, and the same content elsewhere has another digest.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    if is_remote(path) and (etag := find_etag(path)):
        digest.update(f" {etag}".encode())
        return digest.hexdigest()
    with guard_reading(path), open_binary(path) as raw:
        if size < _WHOLE_DIGEST_BYTES:
            for block in iter(lambda: raw.read(_BUFFER_BYTES), b""):
                digest.update(block)
        else:
            for sample in range(_N_SAMPLES):
                raw.seek((size - _BUFFER_BYTES) * sample // (_N_SAMPLES - 1))
                digest.update(raw.read(_BUFFER_BYTES))
    return digest.hexdigest()
