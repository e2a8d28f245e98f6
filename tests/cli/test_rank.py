"""`asap rank`: tables printed and written, going on, refusals in one line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.report import read_page

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
    # Two of twelve rows are unusable, and that is said.
    assert report["counts"] == {
        "rows_in": 12,
        "traces": 10,
        "excluded": {"malformed_json": 1, "no_closing_tag": 1},
    }
    assert "excluded: 1 × no_closing_tag" in done.stderr
    assert numbers["reference"] == "asap"
    page = read_page(tmp_path / "out", "asap rank")
    assert page.title == "3 methods on 10 traces, without training"
    assert "excluded: 1 × no_closing_tag" in page.notes
    assert [table.title for table in page.tables] == re.findall(
        r"^\*\*(.*)\*\*$", markdown, re.MULTILINE
    )
    (random,) = (line for line in page.plots["answer-support"].lines if line.name == "random")
    kept = {
        (record["arm"], record["metric"]): record
        for record in numbers["kept"]
        if record["target"] == "0.5"
    }
    support = kept["random", "answer_support"]
    assert [(point.x, point.y) for point in random.points] == [
        (pytest.approx(100 * support["match"]["ratio"]), pytest.approx(support["mean"]))
    ]
    # Ten rows of twelve are usable; every one has an answer.
    assert kept["random", "answer_support"]["n"] == 10
    assert kept["random", "answer_support"]["match"]["n"] == 10


def test_more_methods_are_added_to_a_folder(ranked: Callable[..., Any], tmp_path: Path) -> None:
    assert ranked("--methods", "random", "--no-support").returncode == 0
    before = (tmp_path / "out" / "values" / "random.jsonl").read_bytes()
    done = ranked("--methods", "tail", "--no-support", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "values" / "random.jsonl").read_bytes() == before
    numbers = json.loads(done.stdout)
    assert numbers["reference"] == "random"
    assert {record["arm"] for record in numbers["kept"]} == {"random", "tail"}
    markdown = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "differences to random" in markdown
    done = ranked("--methods", "tail", "--no-support", "--baseline", "tail", "--json")
    assert json.loads(done.stdout)["reference"] == "tail"


def test_an_arm_that_is_not_finished_stands_in_no_table(
    ranked: Callable[..., Any], tmp_path: Path
) -> None:
    assert ranked("--methods", "random,tail", "--no-support").returncode == 0
    path = tmp_path / "out" / "values" / "tail.jsonl"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:5]), "utf-8")
    done = ranked("--methods", "random", "--no-support", "--json")
    assert "not finished, so in no table: tail" in done.stderr
    assert {record["arm"] for record in json.loads(done.stdout)["kept"]} == {"random"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--methods", "asap,spirit_fast"), "did you mean spirit-fast?"),
        (("--methods", ","), "--methods names none"),
        (("--methods", "head,llmlingua2"), "method 'llmlingua2' asks a token classifier"),
        (("--methods", "head,c3ot"), "method 'c3ot' asks an LLM"),
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
