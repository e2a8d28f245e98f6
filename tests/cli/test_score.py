"""`asap score`: every step of every trace, no answer needed, JSONL or Parquet by suffix."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asap import open_corpus
from asap.errors import InputError
from asap.run import score_corpus
from asap.surprisal import FakeScorer
from asap.trace import segment_thinking

Asap = Callable[..., subprocess.CompletedProcess[str]]
FIELDS = ["row", "id", "spans", "first_token_index", "first_token_id", "first_token", "surprisal"]


@pytest.fixture
def unanswered(
    tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> Path:
    """20 rows without answers, of which row 4 is malformed and row 7 has no thinking."""
    rows: list[Any] = []
    for row in make_rows(18):
        thinking = row["generation"].partition("<think>\n")[2].partition("\n</think>")[0]
        rows.append({"id": row["id"], "prompt": row["prompt"], "reasoning": thinking})
    rows.insert(4, "{")
    rows.insert(7, {"id": "none", "prompt": "Q", "reasoning": "  "})
    return write_jsonl(tmp_path / "in.jsonl", rows)


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
        return rows
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("segment", ["block", "paragraph"])
def test_every_step_is_scored(unanswered: Path, tmp_path: Path, segment: Any) -> None:
    corpus = open_corpus([str(unanswered)], None, "nothing")
    counts = score_corpus(corpus, tmp_path / "out.jsonl", FakeScorer(), segment)
    assert counts["scored"] == 18
    assert counts.total() == 20
    records = read(tmp_path / "out.jsonl")
    assert [record["row"] for record in records] == list(range(20))
    assert set(FIELDS) <= set(records[0])
    for row in corpus.rows():
        record = records[row.row]
        if row.row in (4, 7):
            assert record["reason"]
            assert record["spans"] is None
            continue
        thinking = row.columns["reasoning"]
        steps = segment_thinking(thinking, segment)
        assert record["reason"] is None
        assert record["spans"] == [[step.start, step.end] for step in steps]
        texts = [thinking[start:end] for start, end in record["spans"]]
        for text, token in zip(texts, record["first_token"], strict=True):
            assert text.lstrip().startswith(token.strip())
        assert all(len(record[name]) == len(steps) for name in FIELDS[2:])
        indices = record["first_token_index"]
        assert indices == sorted(set(indices))


def test_jsonl_and_parquet_say_the_same(unanswered: Path, tmp_path: Path) -> None:
    corpus = open_corpus([str(unanswered)], None, "nothing")
    for name in ("out.jsonl", "out.parquet"):
        score_corpus(corpus, tmp_path / name, FakeScorer())
    assert read(tmp_path / "out.jsonl") == read(tmp_path / "out.parquet")


def test_nothing_is_left_of_a_score_that_failed(unanswered: Path, tmp_path: Path) -> None:
    def fail(text: str) -> float:
        raise KeyboardInterrupt

    corpus = open_corpus([str(unanswered)], None, "nothing")
    for name in ("out.jsonl", "out.parquet"):
        with pytest.raises(KeyboardInterrupt):
            score_corpus(corpus, tmp_path / name, FakeScorer(fail))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_limit(unanswered: Path, tmp_path: Path) -> None:
    corpus = open_corpus([str(unanswered)], None, "nothing")
    score_corpus(corpus, tmp_path / "out.jsonl", FakeScorer(), limit=5)
    assert len(read(tmp_path / "out.jsonl")) == 5


@pytest.mark.parametrize("name", ["out.csv", "out", "no/such/out.jsonl"])
def test_a_file_that_cannot_be_written_is_refused(
    unanswered: Path, tmp_path: Path, name: str
) -> None:
    corpus = open_corpus([str(unanswered)], None, "nothing")
    with pytest.raises(InputError, match="--output"):
        score_corpus(corpus, tmp_path / name, FakeScorer())


def test_the_command(asap: Asap, unanswered: Path, tiny_model: Path, tmp_path: Path) -> None:
    done = asap("score", unanswered, "-o", "out.parquet", "--scorer", tiny_model)
    assert done.returncode == 0, done.stderr
    assert "20 rows, 18 scored" in done.stdout
    assert done.stdout.count("without scores: 1 × ") == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("input: Layout ")
    scored = [record for record in read(tmp_path / "out.parquet") if record["reason"] is None]
    assert all(value >= 0 for record in scored for value in record["surprisal"])


def test_the_command_with_a_server(
    asap: Asap,
    unanswered: Path,
    tiny_model: Path,
    tmp_path: Path,
    fault_server: Any,
    scoring_server: Callable[..., Any],
) -> None:
    scoring_server(tiny_model)
    common = ("score", unanswered, "--scorer", tiny_model, "--limit", "3", "--dtype", "fp32")
    for name, flags in (("local", ()), ("served", ("--scorer-url", fault_server.url))):
        done = asap(*common, "-o", f"{name}.jsonl", *flags)
        assert done.returncode == 0, done.stderr
    local, served = read(tmp_path / "local.jsonl"), read(tmp_path / "served.jsonl")
    for ours, theirs in zip(local, served, strict=True):
        assert theirs["first_token_id"] == ours["first_token_id"]
        assert theirs["surprisal"] == pytest.approx(ours["surprisal"], abs=1e-3)
    fault_server.models = None
    fault_server.script(lambda body, n_times: fault_server.status(400, message="no such thing"))
    done = asap(*common, "-o", "no.jsonl", "--scorer-url", fault_server.url, "--scorer-model", "m")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asap: ")]
    assert "gives no log-probabilities of a prompt's tokens" in line
    assert not (tmp_path / "no.jsonl").exists()


def test_a_wrong_suffix_is_refused_before_a_model_is_loaded(
    asap: Asap, unanswered: Path, tmp_path: Path
) -> None:
    done = asap("score", unanswered, "-o", "out.csv", "--scorer", "./no-such-model")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line == "asap: --output out.csv must end in .jsonl or .parquet"
