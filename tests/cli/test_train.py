"""`asap train` on a run that `asap prune` wrote, in processes as a user starts them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]

FAST = [
    *("--recipe", "builtin-cpu", "--max-length", "1000", "--learning-rate", "0.01"),
    *("--epochs", "3", "--batch-size", "2", "--log-steps", "1", "--device", "cpu"),
]


def read_rows(run: Path) -> list[dict[str, Any]]:
    (first, *_) = sorted((run / "data").glob("*.parquet"))
    return pq.ParquetFile(first).read().to_pylist()


@pytest.fixture
def cruxeval(tmp_path: Path, pruned: tuple[Path, Done]) -> Path:
    """Two problems of a benchmark: the words of the run's first row, and others."""
    text = read_rows(pruned[0])[0]["completion"]
    path = tmp_path / "cruxeval.jsonl"
    problems = [
        {"id": "sample_0", "code": text[10:300], "input": "1", "output": "1"},
        {
            "id": "sample_1",
            "code": " ".join(["nothing of it here"] * 5),
            "input": "1",
            "output": "1",
        },
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in problems), encoding="utf-8")
    return path


def test_a_run_becomes_a_model(
    asap: Asap, pruned: tuple[Path, Done], tiny_model: Path, cruxeval: Path, tmp_path: Path
) -> None:
    run, _ = pruned
    prompt = read_rows(run)[0]["prompt"]
    more = ["--decontaminate", "cruxeval", "--data", f"cruxeval={cruxeval}"]
    done = asap("train", run, "--model", tiny_model, *FAST, *more, "-o", "tuned")
    assert done.returncode == 0, done.stderr
    said = done.stderr
    report = json.loads((tmp_path / "tuned" / "report.json").read_text("utf-8"))
    data = report["data"]
    assert "rows: 10 to train on" in said
    assert f"masked (prompt) {data['masked_tokens']:,}" in said
    assert f"trained on (completion) {data['trained_tokens']:,}" in said
    # The mask is seen: the prompt in brackets, and the completion behind it.
    masked, _, trained = said.partition("[[")[2].partition("]]")
    assert masked + trained[:8] == f"{prompt}\n<think>\n"
    assert "rows that share long n-grams with benchmarks' problems: 1 (listed" in said
    listed = (tmp_path / "tuned" / "contaminated.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["problem_id"] for line in listed] == ["sample_0"]
    losses = [line["loss"] for line in report["log"] if "loss" in line]
    assert losses[-1] < losses[0]
    assert f"loss: {losses[0]:.3f} at the start, {losses[-1]:.3f} at the end" in done.stdout
    assert "step 9 of 9: loss" in said
    again = asap("train", run, "--model", tiny_model, *FAST, *more, "-o", "tuned", "--json")
    assert json.loads(again.stdout)["training"] == report["training"]
    other = asap("train", run, "--model", tiny_model, *FAST, "--epochs", "5", "-o", "tuned")
    assert other.returncode == 2
    assert other.stderr.startswith(
        "asap: tuned holds another training: epochs is 3.0 there and 5.0"
    )


def test_a_dry_run_shows_what_would_be_trained_on_and_leaves_nothing(
    asap: Asap, pruned: tuple[Path, Done], tiny_model: Path, tmp_path: Path
) -> None:
    done = asap("train", pruned[0], "-m", tiny_model, *FAST, "--dry-run", "-o", "tuned")
    assert done.returncode == 0, done.stderr
    assert "rows: 10 to train on" in done.stderr
    assert "template: plain" in done.stderr
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-length", "5"], "no row is left to train on: 10 × over_max_length"),
        (["--recipe", "paper-llama-8b"], "the recipe leaves the learning rate to you"),
        (["--template", "model"], "no chat template of its own"),
        (["--mix", "more.jsonl"], "--mix FILE and --mix-share go together"),
        (["--mix", "more.jsonl", "--mix-share", "1"], "--mix-share 1: must be above 0 and below 1"),
        (["--data", "humaneval=x.jsonl"], "--decontaminate names the benchmark"),
        (["--decontaminate", "nothing"], "nothing"),
        (["--packing"], "packing fills one sequence"),
        (["--recipe", "none"], "there is no recipe 'none'; shipped: builtin-cpu"),
    ],
)
def test_what_the_user_can_mend_is_said_in_one_line(
    asap: Asap,
    pruned: tuple[Path, Done],
    tiny_model: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    fast = ["--device", "cpu"] if arguments[0] == "--recipe" else FAST
    done = asap("train", pruned[0], "-m", tiny_model, *fast, *arguments, "-o", "tuned")
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asap: ")]
    assert message in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "tuned").exists()


def test_folders_that_cannot_be_trained_on_or_with(
    asap: Asap, pruned: tuple[Path, Done], tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for source, model, message in (
        (tmp_path / "empty", tiny_model, "empty"),
        (pruned[0], tmp_path / "empty", "no model folder: it has no config.json"),
    ):
        done = asap("train", source, "-m", model, *FAST, "-o", "tuned")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert message in line
