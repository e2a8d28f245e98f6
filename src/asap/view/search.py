"""Text search, a slice of time at once: shards are read in order, and what has been found when the
time is up is the answer, with a cursor to go on from.

There is no text index: a run is written once and looked at a few times.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from asap.view.index import TraceIndex
from asap.view.visible import show_controls

SLICE_S = 0.5
"""How long one call searches."""
MOST_CHARACTERS = 500
"""The longest text that can be searched for."""
_FIELDS = ("question", "thinking", "answer")
_BEFORE, _AFTER = 60, 120
"""Characters shown around a hit."""
_N_THREADS = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """The first place where a field of a trace has the text."""

    row: int
    id: str
    where: str
    before: str
    match: str
    after: str

    def to_json(self) -> dict[str, Any]:
        """The hit, safe to show."""
        texts = ("id", "before", "match", "after")
        shown = {name: show_controls(getattr(self, name)) for name in texts}
        return {"row": self.row, "where": self.where, **shown}


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of one call, in order of rows."""

    hits: tuple[Hit, ...]
    n_searched: int
    """Traces from the beginning of the run, those of earlier calls among them: where to go on."""
    is_done: bool


def search_traces(
    index: TraceIndex, text: str, start: int, limit: int, slice_s: float = SLICE_S
) -> Found:
    """Find traces whose question, thinking or answer has a text, upper and lower case alike.

    Args:
        index: the run's traces.
        text: what to find, as it is: no pattern.
        start: how many traces to pass over, `n_searched` of the call before.
        limit: hits after which the call ends, at the end of a trace: one has up to three.
        slice_s: seconds after which it ends, at the end of a shard.
    """
    end = time.monotonic() + slice_s
    pattern = re.compile(re.escape(text), re.IGNORECASE)
    hits: list[Hit] = []
    n_searched = start
    for first, records in _read_matching(index, text, start):
        n_searched = first[1]
        for position, record in records:
            hits += _find_hits(record, pattern)
            if len(hits) >= limit:
                n_searched = first[0] + position + 1
                return Found(tuple(hits), n_searched, n_searched == len(index))
        if time.monotonic() >= end:
            break
    return Found(tuple(hits), n_searched, n_searched >= len(index))


_Records = list[tuple[int, dict[str, Any]]]


def _read_matching(
    index: TraceIndex, text: str, start: int
) -> Iterator[tuple[tuple[int, int], _Records]]:
    """Per shard: the positions of its first and behind its last trace in the run, and those of its
    traces from `start` on that have the text. The next shards are read meanwhile.
    """
    shards = [
        (n, max(0, start - index.offsets[n]))
        for n in range(len(index.shards))
        if index.offsets[n + 1] > start
    ]
    waiting: deque[tuple[int, Future[_Records]]] = deque()
    pool = ThreadPoolExecutor(_N_THREADS)
    try:
        for n, skip in shards:
            waiting.append((n, pool.submit(_match_shard, index.shards[n], text, skip)))
            if len(waiting) > _N_THREADS:
                n_first, future = waiting.popleft()
                yield (index.offsets[n_first], index.offsets[n_first + 1]), future.result()
        for n_first, future in waiting:
            yield (index.offsets[n_first], index.offsets[n_first + 1]), future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _match_shard(path: Path, text: str, skip: int) -> _Records:
    with pq.ParquetFile(path) as file:
        table = file.read(["row", "id", *_FIELDS], use_threads=False).slice(skip)
    has_text = pa.array([False] * table.num_rows)
    for name in _FIELDS:
        matches = pc.match_substring(table[name], text, ignore_case=True)
        has_text = pc.or_(has_text, pc.fill_null(matches, False))
    positions = pc.indices_nonzero(has_text)
    records = table.take(positions).to_pylist()
    return [(skip + n, record) for n, record in zip(positions.to_pylist(), records, strict=True)]


def _find_hits(record: dict[str, Any], pattern: re.Pattern[str]) -> Iterator[Hit]:
    for name in _FIELDS:
        text = record[name] or ""
        found = pattern.search(text)
        if found is not None:
            start, end = found.span()
            before = text[max(0, start - _BEFORE) : start]
            yield Hit(record["row"], record["id"], name, before, found[0], text[end : end + _AFTER])
