"""The narrow table that lists are made of, in memory: numbers and names of each trace.

Texts and steps are not in it; they are read from the shard of the one trace that is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from asap.errors import RunFolderError

_PLAIN = [
    "row",
    "id",
    "outcome",
    "reason",
    "tokens_before",
    "tokens_after_stage1",
    "tokens_after",
    "steps_before",
    "steps_after_stage1",
    "steps_after",
]
_N_THREADS = 4
_TABLE = """
CREATE TABLE traces AS
SELECT *, tokens_after / tokens_before AS kept FROM lines
"""


class TraceIndex:
    """The list of a run's traces, with a place to read each from.

    Args:
        folder: a run folder of kind prune.

    Raises:
        RunFolderError: a shard cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.shards = sorted((folder / "traces").glob("*.parquet"))
        with ThreadPoolExecutor(_N_THREADS) as pool:
            tables = list(pool.map(_read_lines, range(len(self.shards)), self.shards))
        self.offsets = [0]
        """Traces before each shard; the last is the number of all."""
        for table in tables:
            self.offsets.append(self.offsets[-1] + table.num_rows)
        lines = pa.concat_tables([_EMPTY, *tables]) if tables else _EMPTY
        self._connection = duckdb.connect(":memory:", config={"autoload_known_extensions": False})
        self._connection.register("lines", lines)
        self._connection.execute(_TABLE)
        self._connection.unregister("lines")

    def __len__(self) -> int:
        return self.offsets[-1]

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over the table `traces`; may be called from several threads."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def read_trace(self, row: int) -> dict[str, Any] | None:
        """All that `traces/` has of a row; None where there is no such row."""
        found = self.query("SELECT shard, position FROM traces WHERE row = ?", [row])
        if not found:
            return None
        shard, position = found[0]
        table = pq.read_table(self.shards[shard], use_threads=False)
        records: list[dict[str, Any]] = table.slice(position, 1).to_pylist()
        return records[0]


def _read_lines(number: int, path: Path) -> pa.Table:
    """One shard's lines, with the mean of its matches where there are any."""
    try:
        with pq.ParquetFile(path) as file:
            names = [*_PLAIN, "stage1.mode"]
            if _has_matches(file.metadata):
                names += ["steps.list.element.match", "steps.list.element.fate"]
            table = file.read(names, use_threads=False)
    except (OSError, pa.ArrowException, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise RunFolderError(f"cannot read {path}: {reason}") from None
    mode = pc.struct_field(table["stage1"], "mode")
    similarity = (
        pa.array(map(_find_similarity, table["steps"].to_pylist()), pa.float64())
        if "steps" in table.column_names
        else pa.nulls(table.num_rows, pa.float64())
    )
    columns = {
        **{name: table[name] for name in _PLAIN},
        "mode": mode,
        "similarity": similarity,
        "shard": pa.array([number] * table.num_rows, pa.int32()),
        "position": pa.array(range(table.num_rows), pa.int32()),
    }
    return pa.table(columns, schema=_LINES)


def _has_matches(metadata: pq.FileMetaData) -> bool:
    """Whether any step has one, told from the file's statistics."""
    names = metadata.schema.names
    paths = [metadata.schema.column(i).path for i in range(len(names))]
    column = paths.index("steps.list.element.match")
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(column).statistics
        if statistics is None or statistics.num_values:
            return True
    return False


def _find_similarity(steps: list[dict[str, Any]] | None) -> float | None:
    """The mean match of the steps that stage 1 kept."""
    matches = [
        step["match"]
        for step in steps or ()
        if step["match"] is not None and step["fate"] != "stage1"
    ]
    return sum(matches) / len(matches) if matches else None


_LINES = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("tokens_before", pa.int64()),
        ("tokens_after_stage1", pa.int64()),
        ("tokens_after", pa.int64()),
        ("steps_before", pa.int32()),
        ("steps_after_stage1", pa.int32()),
        ("steps_after", pa.int32()),
        ("mode", pa.string()),
        ("similarity", pa.float64()),
        ("shard", pa.int32()),
        ("position", pa.int32()),
    ]
)
_EMPTY = _LINES.empty_table()
