"""A benchmark's files, local or from the Hub, and their rows: Parquet, or JSON lines (plain, gzip,
zstd).

No loading script is ever run. What was read goes into the result: name, sha256, Hub revision.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from asap.bench.benchmark import Benchmark, Row
from asap.corpus import guard_reading, open_bytes
from asap.errors import InputError, MissingExtraError

_PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a benchmark, as it goes into a result."""

    name: str
    """Its name in the repository, or the name of the local file."""
    sha256: str
    """Of the file as it is on disk."""
    revision: str | None
    """The Hub's commit; None for a local file."""
    path: Path
    """Where it is on this machine; no part of a result."""


def find_files(
    benchmark: Benchmark, part: str | None, path: Path | None, revision: str | None
) -> tuple[DataFile, ...]:
    """The files that hold a benchmark or a part of it, in order.

    Args:
        benchmark: which.
        part: a shard like `v4`, a range of shards like `v4_v5`, or None for all of them.
        path: a local file, or a folder that holds the shards under their names on the Hub; None:
            the Hub.
        revision: branch, tag or commit on the Hub; None: its main branch, as it is now.

    Raises:
        InputError: there is no such part or file, or the Hub cannot be reached.
        MissingExtraError: the Hub's library is not installed.
    """
    patterns = _find_patterns(benchmark, part)
    if path is None:
        return _download(benchmark, patterns, revision)
    if not path.exists():
        raise InputError(f"{path} does not exist; it is to hold {benchmark.name}")
    if path.is_file():
        if len(patterns) > 1:
            raise InputError(
                f"{benchmark.name} is {len(patterns)} files here; name the folder that holds "
                f"{', '.join(patterns)}, or one shard like {benchmark.name}:v1"
            )
        return (DataFile(path.name, _digest(path), None, path),)
    names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    found = [path / _match(names, pattern, str(path)) for pattern in patterns]
    return tuple(DataFile(file.name, _digest(file), None, file) for file in found)


def _find_patterns(benchmark: Benchmark, part: str | None) -> list[str]:
    """Of the shards that a part is made of."""
    if part is None or benchmark.part_column is not None:
        return list(benchmark.files.values())
    shards = list(benchmark.files)
    if len(shards) == 1:
        raise InputError(f"{benchmark.name} has no parts; write it without ':{part}'")
    first, is_range, last = part.partition("_")
    last = last if is_range else first
    if first not in shards or last not in shards or shards.index(first) > shards.index(last):
        raise InputError(
            f"{benchmark.name} has no part '{part}'; its shards are {', '.join(shards)}, and "
            f"{shards[0]}_{shards[-1]} names a range of them"
        )
    chosen = shards[shards.index(first) : shards.index(last) + 1]
    return [benchmark.files[shard] for shard in chosen]


def _match(names: Sequence[str], pattern: str, place: str) -> str:
    """The one file that a pattern means, compressed or not."""
    matches = [n for n in names if fnmatch(n, pattern) or fnmatch(n, f"{pattern}.gz")]
    if len(matches) != 1:
        held = ", ".join(matches or names[:8]) or "nothing"
        raise InputError(f"{place} must hold one file {pattern}; it holds {held}")
    return matches[0]


def _download(
    benchmark: Benchmark, patterns: Sequence[str], revision: str | None
) -> tuple[DataFile, ...]:
    """From the Hub, through its cache; the revision is pinned to a commit first."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingExtraError(f"{benchmark.name} from the Hub", "hub") from error
    # Its bases are OSError and the root of the HTTP library's tree, whichever library that is.
    transport_errors: tuple[Any, ...] = HfHubHTTPError.__bases__
    try:
        repository = benchmark.repository
        info = huggingface_hub.HfApi().dataset_info(repository, revision=revision)
        commit = str(info.sha)
        names = [file.rfilename for file in info.siblings or []]
        files = []
        for pattern in patterns:
            name = _match(names, pattern, f"{repository}@{commit[:8]} on the Hub")
            path = Path(
                huggingface_hub.hf_hub_download(
                    repository, name, repo_type="dataset", revision=commit
                )
            )
            files.append(DataFile(name, _digest(path), commit, path))
    except (OSError, ValueError, *transport_errors) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{benchmark.name} cannot be read from the Hub ({reason}); name a local file: "
            f"--data {benchmark.name}=FILE"
        ) from error
    return tuple(files)


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file, each with the place where it stands; one row is held at a time.

    Raises:
        InputError: the file is damaged, or a line is no JSON object.
    """
    with guard_reading(path):
        with open(path, "rb") as stream:
            is_parquet = stream.read(4) == _PARQUET
        yield from _read_parquet(path) if is_parquet else _read_lines(path)


def _read_lines(path: Path) -> Iterator[tuple[str, Row]]:
    with open_bytes(path) as (stream, _):
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row: Any = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {number} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number} is no JSON object")
            yield f"{path}, line {number}", row


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=16):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row


def _digest(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
