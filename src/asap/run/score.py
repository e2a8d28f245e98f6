"""Scores of all steps of a corpus into one file: no stage 1, no budget, no answer needed."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from asap.corpus import Corpus, Row
from asap.errors import InputError
from asap.surprisal import ScoreRequest, StepScorer
from asap.trace import Segmenter, Trace, segment_trace

BATCH_ROWS = 16
SCORES = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("reason", pa.string()),
        ("spans", pa.list_(pa.list_(pa.int32(), 2))),
        ("first_token_index", pa.list_(pa.int32())),
        ("first_token_id", pa.list_(pa.int32())),
        ("first_token", pa.list_(pa.string())),
        ("surprisal", pa.list_(pa.float64())),
    ]
)


def score_corpus(
    corpus: Corpus,
    output: Path,
    scorer: StepScorer,
    segmenter: Segmenter = "block",
    *,
    limit: int | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Counter[str]:
    """Score a corpus into a JSONL or Parquet file, whole or not at all.

    Args:
        corpus: the input, opened with `require` "nothing".
        output: a path that ends in `.jsonl` or `.parquet`.
        scorer: the model.
        segmenter: how the thinking is cut.
        limit: only the first rows.
        on_progress: called with the number of rows of each batch.

    Returns:
        Rows `scored`, and rows without scores by reason; those stand in the file too, with their
        reason.

    Raises:
        InputError: as `check_scores_file` says.
    """
    counts: Counter[str] = Counter()
    rows = itertools.islice(corpus.rows(), limit)
    with _open_writer(output) as write:
        while batch := list(itertools.islice(rows, BATCH_ROWS)):
            records = _score_batch(batch, scorer, segmenter)
            write(records)
            counts.update(record["reason"] or "scored" for record in records)
            on_progress(len(batch))
    return counts


def _score_batch(
    batch: list[Row], scorer: StepScorer, segmenter: Segmenter
) -> list[dict[str, Any]]:
    traces = {
        row.row: segment_trace(row.outcome, segmenter)
        for row in batch
        if isinstance(row.outcome, Trace)
    }
    requests = [ScoreRequest(t.question, t.thinking, t.steps) for t in traces.values()]
    scores = dict(zip(traces, scorer.score(requests) if requests else [], strict=True))
    records = []
    for row in batch:
        record: dict[str, Any] = {**dict.fromkeys(SCORES.names), "row": row.row, "id": row.id}
        if isinstance(row.outcome, Trace):
            step_scores = scores[row.row]
            record.update(
                spans=[[step.start, step.end] for step in traces[row.row].steps],
                first_token_index=step_scores.first_token_index,
                first_token_id=step_scores.first_token_id,
                first_token=step_scores.first_token,
                surprisal=step_scores.surprisal,
            )
        else:
            record["reason"] = row.outcome.reason
        records.append(record)
    return records


def check_scores_file(output: Path) -> None:
    """Refuse a file that scores cannot be written to.

    Raises:
        InputError: another suffix than `.jsonl` and `.parquet`, or no such folder.
    """
    if output.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"--output {output} must end in .jsonl or .parquet")
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output {output} is a folder, or stands in one that does not exist")


@contextmanager
def _open_writer(output: Path) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    check_scores_file(output)
    temporary = output.with_name(output.name + ".tmp")
    try:
        if output.suffix == ".parquet":
            with pq.ParquetWriter(temporary, SCORES, compression="zstd") as writer:
                yield lambda records: writer.write_table(pa.Table.from_pylist(records, SCORES))
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                yield lambda records: file.writelines(
                    json.dumps(record, ensure_ascii=False) + "\n" for record in records
                )
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
