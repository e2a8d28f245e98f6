"""`asap export` from a run that `asap prune` wrote."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]


def read_run(run: Path) -> list[dict[str, Any]]:
    """The run's rows, without asap."""
    files = sorted((run / "data").glob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.mark.parametrize("trainer", ["axolotl", "llamafactory", "openai", "sharegpt"])
def test_a_run_becomes_a_file(
    asap: Asap, pruned: tuple[Path, Done], tmp_path: Path, trainer: str
) -> None:
    run, _ = pruned
    done = asap("export", run, "--to", trainer, "--output", "train.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "train.jsonl: 10 rows"
    assert done.stderr == ""
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text("utf-8").splitlines()]
    turns = [list(row.get("messages") or row["conversations"]) for row in rows]
    texts = [[turn.get("content") or turn["value"] for turn in pair] for pair in turns]
    assert texts == [[row["prompt"], row["completion"]] for row in read_run(run)]
    assert all("<think>" in completion for _, completion in texts)
    assert (tmp_path / "dataset_info.json").exists() == (trainer == "llamafactory")


def test_the_settings_can_be_copied_from_the_terminal(
    asap: Asap, pruned: tuple[Path, Done]
) -> None:
    done = asap("export", pruned[0], "--to", "axolotl", "-o", "train.jsonl")
    settings = yaml.safe_load(done.stdout.partition("\n")[2])
    assert settings["datasets"][0]["path"] == "train.jsonl"


def test_standard_output_holds_the_rows_and_nothing_else(
    asap: Asap, pruned: tuple[Path, Done], tmp_path: Path
) -> None:
    done = asap("export", pruned[0], "--to", "openai", "--output", "-")
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 10
    assert done.stderr == "standard output: 10 rows\n"
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_data_sets_of_the_users_is_left_to_the_user(
    asap: Asap, pruned: tuple[Path, Done], tmp_path: Path
) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        done = asap("export", pruned[0], "--to", "llamafactory", "-o", name)
        assert done.returncode == 0, done.stderr
    assert "stays as it is; add to it:" in done.stdout
    assert '"file_name": "two.jsonl"' in done.stdout
    assert set(json.loads((tmp_path / "dataset_info.json").read_text("utf-8"))) == {"one"}


def test_rows_without_a_question(
    asap: Asap, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"prompt": "", "completion": "A"}] * 2)
    done = asap("export", "in.jsonl", "--to", "openai", "-o", "out.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("asap: all 2 prompts are empty")
    assert not (tmp_path / "out.jsonl").exists()
    done = asap("export", "in.jsonl", "--to", "openai", "-o", "out.jsonl", "--allow-empty-prompts")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["out.jsonl: 2 rows", "with an empty prompt: 2"]
