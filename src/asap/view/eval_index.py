"""The narrow table of an evaluation's answers, in memory: which problem, which verdict, how long.

Answers and messages are not in it; each is read from its own row group when it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from asap.bench import COMPLETIONS, QUESTIONS, VERDICTS
from asap.errors import RunFolderError

_KEY = ["benchmark", "id", "sample", "budget_tokens"]
_TABLES = """
CREATE TABLE answers AS
SELECT c.benchmark, c.id, c.sample, c.budget_tokens AS budget, v.verdict, c.n_tokens,
    c.finish_reason = 'length' AS is_cut, c.position, v.position AS verdict_position
FROM completions c LEFT JOIN verdicts v USING (benchmark, id, sample, budget_tokens);
CREATE TABLE questions AS SELECT * FROM asked
"""


class EvalIndex:
    """The list of an evaluation's answers, with a place to read each from.

    Args:
        folder: a run folder of kind eval; one that is not finished has no answers.

    Raises:
        RunFolderError: a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._completions = folder / "completions.parquet"
        self._verdicts = folder / "verdicts.parquet"
        self._questions = folder / "questions.parquet"
        self._connection = duckdb.connect(":memory:", config={"autoload_known_extensions": False})
        narrow = {
            "completions": _read(
                self._completions, COMPLETIONS, [*_KEY, "n_tokens", "finish_reason"]
            ),
            "verdicts": _read(self._verdicts, VERDICTS, [*_KEY, "verdict"]),
            "asked": _read(self._questions, QUESTIONS, ["benchmark", "id"]),
        }
        for name, table in narrow.items():
            self._connection.register(name, table)
        self._connection.execute(_TABLES)
        for name in narrow:
            self._connection.unregister(name)
        self._length: int = self.query("SELECT count(*) FROM answers")[0][0]

    def __len__(self) -> int:
        return self._length

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over `answers` or `questions`; may be called from several threads."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def read_text(self, position: int) -> str:
        """The answer at a place of `completions.parquet`."""
        return str(_read_one(self._completions, "text", position))

    def read_question(self, benchmark: str, id: str) -> str | None:
        """What was asked; None where the folder does not say, as older ones do not."""
        found = self.query(
            "SELECT position FROM questions WHERE benchmark = ? AND id = ?", [benchmark, id]
        )
        return str(_read_one(self._questions, "prompt", found[0][0])) if found else None

    def read_message(self, position: int) -> str:
        """What the judge said, at a place of `verdicts.parquet`."""
        return str(_read_one(self._verdicts, "message", position) or "")


def _read(path: Path, schema: pa.Schema, names: list[str]) -> pa.Table:
    """Some columns, and the place of each row."""
    if path.exists():
        try:
            table = pq.read_table(path, columns=names, use_threads=False)
        except (OSError, KeyError, pa.ArrowException) as error:
            raise _complain(path, error) from None
        if missing := [name for name in names if name not in table.column_names]:
            raise RunFolderError(f"cannot read {path}: it has no column {missing[0]}")
    else:
        table = pa.schema([schema.field(name) for name in names]).empty_table()
    return table.append_column("position", pa.array(range(table.num_rows), pa.int64()))


def _read_one(path: Path, column: str, position: int) -> Any:
    """A value, from its row group alone."""
    try:
        with pq.ParquetFile(path) as file:
            group = 0
            while position >= (n_rows := file.metadata.row_group(group).num_rows):
                group, position = group + 1, position - n_rows
            table = file.read_row_group(group, [column], use_threads=False)
            return table[column][position].as_py()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise _complain(path, error) from None


def _complain(path: Path, error: Exception) -> RunFolderError:
    reason = str(error).partition("\n")[0]
    return RunFolderError(f"cannot read {path}: {reason}")
