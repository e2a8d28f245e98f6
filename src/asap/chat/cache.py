"""Replies on disk, so that none is paid for twice: one SQLite file, written as each reply arrives.

The key is the digest of what alters the answer and of nothing else; what a request is called, or
which row it belongs to, is not in it. Meant for the local disk: SQLite's write-ahead log does not
work over network file systems. A committed reply survives the process being killed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from asap.chat.client import ChatRequest, Reply
from asap.errors import RunFolderError

FORMAT_VERSION = 1
"""Stands in the file as SQLite's `user_version`; a file of another version is refused."""

_TABLE = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL
) WITHOUT ROWID
"""


def make_key(request: ChatRequest, *, model: str, host: str) -> str:
    """The digest of what alters the answer to a request.

    Args:
        request: as it is sent: `max_tokens` is the number that goes to the server.
        model: the model's name.
        host: the server's host and port; one model name can mean two models on two servers.
    """
    altering = {
        "attempt": request.attempt,
        "host": host,
        "is_json": request.is_json,
        "max_tokens": request.max_tokens,
        "messages": [[message.role, message.content] for message in request.messages],
        "model": model,
        "prompt_version": request.prompt_version,
        "temperature": float(request.temperature),
        "top_p": float(request.top_p),
    }
    canonical = json.dumps(altering, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


class ReplyCache:
    """Stored replies by key, safe for several threads and several processes at once.

    Args:
        path: the file; made, with its folder, if it does not exist.

    Raises:
        RunFolderError: the file is no reply cache, or one of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._hits = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._open()

    @property
    def hits(self) -> int:
        """How many look-ups found a reply."""
        return self._hits

    def __len__(self) -> int:
        with self._lock:
            row = self._connection.execute("SELECT count(*) FROM replies").fetchone()
        return int(row[0])

    def find(self, key: str) -> Reply | None:
        """The stored reply, marked as cached, or None."""
        with self._lock:
            reply = self._read(key)
            self._hits += reply is not None
        return reply

    def store(self, key: str, reply: Reply) -> Reply:
        """Store a reply unless the key has one, and return the one that stands.

        When two processes asked the same question, both go on with the first answer: a resumed
        run, which reads it from here, then equals this one.
        """
        row = (key, reply.text, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens)
        with self._lock:
            written = self._connection.execute(
                "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)", row
            )
            return reply if written.rowcount else self._read(key) or reply

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, key: str) -> Reply | None:
        row = self._connection.execute(
            "SELECT text, finish_reason, prompt_tokens, completion_tokens FROM replies"
            " WHERE key = ?",
            (key,),
        ).fetchone()
        return None if row is None else Reply(row[0], row[1], row[2], row[3], is_cached=True)

    def _open(self) -> sqlite3.Connection:
        # isolation_level None: every statement commits by itself, so a reply is on disk when
        # `store` returns. The lock makes one connection do for all threads.
        try:
            connection = sqlite3.connect(
                self._path, timeout=60.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise RunFolderError(
                f"{self._path} cannot be opened as a reply cache: {error}"
            ) from error
        try:
            self._prepare(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise RunFolderError(
                f"{self._path} is no reply cache ({error}): move it away or name another file"
            ) from error
        except RunFolderError:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # One statement: a process that is making the file right now is seen wholly or not at all.
        version, n_tables = connection.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if version not in (0, FORMAT_VERSION) or (version == 0 and n_tables):
            raise RunFolderError(
                f"{self._path} is no reply cache of version {FORMAT_VERSION} (it says {version}):"
                " move it away or name another file"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL: a commit survives the death of the process; a loss of power may undo the last.
        connection.execute("PRAGMA synchronous = NORMAL")
        # One transaction, so that a second process never sees a table without its version.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("COMMIT")
