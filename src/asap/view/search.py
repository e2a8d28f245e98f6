"""Text search, a slice of time at once: shards are read in order, and what has been found when the
time is up is the answer, with a cursor to go on from.

There is no text index: a run is written once and looked at a few times. DuckDB says which traces of
some shards have the text; where in them it stands is looked up in the few that are shown.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from pydantic import Field

from asap.errors import RunFolderError
from asap.view.index import TraceIndex
from asap.view.letter_case import fold_case
from asap.view.listing import TraceFilter, write_where
from asap.view.visible import show_controls

SLICE_S = 0.5
"""How long one call searches."""
MOST_CHARACTERS = 500
"""The longest text that can be searched for."""
_FIELDS = ("question", "thinking", "answer")
_BEFORE, _AFTER = 60, 120
"""Characters shown around a hit."""
_MOST_SHARDS = 64
"""Read by one query. The first of a call reads one: frequent words are found at once."""
_MATCHING = f"""
SELECT parse_filename(filename, true)::INTEGER AS shard, list(file_row_number)
FROM read_parquet(?, filename = true, file_row_number = true)
WHERE {" OR ".join(f"regexp_matches({name}, ?, 'il')" for name in _FIELDS)}
GROUP BY shard
"""
"""RE2 with a literal pattern (`l`), cases alike (`i`): it folds them as `fold_case` does."""


class SearchQuery(TraceFilter):
    """What to find, and in which traces."""

    q: str = ""
    """The text as it is: no pattern."""
    cursor: str = Field(default="", pattern=r"^\d{0,18}$")
    """Of the answer before; empty to begin."""
    limit: int = Field(default=20, ge=1, le=100)
    """Hits after which to come back, at the end of a trace: one has up to three."""


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
    """Of the traces that pass the filters, those of earlier calls among them: where to go on."""
    n_rows: int
    """Traces that pass the filters."""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to search."""
        return self.n_searched >= self.n_rows


@dataclass(frozen=True, slots=True)
class _Scope:
    """The traces to search, by shard."""

    shards: tuple[int, ...]
    """Their places in the index."""
    positions: tuple[Sequence[int], ...]
    """Of each shard, ascending: where in it the traces are."""
    offsets: tuple[int, ...]
    """Traces before each shard; the last is the number of all."""


def search_traces(
    index: TraceIndex,
    text: str,
    start: int,
    limit: int,
    *,
    wanted: TraceFilter | None = None,
    slice_s: float = SLICE_S,
) -> Found:
    """Find traces whose question, thinking or answer has a text, upper and lower case alike, as
    `fold_case` means it.

    Args:
        index: the run's traces.
        text: what to find, as it is: no pattern.
        start: how many traces to pass over, `n_searched` of the call before.
        limit: hits after which the call ends, at the end of a trace: one has up to three.
        wanted: which traces to search; all by default.
        slice_s: seconds after which it ends, at the end of a query.

    Raises:
        RunFolderError: a shard cannot be read.
    """
    end = time.monotonic() + slice_s
    scope = _find_scope(index, wanted or TraceFilter())
    n_rows, n_searched = scope.offsets[-1], start
    folded = fold_case(text)
    hits: list[Hit] = []
    for first, behind in _batch(bisect_right(scope.offsets, start) - 1, len(scope.shards)):
        for n, record in _read_matching(index, scope, range(first, behind), text):
            if n < start:
                continue
            hits += _find_hits(record, folded)
            if len(hits) >= limit:
                return Found(tuple(hits), n + 1, n_rows)
        n_searched = scope.offsets[behind]
        if time.monotonic() >= end:
            break
    return Found(tuple(hits), n_searched, n_rows)


def _batch(first: int, behind: int) -> Iterator[tuple[int, int]]:
    """Where each query begins and ends: each reads more shards than the one before."""
    n_shards = 1
    while first < behind:
        yield first, min(first + n_shards, behind)
        first += n_shards
        n_shards = min(8 * n_shards, _MOST_SHARDS)


def _find_scope(index: TraceIndex, wanted: TraceFilter) -> _Scope:
    where, parameters = write_where(wanted)
    found: dict[int, Sequence[int]]
    if parameters:
        lists = index.query(
            "SELECT shard, list(position ORDER BY position) FROM traces "
            f"WHERE {where} GROUP BY shard",
            parameters,
        )
        by_name = dict(lists)
        found = {
            n: by_name[int(path.stem)]
            for n, path in enumerate(index.shards)
            if int(path.stem) in by_name
        }
    else:
        counts = pairwise(index.offsets)
        found = {n: range(behind - first) for n, (first, behind) in enumerate(counts)}
    offsets = accumulate(map(len, found.values()), initial=0)
    return _Scope(tuple(found), tuple(found.values()), tuple(offsets))


def _read_matching(
    index: TraceIndex, scope: _Scope, places: range, text: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The traces of some shards of the scope that have the text, each with how many of the scope
    stand before it. A shard's texts are read when its first trace is asked for.
    """
    paths = [index.shards[scope.shards[at]] for at in places]
    matching = _match_shards(index, paths, text)
    for at, path in zip(places, paths, strict=True):
        found = matching.get(int(path.stem), set())
        numbered = enumerate(scope.positions[at], scope.offsets[at])
        chosen = [(n, position) for n, position in numbered if position in found]
        if chosen:
            records = _read_records(path, [position for _, position in chosen])
            yield from zip((n for n, _ in chosen), records, strict=True)


def _match_shards(index: TraceIndex, paths: Sequence[Path], text: str) -> dict[int, set[int]]:
    """By shard, the positions of its traces that have the text."""
    try:
        found = index.query(_MATCHING, [[escape(str(path)) for path in paths], *[text] * 3])
    except duckdb.Error as error:
        raise RunFolderError(f"cannot read the traces: {str(error).splitlines()[0]}") from None
    return {shard: set(positions) for shard, positions in found}


def _read_records(path: Path, positions: list[int]) -> list[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        table = file.read(["row", "id", *_FIELDS], use_threads=False)
    records: list[dict[str, Any]] = table.take(positions).to_pylist()
    return records


def _find_hits(record: dict[str, Any], folded: str) -> Iterator[Hit]:
    for name in _FIELDS:
        text = record[name] or ""
        start = fold_case(text).find(folded)
        if start >= 0:
            end = start + len(folded)
            before, after = text[max(0, start - _BEFORE) : start], text[end : end + _AFTER]
            yield Hit(record["row"], record["id"], name, before, text[start:end], after)
