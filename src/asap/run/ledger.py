"""The run folder: what stands in it, what is finished, and whether it is the run that is asked for.

A shard's files appear whole or not at all, `traces/` last: the shard is finished when that file
stands. So a killed run loses the shards in flight and nothing else. The folder is on this machine
or in a store (`asap.place`). Nothing here prunes.
"""

from __future__ import annotations

import io
import json
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from asap.errors import RunFolderError
from asap.place import (
    find_place,
    guard_store,
    is_remote,
    is_there,
    list_folder,
    make_folder,
    open_binary,
    read_file,
    write_whole,
)

FORMAT_VERSION = 1
"""What `report.json` says of the folder's layout; another number is refused by name."""

_READERS = 8
"""Shards of a remote folder that are fetched at a time."""
_COLUMN_READ_AHEAD_BYTES = 2**16

STEP = pa.struct(
    [
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("n_tokens", pa.int32()),
        ("fate", pa.string()),
        ("surprisal", pa.float64()),
        ("score", pa.float64()),
        ("first_token", pa.string()),
        ("match", pa.float64()),
        ("reason", pa.string()),
        ("reason_step", pa.int32()),
    ]
)
"""A folder of an earlier version may lack the last two."""
TRACES = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("question", pa.string()),
        ("thinking", pa.string()),
        ("answer", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("anchor", pa.string()),
        ("reply", pa.string()),
        (
            "stage1",
            pa.struct(
                [
                    ("mode", pa.string()),
                    ("attempts", pa.int32()),
                    ("prompt_version", pa.string()),
                    ("failure", pa.string()),
                ]
            ),
        ),
        ("steps", pa.list_(STEP)),
        ("score_name", pa.string()),
        ("removal_order", pa.list_(pa.int32())),
        ("tokens_after_removal", pa.list_(pa.int32())),
        ("steps_before", pa.int32()),
        ("steps_after_stage1", pa.int32()),
        ("steps_after", pa.int32()),
        ("tokens_before", pa.int64()),
        ("tokens_after_stage1", pa.int64()),
        ("tokens_after", pa.int64()),
        ("rewritten", pa.string()),
    ]
)
DATA = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("variant", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("tokens_before", pa.int64()),
        ("tokens_after", pa.int64()),
    ]
)


