"""What an evaluation has done so far: completions and verdicts, on disk the moment they are there.
One SQLite file in the run folder, on a local disk; the Parquet files are made from it in the end.
It generates nothing and judges nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asap.bench.completion import Completion
from asap.errors import RunFolderError
from asap.judge import Verdict

LEDGER = "ledger.sqlite"
"""Its name in the run folder."""
FORMAT_VERSION = 1
"""Stands in the file as SQLite's `user_version`."""

Key = tuple[str, str, int, int]
"""Benchmark, problem, sample, budget in tokens."""

_TABLES = """
CREATE TABLE IF NOT EXISTS completions (
    benchmark TEXT, id TEXT, sample INTEGER, budget_tokens INTEGER, prompt_ids BLOB,
    completion_ids BLOB, text TEXT NOT NULL, n_tokens INTEGER NOT NULL,
    finish_reason TEXT NOT NULL, first_token_s REAL, total_s REAL, ended_s REAL NOT NULL,
    PRIMARY KEY (benchmark, id, sample, budget_tokens)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (
    grading TEXT, benchmark TEXT, id TEXT, sample INTEGER, budget_tokens INTEGER,
    outcome TEXT NOT NULL, test_index INTEGER, message TEXT NOT NULL, cpu_s REAL NOT NULL,
    PRIMARY KEY (grading, benchmark, id, sample, budget_tokens)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A completion, and when it came."""

    completion: Completion
    ended_s: float
    """Seconds since the epoch."""


class EvalLedger:
    """The file, safe for several threads.

    Args:
        path: made if it does not exist.

    Raises:
        RunFolderError: it is no ledger, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        # Every statement commits by itself, so what was stored is on disk when `store` returns.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT_VERSION):
                raise RunFolderError(
                    f"{path} has format version {version}; this asap reads {FORMAT_VERSION}"
                )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_TABLES)
            self._connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise RunFolderError(f"{path} is no ledger of an evaluation: {error}") from error
        except RunFolderError:
            self._connection.close()
            raise

    @classmethod
    def has_completions(cls, path: Path) -> bool:
        """Whether a ledger is there and holds anything.

        Raises:
            RunFolderError: as for `EvalLedger`.
        """
        if not path.exists():
            return False
        with cls(path) as ledger:
            return bool(ledger._execute("SELECT 1 FROM completions LIMIT 1", ()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def store_completion(self, entry: Entry) -> None:
        """Keep a completion; one that is there stays."""
        c = entry.completion
        row = (
            *key_of(c),
            _pack(c.prompt_ids),
            _pack(c.completion_ids),
            c.text,
            c.n_tokens,
            c.finish_reason,
            c.first_token_s,
            c.total_s,
            entry.ended_s,
        )
        self._execute(f"INSERT OR IGNORE INTO completions VALUES ({_marks(row)})", row)

    def completions(self, benchmark: str) -> dict[Key, Entry]:
        """All completions of a benchmark."""
        rows = self._execute("SELECT * FROM completions WHERE benchmark = ?", (benchmark,))
        return dict(map(_read_entry, rows))

    def store_verdict(self, grading: str, key: Key, verdict: Verdict) -> None:
        """Keep a verdict; one that is there stays.

        Args:
            grading: what else the verdict depends on: data, extraction, limits.
            key: the completion's.
            verdict: what became of it.
        """
        row = (
            grading,
            *key,
            verdict.outcome,
            verdict.test_index,
            verdict.message,
            verdict.cpu_s,
        )
        self._execute(f"INSERT OR IGNORE INTO verdicts VALUES ({_marks(row)})", row)

    def verdicts(self, grading: str, benchmark: str) -> dict[Key, Verdict]:
        """All verdicts of a benchmark under this grading."""
        rows = self._execute(
            "SELECT * FROM verdicts WHERE grading = ? AND benchmark = ?", (grading, benchmark)
        )
        return {tuple(row[1:5]): Verdict(*row[5:]) for row in rows}

    def _execute(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def key_of(completion: Completion) -> Key:
    """What names a completion."""
    return (completion.benchmark, completion.id, completion.sample, completion.budget_tokens)


def _read_entry(row: Sequence[Any]) -> tuple[Key, Entry]:
    name, id, sample, budget, prompt, ids, text, n_tokens, reason, first_s, total_s, ended_s = row
    completion = Completion(
        benchmark=name,
        id=id,
        sample=sample,
        budget_tokens=budget,
        prompt_ids=_unpack(prompt),
        completion_ids=_unpack(ids),
        text=text,
        n_tokens=n_tokens,
        finish_reason=reason,
        first_token_s=first_s,
        total_s=total_s,
    )
    return key_of(completion), Entry(completion, ended_s)


def _marks(row: Sequence[Any]) -> str:
    return ", ".join("?" * len(row))


def _pack(ids: Sequence[int] | None) -> bytes | None:
    return None if ids is None else array("i", ids).tobytes()


def _unpack(packed: bytes | None) -> tuple[int, ...] | None:
    if packed is None:
        return None
    ids = array("i")
    ids.frombytes(packed)
    return tuple(ids)
