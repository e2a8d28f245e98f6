"""The run folder: what stands in it, what is finished, and whether it is the run that is asked for.

A shard's files are written under temporary names and renamed, `traces/` last: the shard is
finished when that file stands. So a killed run loses the shards in flight and nothing else.
Nothing here prunes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from asap.errors import RunFolderError

FORMAT_VERSION = 1
"""What `report.json` says of the folder's layout; another number is refused by name."""

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
        folder: where the run is, or is to be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
            self.folder.mkdir(parents=True, exist_ok=True)
            self.write_report({"status": "unfinished", "identity": dict(identity)})
        for name in ("data", "traces"):
            (self.folder / name).mkdir(exist_ok=True)
            for left_over in (self.folder / name).glob("*.tmp"):
                left_over.unlink()
        return is_there

    def check(self, identity: Mapping[str, Any]) -> bool:
        """Whether the run is there already. Changes nothing.

        Args:
            identity: as for `open`, or a part of it.

        Raises:
            RunFolderError: as `open` does.
        """
        if not (self.folder / "report.json").exists():
            if self.folder.exists() and not self._is_empty():
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

    def _is_empty(self) -> bool:
        """Nothing there but, at most, the report of a run that was killed while it wrote its first
        line.
        """
        return self.folder.is_dir() and all(
            path.name == "report.json.tmp" for path in self.folder.iterdir()
        )

    def finished_shards(self) -> list[int]:
        """Numbers of the shards that stand, ascending."""
        return sorted(int(path.stem) for path in (self.folder / "traces").glob("*.parquet"))

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
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_suffix(".tmp")
            pq.write_table(table, temporary, compression="zstd")
            _rename_durably(temporary, path)

    def count_rows(self, shard: int) -> int:
        """Rows of a finished shard, excluded ones among them."""
        return int(pq.read_metadata(self._path("traces", shard)).num_rows)

    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return read_report(self.folder).get("status") == "finished"

    def read_traces(self, shard: int, columns: list[str] | None = None) -> pa.Table:
        """A shard's evidence."""
        return pq.read_table(self._path("traces", shard), columns=columns)

    def read_data(self, shard: int) -> pa.Table:
        """A shard's rows to train on."""
        return pq.read_table(self._path("data", shard))

    def traces(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """All rows of evidence in order, as plain dicts; one shard in memory at a time."""
        for shard in self.finished_shards():
            yield from self.read_traces(shard, columns).to_pylist()

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
        path = self.folder / name
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(text, encoding="utf-8", newline="\n")
        _rename_durably(temporary, path)

    def _path(self, name: str, shard: int) -> Path:
        return self.folder / name / f"{shard:06d}.parquet"


def read_report(folder: Path, kind: str | None = None) -> dict[str, Any]:
    """The report of any folder that asap wrote.

    Args:
        folder: a run folder.
        kind: what it must be (`prune`, ...).

    Raises:
        RunFolderError: no such folder, no run, another kind, or a format that this version does
        not know.
    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(f"{folder} is no run folder: it has no report.json") from None
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


def _rename_durably(temporary: Path, path: Path) -> None:
    """Rename over the target, the content on the disk before the name is."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
