"""`asap plot`: which files, for which runs, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.report import Bar, BarPlot, Page, write_page

Asap = Callable[..., Any]


@pytest.fixture
def evaluated(tmp_path: Path, write_eval_run: Callable[..., Path]) -> list[str]:
    for name, passed in (("one", True), ("two", False)):
        problems = [("a", True, 10, None), ("b", passed, 20, None)]
        write_eval_run(tmp_path / name, name, {"humaneval": {64: problems, 128: problems}})
    return ["one", "two"]


@pytest.fixture
def ranked(tmp_path: Path) -> str:
    (tmp_path / "Rank 1").mkdir()
    report = {"kind": "rank", "format_version": 1, "status": "finished"}
    (tmp_path / "Rank 1" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    write_page(tmp_path / "Rank 1", Page("Ranks", plots={"auc": BarPlot("A", "x", (Bar("b", 1),))}))
    return "Rank 1"


@pytest.mark.parametrize(("format", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_every_plot_is_a_file(
    asap: Asap, evaluated: list[str], tmp_path: Path, format: str, head: bytes
) -> None:
    done = asap("plot", *evaluated, "-o", "figures/new", "--format", format)
    assert done.returncode == 0, done.stderr
    names = [f"accuracy-humaneval.{format}", f"tokens-humaneval.{format}"]
    assert sorted(path.name for path in (tmp_path / "figures/new").iterdir()) == names
    assert [line for line in done.stdout.splitlines()] == [
        f"written: figures/new/{name}" for name in names
    ]
    assert all((tmp_path / "figures/new" / name).read_bytes().startswith(head) for name in names)


def test_evaluations_are_in_one_plot(asap: Asap, evaluated: list[str], tmp_path: Path) -> None:
    asap("plot", "first=one", "two", "-o", "figures")
    svg = (tmp_path / "figures" / "accuracy-humaneval.svg").read_text("utf-8")
    assert ">first</text>" in svg
    assert ">two</text>" in svg
    assert ">humaneval: accuracy against budget</text>" in svg


def test_other_runs_go_by_their_names(
    asap: Asap, evaluated: list[str], ranked: str, tmp_path: Path
) -> None:
    done = asap("plot", ranked, "-o", "alone")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["auc.svg"]
    asap("plot", ranked, "one", "-o", "both")
    names = sorted(path.name for path in (tmp_path / "both").iterdir())
    assert names == ["accuracy-humaneval.svg", "rank-1-auc.svg"]


def test_what_is_refused(asap: Asap, evaluated: list[str], ranked: str, tmp_path: Path) -> None:
    (tmp_path / ranked / "page.json").unlink()
    (tmp_path / "file").write_text("", encoding="utf-8")
    cases = [
        (["nowhere"], "asap: nowhere is no run folder: it has no report.json"),
        ([ranked], "asap: there is nothing to plot; Rank 1 has no page.json; run the same"),
        (["one", "-o", "file"], "asap: cannot write to file: File exists"),
    ]
    for arguments, said in cases:
        done = asap("plot", *arguments, *(() if "-o" in arguments else ("-o", "out")))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1
    done = asap("plot", "one", ranked, "-o", "out")
    assert "Rank 1 has no page.json; run the same `asap rank` command again" in done.stdout
