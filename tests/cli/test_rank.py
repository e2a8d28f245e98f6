"""`asap rank`: tables printed and written, going on, refusals in one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Asap = Callable[..., Any]


@pytest.fixture
def ranked(asap: Asap, source: Path, tiny_model: Path) -> Callable[..., Any]:
    def run(*more: str) -> Any:
        fixed = ("--scorer", str(tiny_model), "--ratios", "0.5")
        return asap("rank", source, "-o", "out", *fixed, *more)

    return run


def test_tables_are_printed_and_written(ranked: Callable[..., Any], tmp_path: Path) -> None:
    done = ranked("--methods", "asap,random,asap-no-stage2")
    assert done.returncode == 0, done.stderr
    assert "At 50% of the tokens" in done.stdout
    assert "At as many tokens as asap-no-stage2 keeps" in done.stdout
    assert "differences to asap" in done.stdout
    markdown = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "At 50% of the tokens" in markdown
    assert "| asap |" in markdown
    files = sorted((tmp_path / "out" / "tables").glob("*.csv"))
    rows = list(csv.reader(files[0].read_text("utf-8").splitlines()))
    assert rows[0][0] == "method"
    assert [row[0] for row in rows[1:]] == ["asap", "random"]
    numbers = json.loads((tmp_path / "out" / "tables.json").read_text("utf-8"))
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["kind"] == "rank"
    assert report["status"] == "finished"
    assert report["identity"]["ratios"] == [0.5]
    kept = {
        (record["arm"], record["metric"]): record
        for record in numbers["kept"]
        if record["target"] == "0.5"
    }
    # Ten rows of twelve are usable; every one has an answer.
    assert kept["random", "answer_support"]["n"] == 10
    assert kept["random", "answer_support"]["match"]["n"] == 10


def test_more_methods_are_added_to_a_folder(ranked: Callable[..., Any], tmp_path: Path) -> None:
    assert ranked("--methods", "random", "--no-support").returncode == 0
    before = (tmp_path / "out" / "values" / "random.jsonl").read_bytes()
    done = ranked("--methods", "random,tail", "--no-support", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "values" / "random.jsonl").read_bytes() == before
    numbers = json.loads(done.stdout)
    assert numbers["reference"] == "random"
    assert {record["arm"] for record in numbers["kept"]} == {"random", "tail"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--methods", "asap,nonsense"), "there is no recipe 'nonsense'"),
        (("--methods", "tail,tail"), "the arm tail comes twice"),
        (("--methods", "random", "--ratios", "half"), "--ratios half: write numbers"),
        (("--methods", "random", "--ratios", "0.5,2"), "each must be above 0 and at most 1"),
        (("--methods", "asap", "--stage1", "select"), "asks an LLM: name it with --llm"),
        (("--methods", "asap", "--scorer", "no/such/folder"), "no/such/folder"),
    ],
)
def test_what_can_be_mended_is_said_in_one_line(
    asap: Asap, source: Path, flags: tuple[str, ...], message: str
) -> None:
    done = asap("rank", source, "-o", "out", *flags, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asap: ")]
    assert message in line
    assert "Traceback" not in done.stderr
