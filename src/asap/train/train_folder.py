"""What a training leaves in its folder, apart from the model: what it was told to do, its log, its
checkpoints. A folder of another training is never touched.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asap.errors import RunFolderError
from asap.run import FORMAT_VERSION, read_report

_STATE = "trainer_state.json"


class TrainFolder:
    """One training's folder.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "rows"
        """Rows as ids, while the training runs."""
        self.checkpoints = path / "checkpoints"

    def check(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """The report that is there; None where nothing has begun. Changes nothing.

        Args:
            identity: what is to be trained, on what and how, as JSON values.

        Raises:
            RunFolderError: the folder holds something else.
        """
        if not (self.path / "report.json").exists():
            if self.path.exists() and any(self.path.iterdir()):
                raise RunFolderError(
                    f"{self.path} exists and is no training; name another --output"
                )
            return None
        report = read_report(self.path, kind="train")
        there = report.get("identity", {})
        for key in {**identity, **there}:
            if there.get(key) != identity.get(key):
                was, now = (_say(values.get(key)) for values in (there, identity))
                raise RunFolderError(
                    f"{self.path} holds another training: {key} is {was} there and {now} here; "
                    "name another --output"
                )
        return report

    def find_checkpoint(self) -> Path | None:
        """The last checkpoint that was written to its end; those that were not are removed."""
        whole: dict[int, Path] = {}
        for folder in self.checkpoints.glob("checkpoint-*"):
            try:
                state = json.loads((folder / _STATE).read_text("utf-8"))  # written last
            except (OSError, ValueError):
                shutil.rmtree(folder)
                continue
            whole[int(state["global_step"])] = folder
        return whole[max(whole)] if whole else None

    def read_losses(self) -> list[dict[str, Any]]:
        """The whole log."""
        lines = (self.path / "log.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def clean_up(self) -> None:
        """Remove what only an unfinished training needs."""
        shutil.rmtree(self.data)
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def write_log(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write `log.jsonl` anew."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.path / "log.jsonl").write_text(text, encoding="utf-8", newline="\n")

    def append_log(self, line: Mapping[str, Any]) -> None:
        """Add a line to `log.jsonl`."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line) + "\n")

    def write_report(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Write `report.json`, and give back what stands in it: `kind` and `format_version` are
        added.
        """
        whole = {"kind": "train", "format_version": FORMAT_VERSION, **report}
        temporary = self.path / "report.json.tmp"
        text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, self.path / "report.json")
        return whole


def _say(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
