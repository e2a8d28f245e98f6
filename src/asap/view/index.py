"""The narrow table that lists are made of, in memory: numbers and names of each trace.

Texts and steps are not in it; they are read from the shard of the one trace that is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from asap.errors import RunFolderError

_TABLE = """
CREATE TABLE traces AS
SELECT row, id, outcome, reason, stage1.mode AS mode,
    tokens_before, tokens_after_stage1, tokens_after,
    tokens_after / nullif(tokens_before, 0) AS kept,
    steps_before, steps_after_stage1, steps_after, {similarity} AS similarity,
    parse_filename(filename, true)::INTEGER AS shard, file_row_number AS position
FROM read_parquet(?, filename = true, file_row_number = true)
"""
_NO_TABLE = """
CREATE TABLE traces (
    row BIGINT, id VARCHAR, outcome VARCHAR, reason VARCHAR, mode VARCHAR,
    tokens_before BIGINT, tokens_after_stage1 BIGINT, tokens_after BIGINT, kept DOUBLE,
    steps_before INTEGER, steps_after_stage1 INTEGER, steps_after INTEGER, similarity DOUBLE,
    shard INTEGER, position BIGINT
)
"""
_SIMILARITY = """
list_avg([step.match FOR step IN steps IF step.match IS NOT NULL AND step.fate <> 'stage1'])
"""
"""The mean match of the steps that stage 1 kept."""


class TraceIndex:
    """The list of a run's traces, with a place to read each from.

    Args:
        folder: a run folder of kind prune.
        has_matches: whether its steps may have matches; to look for them costs time.

    Raises:
        RunFolderError: a shard cannot be read.
    """

    def __init__(self, folder: Path, *, has_matches: bool = True) -> None:
        paths = sorted((folder / "traces").glob("*.parquet"))
        self._connection = duckdb.connect(":memory:")
        similarity = _SIMILARITY if has_matches else "NULL::DOUBLE"
        try:
            if paths:
                self._connection.execute(
                    _TABLE.format(similarity=similarity), [[escape(str(path)) for path in paths]]
                )
            else:
                self._connection.execute(_NO_TABLE)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise RunFolderError(f"cannot read {folder / 'traces'}: {reason}") from None
        # From here on there are queries over the table and the shards alone.
        if paths:
            folders = [str(folder / "traces")]
            self._connection.execute("SET allowed_directories = $folders", {"folders": folders})
        self._connection.execute("SET enable_external_access = false")
        counts = dict(self.query("SELECT shard, count(*) FROM traces GROUP BY shard"))
        self.shards = paths
        self._positions = {int(path.stem): n for n, path in enumerate(paths)}
        self.offsets = [0]
        """Traces before each shard; the last is the number of all."""
        for path in paths:
            self.offsets.append(self.offsets[-1] + counts.get(int(path.stem), 0))

    def __len__(self) -> int:
        return self.offsets[-1]

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over the table `traces` or the shards' files; may be called from
        several threads.
        """
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def read_trace(self, row: int) -> dict[str, Any] | None:
        """All that `traces/` has of a row; None where there is no such row."""
        found = self.query("SELECT shard, position FROM traces WHERE row = ?", [row])
        if not found:
            return None
        shard, position = found[0]
        with pq.ParquetFile(self.shards[self._positions[shard]]) as file:
            table = file.read(use_threads=False).slice(position, 1)
        records: list[dict[str, Any]] = table.to_pylist()
        return records[0]
