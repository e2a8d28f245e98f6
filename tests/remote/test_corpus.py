"""Inputs on an S3 server: the same rows as from the disk, streamed."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import asap
from asap.errors import InputError
from asap.train import read_rows


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=4)
    return sink.getvalue()


def _arrow(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return sink.getvalue()


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "a.jsonl": _lines,
    "a.jsonl.gz": lambda rows: gzip.compress(_lines(rows)),
    "a.jsonl.zst": lambda rows: zstandard.compress(_lines(rows)),
    "a.json": lambda rows: json.dumps(rows).encode(),
    "a.parquet": _parquet,
    "a.arrow": _arrow,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_rows_it_gives_from_the_disk(
    store: Any, tmp_path: Path, make_rows: Callable[..., Any], name: str
) -> None:
    content = FORMATS[name](make_rows(11))
    (tmp_path / name).write_bytes(content)
    local = asap.open_corpus([str(tmp_path / name)])
    remote = asap.open_corpus([store.put(f"in/{name}", content)])
    assert list(remote.rows()) == list(local.rows())
    assert [row.row for row in remote.rows(6)] == [6, 7, 8, 9, 10]
    assert remote.n_rows_hint == 11
    assert remote.files == (name,)
    assert remote.licence is None


def test_folders_globs_and_cards(store: Any, make_rows: Callable[..., Any]) -> None:
    rows = make_rows(6)
    for i, row in enumerate(rows):
        store.put(f"set/data/train-{i}.parquet", _parquet([row]))
    store.put("set/README.md", b"---\nlicense: mit\n---\n")
    store.put("set/data/", b"")
    corpora = [
        asap.open_corpus([text])
        for text in ("s3://bucket/set", "s3://bucket/set/data/*-?.parquet", "s3://bucket/s*/data/")
    ]
    store.requests.clear()
    corpora.append(asap.open_corpus(["s3://bucket/set/**/*.parquet"]))
    assert len(store.requests) < 6 * 3
    for corpus in corpora:
        assert [row.id for row in corpus.rows()] == [row["id"] for row in rows]
    assert corpora[0].files == tuple(f"data/train-{i}.parquet" for i in range(6))
    assert corpora[1].files == tuple(f"train-{i}.parquet" for i in range(6))
    store.requests.clear()
    assert corpora[0].licence == "mit"
    assert len(store.requests) < 8  # once for all files
    with pytest.raises(InputError, match="no data file matches"):
        asap.open_corpus(["s3://bucket/set/*.jsonl"])
    with pytest.raises(InputError, match=r"s3://bucket/none.jsonl does not exist"):
        asap.open_corpus(["s3://bucket/none.jsonl"])
    with pytest.raises(InputError, match="is empty"):
        asap.open_corpus([store.put("empty.jsonl", b"")])


def test_lines_are_streamed_and_row_groups_are_skipped(
    store: Any, make_rows: Callable[..., Any]
) -> None:
    rows = make_rows(8)
    for row in rows:
        row["noise"] = row["id"] * 2**19  # two megabytes each
    lines = store.put("a.jsonl", _lines(rows))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=1, compression="none")
    groups = store.put("a.parquet", sink.getvalue())
    n_all = len(sink.getvalue())
    assert n_all > 12e6
    for path in (lines, groups):
        corpus = asap.open_corpus([path])
        store.n_bytes_sent = 0
        assert next(iter(corpus.rows())).row == 0
        assert store.n_bytes_sent < n_all * 0.6
    store.n_bytes_sent = 0
    assert [row.row for row in corpus.rows(7)] == [7]
    assert store.n_bytes_sent < n_all * 0.6


def test_rows_to_train_on_are_read_from_a_run_in_a_store(
    store: Any, prune: Callable[..., Any], source: Path, tmp_path: Path
) -> None:
    prune(source, "s3://bucket/run")
    prune(source, tmp_path / "run")
    assert list(read_rows("s3://bucket/run")) == list(read_rows(str(tmp_path / "run")))
    store.put("begun/report.json", b"{}")
    with pytest.raises(InputError, match="a folder without completions"):
        list(read_rows("s3://bucket/begun"))
    with pytest.raises(InputError, match="does not exist"):
        list(read_rows("s3://bucket/nothing"))
