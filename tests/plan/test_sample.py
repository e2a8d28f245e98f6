"""Which rows are looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asap.corpus import open_corpus
from asap.plan import draw_sample

Make = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.fixture
def text_file(tmp_path: Path, make_rows: Make, write_jsonl: Write) -> str:
    return str(write_jsonl(tmp_path / "in.jsonl", make_rows(120, n_steps=1)))


def test_a_small_input_is_looked_at_whole(text_file: str) -> None:
    sample = draw_sample(open_corpus([text_file]), n_sample=120)
    assert [row.row for row in sample.rows] == list(range(120))
    assert (sample.n_rows, sample.spread) == (120, "all rows")


def test_text_is_sampled_once_in_every_stretch_and_the_same_each_time(text_file: str) -> None:
    corpus = open_corpus([text_file])
    sample = draw_sample(corpus, n_sample=12)
    rows = [row.row for row in sample.rows]
    assert [row // 10 for row in rows] == list(range(12))
    assert rows == [row.row for row in draw_sample(corpus, n_sample=12).rows]
    assert rows != [row.row for row in draw_sample(corpus, n_sample=12, seed=1).rows]
    assert sample.spread == "spread over the input"


def test_a_limit_is_the_end_of_the_input(text_file: str) -> None:
    sample = draw_sample(open_corpus([text_file]), limit=30, n_sample=10)
    assert sample.n_rows == 30
    assert all(row.row // 3 == i for i, row in enumerate(sample.rows))


def test_a_parquet_file_is_entered_in_the_middle(tmp_path: Path, make_rows: Make) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_pylist(make_rows(400, n_steps=1)), path, row_group_size=50)
    sample = draw_sample(open_corpus([str(path)]), n_sample=32)
    rows = [row.row for row in sample.rows]
    assert len(rows) == 32
    # Four blocks of eight, one in each quarter.
    for block in range(4):
        mine = rows[8 * block : 8 * block + 8]
        assert mine == list(range(mine[0], mine[0] + 8))
        assert 100 * block <= mine[0] <= mine[-1] < 100 * (block + 1)


def test_of_a_long_text_file_the_head_is_taken(
    tmp_path: Path, make_rows: Make, write_jsonl: Write
) -> None:
    (row,) = make_rows(1, n_steps=1)
    corpus = open_corpus([str(write_jsonl(tmp_path / "long.jsonl", [row] * 5001))])
    sample = draw_sample(corpus, n_sample=5)
    assert [row.row for row in sample.rows] == [0, 1, 2, 3, 4]
    assert (sample.n_rows, sample.spread) == (5001, "head of the input")
