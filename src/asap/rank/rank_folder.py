"""The folder of a comparison: one file of values per arm, a line per trace, appended as they come.

A killed comparison loses the traces in flight; the same command goes on, and one with further arms
adds them. Only equal things stand in one folder: corpus, ratios, planting, scorer, tokenizer; and
an arm's recipe does not change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asap.errors import RunFolderError
from asap.run import FORMAT_VERSION, read_report


@dataclass(frozen=True, slots=True)
class AtTarget:
    """What an arm left of one trace at one number of tokens."""

    whole: int
    """Tokens of the whole thinking."""
    wanted: int
    """Tokens asked for."""
    tokens: float
    """Tokens of the text that was left; where two states were weighted, of both together."""
    values: dict[str, float | None]
    """By metric; None where it says nothing about this trace."""


@dataclass(frozen=True, slots=True)
class TraceValues:
    """One arm's values for one trace."""

    row: int
    id: str
    excluded: str | None = None
    """Why the method has no result, where it has none."""
    targets: dict[str, AtTarget] = field(default_factory=dict)
    """By target: a ratio, or `as ARM` for the tokens that an arm without a budget left."""
    planted: dict[str, AtTarget] = field(default_factory=dict)
    """The same for the trace with planted passages: by group of passages, the share removed."""
    auc: dict[str, float | None] = field(default_factory=dict)
    """By group of passages, how surely they go before a unique step."""


class RankFolder:
    """One comparison on the disk.

    Args:
        folder: where it is, or is to be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, identity: Mapping[str, Any], arms: Sequence[str]) -> None:
        """Begin, or make sure that what is there can be added to.

        Args:
            identity: what the comparison is, as flat JSON. A backend that one command needed and
                the other did not (None) is no difference.
            arms: names of the arms to come; the folder keeps the order in which they came first.

        Raises:
            RunFolderError: the folder holds something else; the difference is named.
        """
        if not (self.folder / "report.json").exists():
            left_over = {"values", "report.tmp"}  # of a command killed as it began
            if self.folder.exists() and {p.name for p in self.folder.iterdir()} - left_over:
                raise RunFolderError(
                    f"{self.folder} exists and is no run folder; name another --output"
                )
            (self.folder / "values").mkdir(parents=True, exist_ok=True)
            head = {"status": "unfinished", "arms": list(arms), "identity": dict(identity)}
            self.write_report(head)
            return
        report = read_report(self.folder, kind="rank")
        there = report.get("identity", {})
        for key, value in identity.items():
            is_unneeded = key == "scorer weights" and None in (value, there.get(key))
            if there.get(key) != value and not is_unneeded:
                raise RunFolderError(
                    f"{self.folder} holds another comparison: {key} is {there.get(key)} there and "
                    f"{value} here; name another --output"
                )
        known = {key: value for key, value in identity.items() if value is not None}
        self.write_report(
            {
                "status": "unfinished",
                "arms": list(dict.fromkeys([*report.get("arms", ()), *arms])),
                "identity": {**dict(identity), **there, **known},
            }
        )

    def report(self) -> dict[str, Any]:
        """What `report.json` says."""
        return read_report(self.folder, kind="rank")

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write `report.json` whole or not at all; `kind` and `format_version` are added."""
        head = {"kind": "rank", "format_version": FORMAT_VERSION}
        path = self.folder / "report.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(
            json.dumps({**head, **report}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        temporary.replace(path)

    def open_arm(self, name: str, recipe: Mapping[str, Any]) -> list[TraceValues]:
        """What is known of an arm; its file is begun where nothing is, and a line that was cut off
        by a kill is taken off.

        Args:
            name: the arm's.
            recipe: the fields of its recipe.

        Raises:
            RunFolderError: the arm ran there under another recipe.
        """
        path = self._path(name)
        if not path.exists():
            path.write_text(json.dumps({"arm": name, "recipe": recipe}) + "\n", "utf-8")
            return []
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        head, *lines = whole.decode("utf-8").splitlines() or ["{}"]
        there = json.loads(head).get("recipe", {})
        if there != recipe:
            names = sorted(k for k in {**recipe, **there} if recipe.get(k) != there.get(k))
            raise RunFolderError(
                f"{self.folder}: the arm {name} ran with another {', '.join(names)}; name "
                "another --output"
            )
        return [_read_line(line) for line in lines]

    def append(self, name: str, values: Sequence[TraceValues]) -> None:
        """Add some traces' values to an arm."""
        # In ASCII: an id may hold signs that end a line for some readers.
        lines = [json.dumps(asdict(each)) + "\n" for each in values]
        with self._path(name).open("a", encoding="utf-8") as file:
            file.write("".join(lines))

    def arm_names(self) -> list[str]:
        """Every arm in the folder, in the order in which they came; controls are none."""
        return list(self.report()["arms"])

    def values(self, name: str) -> Iterator[TraceValues]:
        """An arm's values, one for each trace: what was measured again counts as it was last."""
        with self._path(name).open(encoding="utf-8") as lines:
            next(lines)
            read = [_read_line(line) for line in lines if line.endswith("\n")]
        yield from {values.row: values for values in read}.values()

    def _path(self, name: str) -> Path:
        return self.folder / "values" / f"{name}.jsonl"


def _read_line(line: str) -> TraceValues:
    record = json.loads(line)
    for field_name in ("targets", "planted"):
        record[field_name] = {
            target: AtTarget(**value) for target, value in record[field_name].items()
        }
    return TraceValues(**record)