class Ledger:
    """One run folder.

    Args:
        folder: where the run is, or is to be: a path, or a URL (`s3://bucket/run`).

    Raises:
        StoreError: as every method does where a store refuses.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = find_place(folder)

    def open(self, identity: Mapping[str, Any]) -> bool:
        """Begin the run, or make sure that what is there is the same run.

        Args:
            identity: what the run is, as flat JSON: every field must equal the folder's for a
            resume.

        Returns:
            Whether there was a run to go on with.

        Raises:
            RunFolderError: the folder holds something else; the difference is named.
        """
        is_there = self.check(identity)
        if not is_there:
            make_folder(self.folder)
            self.write_report({"status": "unfinished", "identity": dict(identity)})
        for name in ("data", "traces"):
            make_folder(self.folder / name)
            for left_over, _ in list_folder(self.folder / name):
                if left_over.suffix == ".tmp":
                    left_over.unlink()
        return is_there

    def check(self, identity: Mapping[str, Any]) -> bool:
        """Whether the run is there already. Changes nothing.

        Args:
            identity: as for `open`, or a part of it.

        Raises:
            RunFolderError: as `open` does.
        """
        names = {path.name for path, _ in list_folder(self.folder)}
        if "report.json" not in names:
            # At most the report of a run that was killed while it wrote its first line.
            if names - {"report.json.tmp"}:
                raise RunFolderError(
                    f"{self.folder} exists and is no run folder; name another --output"
                )
            return False
        there = read_report(self.folder, kind="prune").get("identity", {})
        for key, value in identity.items():
            if there.get(key) != value:
                difference = f"{key} is {_say(there.get(key))} there and {_say(value)} here"
                if key == "input":
                    difference = "the input's content differs"
                raise RunFolderError(
                    f"{self.folder} holds another run: {difference}; name another --output"
                )
        return True

    def finished_shards(self) -> list[int]:
        """Numbers of the shards that stand, ascending."""
        there = list_folder(self.folder / "traces")
        return sorted(int(path.stem) for path, _ in there if path.suffix == ".parquet")

    def is_shard_finished(self, shard: int) -> bool:
        """Whether a shard stands."""
        return self.has(f"traces/{shard:06d}.parquet")

    def has(self, name: str) -> bool:
        """Whether a file of the folder stands, as of now: another machine may have written it."""
        return is_there(self.folder / name)

    def remove(self, name: str) -> None:
        """Remove a file of the folder, if it is there."""
        with guard_store(self.folder):
            (self.folder / name).unlink(missing_ok=True)

    def write_shard(
        self,
        shard: int,
        data: pa.Table,
        traces: pa.Table,
        more: Mapping[str, pa.Table] | None = None,
    ) -> None:
        """Write the files of a shard, those of other folders (`more`) first, `traces/` last."""
        for name, table in {**(more or {}), "data": data, "traces": traces}.items():
            path = self._path(name, shard)
            make_folder(path.parent)
            content = io.BytesIO()
            pq.write_table(table, content, compression="zstd")
            # A name of its own: a worker that was given up may still be writing the same shard.
            write_whole(path, content.getvalue(), writer=uuid.uuid4().hex)

    def count_rows(self, shard: int) -> int:
        """Rows of a finished shard, excluded ones among them."""
        return int(self._read("traces", shard, ["row"]).num_rows)

    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return read_report(self.folder).get("status") == "finished"

    def read_traces(self, shard: int, columns: list[str] | None = None) -> pa.Table:
        """A shard's evidence."""
        return self._read("traces", shard, columns)

    def read_data(self, shard: int) -> pa.Table:
        """A shard's rows to train on."""
        return self._read("data", shard)

    def traces(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """All rows of evidence in order, as plain dicts; one shard in memory at a time, and of a
        remote folder those that are being fetched.
        """
        shards = self.finished_shards()
        if not is_remote(self.folder):
            for shard in shards:
                yield from self.read_traces(shard, columns).to_pylist()
            return
        with ThreadPoolExecutor(_READERS) as pool:
            fetched: deque[Future[pa.Table]] = deque()
            for shard in shards:
                fetched.append(pool.submit(self.read_traces, shard, columns))
                if len(fetched) > _READERS:
                    yield from fetched.popleft().result().to_pylist()
            for future in fetched:
                yield from future.result().to_pylist()

    def write_excluded(self) -> None:
        """Write `excluded.jsonl` from `traces/`."""
        lines = (
            json.dumps(
                {key: row[key] for key in ("row", "id", "reason", "detail")}, ensure_ascii=False
            )
            for row in self.traces(["row", "id", "outcome", "reason", "detail"])
            if row["outcome"] == "excluded"
        )
        self.write_text("excluded.jsonl", "".join(line + "\n" for line in lines))

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write `report.json`; `kind` and `format_version` are added."""
        head = {"kind": "prune", "format_version": FORMAT_VERSION}
        self.write_text(
            "report.json", json.dumps({**head, **report}, indent=2, ensure_ascii=False) + "\n"
        )

    def write_text(self, name: str, text: str) -> None:
        """Write one file of the folder whole or not at all."""
        write_whole(self.folder / name, text.encode())

    def _read(self, name: str, shard: int, columns: list[str] | None = None) -> pa.Table:
        path = self._path(name, shard)
        if not is_remote(path):
            return pq.read_table(path, columns=columns)
        with guard_store(path), open_binary(path, _COLUMN_READ_AHEAD_BYTES) as file:
            return pq.read_table(file, columns=columns)

    def _path(self, name: str, shard: int) -> Path:
        return self.folder / name / f"{shard:06d}.parquet"


def read_report(folder: str | Path, kind: str | None = None) -> dict[str, Any]:
    """The report of any folder that asap wrote.

    Args:
        folder: a run folder.
        kind: what it must be (`prune`, ...).

    Raises:
        RunFolderError: no such folder, no run, another kind, or a format that this version does
        not know.
        StoreError: the folder's store refuses.
    """
    folder = find_place(folder)
    path = folder / "report.json"
    try:
        content = read_file(path)
        if content is None:
            list_folder(folder)  # says so where there is not even a bucket
            raise RunFolderError(f"{folder} is no run folder: it has no report.json")
        report = json.loads(content)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from None
    if not isinstance(report, dict) or "kind" not in report:
        raise RunFolderError(f"{path} is not a report of asap")
    if report.get("format_version") != FORMAT_VERSION:
        raise RunFolderError(
            f"{folder} has format version {report.get('format_version')}; "
            f"this asap reads {FORMAT_VERSION}"
        )
    if kind is not None and report["kind"] != kind:
        raise RunFolderError(f"{folder} is a run of kind '{report['kind']}', not '{kind}'")
    return report


def _say(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
