"""Every format gives the same rows, from any row on, in constant memory."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asap.corpus import open_corpus
from asap.trace import Trace

ROWS = [
    {
        "id": f"r{i}",
        "prompt": f"What is {i} + 1?",
        "generation": f"<think>\n{i} é\n</think>\n{i + 1}",
    }
    for i in range(7)
]


def as_lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_zst_frames(path: Path, rows: list[dict]) -> None:
    frames = [zstandard.compress(as_lines(rows[:3])), zstandard.compress(as_lines(rows[3:]))]
    path.write_bytes(b"".join(frames))


def write_arrow_file(path: Path, rows: list[dict]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_arrow_stream(path: Path, rows: list[dict]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


WRITERS: dict[str, Callable[[Path, list[dict]], object]] = {
    "a.jsonl": lambda path, rows: path.write_bytes(as_lines(rows)),
    "a.ndjson": lambda path, rows: path.write_bytes(as_lines(rows)),
    "crlf.jsonl": lambda path, rows: path.write_bytes(as_lines(rows).replace(b"\n", b"\r\n")),
    "bom.jsonl": lambda path, rows: path.write_bytes(b"\xef\xbb\xbf" + as_lines(rows)),
    "blank.jsonl": lambda path, rows: path.write_bytes(
        as_lines(rows).replace(b"\n", b"\n \n") + b"\n\n"
    ),
    "no_final_break.jsonl": lambda path, rows: path.write_bytes(as_lines(rows).rstrip(b"\n")),
    "a.jsonl.gz": lambda path, rows: path.write_bytes(gzip.compress(as_lines(rows))),
    "misnamed.jsonl": lambda path, rows: path.write_bytes(gzip.compress(as_lines(rows))),
    "plain.jsonl.gz": lambda path, rows: path.write_bytes(as_lines(rows)),
    "a.jsonl.zst": lambda path, rows: path.write_bytes(zstandard.compress(as_lines(rows))),
    "frames.jsonl.zst": write_zst_frames,
    "lines.json": lambda path, rows: path.write_bytes(as_lines(rows)),
    "array.json": lambda path, rows: path.write_text(json.dumps(rows), "utf-8"),
    "one_per_line.json": lambda path, rows: path.write_text(
        "[" + ",\n".join(map(json.dumps, rows)) + "]", "utf-8"
    ),
    "pretty.json": lambda path, rows: path.write_text(json.dumps(rows, indent=4), "utf-8-sig"),
    "member.json": lambda path, rows: path.write_text(
        json.dumps({"version": 1.5, "tags": ["x"], "none": [], "data": rows, "end": None}), "utf-8"
    ),
    "array.json.gz": lambda path, rows: path.write_bytes(gzip.compress(json.dumps(rows).encode())),
    "a.parquet": lambda path, rows: pq.write_table(
        pa.Table.from_pylist(rows), path, row_group_size=2
    ),
    "file.arrow": write_arrow_file,
    "stream.arrow": write_arrow_stream,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    WRITERS[name](tmp_path / name, ROWS)
    corpus = open_corpus([str(tmp_path / name)])
    rows = list(corpus.rows())
    assert [row.outcome for row in rows] == [
        Trace(i, f"r{i}", f"What is {i} + 1?", f"{i} é", str(i + 1)) for i in range(7)
    ]
    assert [row.columns for row in rows] == ROWS
    assert corpus.n_rows_hint == 7
    assert corpus.files == (name,)


@pytest.mark.parametrize("name", WRITERS)
def test_rows_from_any_row_on_are_the_rest(tmp_path, name):
    WRITERS[name](tmp_path / name, ROWS)
    corpus = open_corpus([str(tmp_path / name)])
    rows = list(corpus.rows())
    for start in (0, 1, 2, 3, 6, 7, 9):
        assert list(corpus.rows(start)) == rows[start:]


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), start=st.integers(0, 20))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_start_counts_across_files_of_all_formats(tmp_path_factory, sizes, start):
    folder = tmp_path_factory.mktemp("mixed")
    suffixes = ["array.json", "a.jsonl.gz", "a.parquet", "stream.arrow"]
    n_rows = 0
    for i, n in enumerate(sizes):
        rows = [{"id": f"r{n_rows + k}", "generation": "<think>t</think>a"} for k in range(n)]
        WRITERS[suffixes[i]](folder / f"{i}-{suffixes[i]}", rows)
        n_rows += n
    corpus = open_corpus([str(folder)])
    assert [(row.row, row.id) for row in corpus.rows(start)] == [
        (i, f"r{i}") for i in range(start, n_rows)
    ]


def test_a_long_text_across_the_reader_s_windows_stays_whole(tmp_path):
    thinking = '\\ " \u2028 é '.join(str(i) for i in range(150_000))
    rows = [{"reasoning": thinking, "answer": 10**6 + i} for i in range(2)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    outcomes = [row.outcome for row in open_corpus([str(tmp_path / "a.json")]).rows()]
    assert [(o.thinking == thinking, o.answer) for o in outcomes] == [
        (True, "1000000"),
        (True, "1000001"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_memory_does_not_grow_with_rows(tmp_path, name):
    row = {"generation": "<think>" + "word " * 1000 + "</think>a"}

    def write(path: Path, n_rows: int) -> None:
        stream = io.BytesIO()
        if name == "a.json":
            stream.write(b"[" + b",".join([json.dumps(row).encode()] * n_rows) + b"]")
        else:
            stream.write(as_lines([row]) * n_rows)
        if name == "a.parquet":
            pq.write_table(pa.Table.from_pylist([row] * n_rows), path, row_group_size=500)
        elif name.endswith(".gz"):
            path.write_bytes(gzip.compress(stream.getvalue(), 1))
        else:
            path.write_bytes(stream.getvalue())

    def peak_bytes(n_rows: int) -> int:
        write(tmp_path / name, n_rows)
        corpus = open_corpus([str(tmp_path / name)])
        tracemalloc.start()
        n_read = sum(1 for _ in corpus.rows())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_read == n_rows
        return peak

    few, many = peak_bytes(500), peak_bytes(4000)
    assert many < few + 2**20  # 4,000 rows are 20 MB of text
