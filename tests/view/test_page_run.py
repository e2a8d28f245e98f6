"""Runs of rank and lab, shown by the page they left; and trainings, by their report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.report import Column, Line, LinePlot, Number, Page, Point, Table, write_page


def write_run(folder: Path, kind: str, **more: Any) -> Path:
    folder.mkdir()
    head = {"kind": kind, "format_version": 1, "status": "finished"}
    (folder / "report.json").write_text(json.dumps({**head, **more}), encoding="utf-8")
    return folder


@pytest.fixture
def ranked(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "ranked", "rank", identity={"ratios": [0.5], "limit": None})
    plot = LinePlot("Coverage", "kept, %", "coverage", (Line("asap", (Point(50, 0.75),)),))
    table = Table("At 50%", (Column("method"), Column("kept %")), (("asap", Number(50, 1)),))
    write_page(run, Page("Two methods", ("excluded: 1 × \x1b",), (table,), {"coverage": plot}))
    return run


def test_the_page_is_shown_as_it_was_written(ranked: Path, serve: Callable[..., Any]) -> None:
    with serve(ranked) as client:
        overview = client.json("/api/runs/0/overview")
        together = client.json("/api/overview?runs=0")
        picture = client.get("/api/runs/0/plots/coverage.svg")
    assert overview["notes"] == ["excluded: 1 × ␛"]
    assert overview["recipe"] == [["ratios", "0.5"]]
    (table,) = overview["tables"]
    assert table["title"] == "At 50%"
    assert table["rows"][0][1]["text"] == "50.0"
    (plot,) = overview["plots"]
    assert (plot["name"], plot["title"]) == ("coverage", "Coverage")
    assert plot["alt"] == "coverage against kept, %: asap 0.75 at 50."
    assert picture.status == 200
    assert b">asap</text>" in picture.body
    assert [table["title"] for table in together["tables"]] == ["At 50%"]


def test_no_text_turns_a_line_round(tmp_path: Path, serve: Callable[..., Any]) -> None:
    run = write_run(tmp_path / "ranked", "rank")
    bad = "a\u202eb\x00"
    table = Table(bad, (Column(bad), Column(bad, bad)), ((bad, None),), (bad,))
    plot = LinePlot(bad, bad, bad, (Line(bad, (Point(1, 1),)),))
    write_page(run, Page(bad, (bad,), (table,), {"plot": plot}))
    with serve(run) as client:
        answers = [client.get(f"/api/{path}") for path in ("runs/0/overview", "overview?runs=0")]
    for answer in answers:
        text = json.dumps(answer.json, ensure_ascii=False)
        assert "a<U+202E>b␀" in text
        assert "\u202e" not in text
        assert "\\u0000" not in text


def test_several_pages_say_whose_they_are(ranked: Path, serve: Callable[..., Any]) -> None:
    with serve(ranked, f"again={ranked}") as client:
        answer = client.json("/api/overview?runs=0,1")
        urls = [plot["url"] for plot in answer["plots"]]
        assert [client.get(url).status for url in urls] == [200, 200]
    assert [table["title"] for table in answer["tables"]] == ["ranked: At 50%", "again: At 50%"]
    assert [plot["title"] for plot in answer["plots"]] == ["ranked: Coverage", "again: Coverage"]
    assert len(set(urls)) == 2


@pytest.mark.parametrize("kind", ["rank", "lab"])
def test_an_older_run_names_the_command_to_run_again(
    kind: str, tmp_path: Path, ranked: Path, serve: Callable[..., Any]
) -> None:
    old = write_run(tmp_path / "old", kind)
    with serve(old, ranked) as client:
        (note,) = client.json("/api/runs/0/overview")["notes"]
        together = client.json("/api/overview?runs=0,1")
    assert f"old has no page.json; run the same `asap {kind}` command again" in note
    assert together["notes"] == [f"old: {note}"]
    # What was opened with it is there.
    assert [table["title"] for table in together["tables"]] == ["ranked: At 50%"]


def test_a_training_is_shown_by_its_loss(tmp_path: Path, serve: Callable[..., Any]) -> None:
    log = [{"step": 1, "loss": 2.5}, {"step": 2, "loss": float("nan")}, {"step": 3, "loss": 1.5}]
    data = {"rows": 89, "trained_tokens": 26313, "rows_left_out": {"over_max_length": 29}}
    run = write_run(
        tmp_path / "trained", "train", data=data, training={"n_steps": 3, "seconds": 1.5}, log=log
    )
    with serve(run) as client:
        overview = client.json("/api/runs/0/overview")
    assert dict(overview["summary"]) == {
        "rows": "89",
        "tokens trained on": "26,313",
        "steps": "3",
        "seconds": "1.5",
    }
    assert overview["excluded"] == [{"reason": "over_max_length", "count": 29}]
    (plot,) = overview["plots"]
    assert plot["alt"] == "loss, nats against step: from 2.5 at 1 to 1.5 at 3."
