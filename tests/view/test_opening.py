"""Which folders can be opened, what they are called, and what is said of the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.errors import InputError, RunFolderError
from asap.view import open_run_folders
from asap.view.api import Api


def write_report(folder: Path, **report: Any) -> Path:
    folder.mkdir(parents=True)
    head = {"kind": "prune", "format_version": 1, "status": "finished"}
    (folder / "report.json").write_text(json.dumps(head | report), "utf-8")
    return folder


def test_names_are_folders_names_made_unique_or_given(tmp_path: Path) -> None:
    folders = [write_report(tmp_path / name / "run") for name in "abc"]
    opened = open_run_folders([str(folders[0]), str(folders[1]), f"run (2)={folders[2]}"])
    assert [folder.name for folder in opened] == ["run", "run (2)", "run (2) (2)"]
    assert [folder.path for folder in opened] == folders


def test_a_folder_with_a_sign_in_its_name_is_a_folder(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "ratio=0.5")
    assert open_run_folders([str(folder)])[0].name == "ratio=0.5"


@pytest.mark.parametrize("argument", ["=x", "x="])
def test_half_an_argument_is_refused(argument: str) -> None:
    with pytest.raises(InputError, match="NAME=FOLDER"):
        open_run_folders([argument])


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"kind": "bake"}, "kind 'bake'; this asap shows prune, eval, rank, lab, train"),
        ({"format_version": 2}, "format version 2; this asap reads 1"),
        ({"format_version": "x"}, "is not a report of asap"),
        ({"kind": None}, "is not a report of asap"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    tmp_path: Path, report: dict[str, Any], said: str
) -> None:
    folder = write_report(tmp_path / "run", **report)
    with pytest.raises(RunFolderError) as caught:
        open_run_folders([str(folder)])
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', ""])
def test_a_report_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"report\.json"):
        open_run_folders([str(tmp_path)])


def test_no_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunFolderError, match=r"is no run folder: it has no report\.json"):
            open_run_folders([str(folder)])


@pytest.mark.parametrize("name", ["run[1-3]", "a*b?", "x'y", "[[", "ü 漢"])
def test_a_folder_may_have_any_name(
    run: Path, tmp_path: Path, name: str, serve: Callable[..., Any]
) -> None:
    shutil.copytree(run, tmp_path / name)
    with serve(tmp_path / name) as client:
        assert client.json("/api/runs/0/traces?limit=1")["total"] == 40
        assert client.json("/api/runs/0/traces/39")["row"] == 39
        assert client.json("/api/runs")["runs"][0]["name"] == name


def test_a_broken_shard_is_named(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "traces" / "000001.parquet").write_bytes(b"PAR1 no more PAR1")
    with pytest.raises(RunFolderError) as caught:
        Api(open_run_folders([str(broken)]))
    assert "000001.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unfinished_run_shows_what_it_has(
    run: Path, tmp_path: Path, serve: Callable[..., Any], read_traces: Callable[..., Any]
) -> None:
    half = tmp_path / "half"
    shutil.copytree(run, half)
    (half / "traces" / "000001.parquet").unlink()
    (half / "traces" / "000003.tmp").write_bytes(b"in flight")
    report = json.loads((half / "report.json").read_text("utf-8"))
    begun = {key: report[key] for key in ("kind", "format_version", "identity")}
    (half / "report.json").write_text(json.dumps({**begun, "status": "unfinished"}))
    with serve(half) as client:
        (listed,) = client.json("/api/runs")["runs"]
        assert (listed["status"], listed["rows"]) == ("unfinished", 24)
        overview = client.json("/api/runs/0/overview")
        assert "24 traces are finished" in overview["notes"][0]
        assert dict(overview["summary"])["rows in"] == "24"
        rows = [row["row"] for row in client.json("/api/runs/0/traces")["rows"]]
        assert rows == [row["row"] for row in read_traces(half)]
        assert client.get("/api/runs/0/traces/20").status == 404
        assert client.json("/api/runs/0/traces/33")["row"] == 33
        found = client.json("/api/runs/0/search?q=total_33")
        assert {hit["row"] for hit in found["hits"]} == {34}


def test_a_run_that_has_just_begun_is_empty(tmp_path: Path, serve: Callable[..., Any]) -> None:
    folder = write_report(tmp_path / "new", status="unfinished", identity={})
    with serve(folder) as client:
        overview = client.json("/api/runs/0/overview")
        assert dict(overview["summary"])["rows in"] == "0"
        assert overview["plots"] == []
        page = client.json("/api/runs/0/traces")
        assert (page["total"], page["rows"], page["reasons"]) == (0, [], [])
        assert page["ranges"]["kept"] is None
        assert client.json("/api/runs/0/search?q=a") == {
            "hits": [],
            "cursor": None,
            "n_searched": 0,
            "n_rows": 0,
        }


def test_runs_of_the_same_rows_are_comparable(
    run: Path, tail: Path, tmp_path: Path, serve: Callable[..., Any]
) -> None:
    other = write_report(tmp_path / "other", identity={"input": "another"})
    plain = write_report(tmp_path / "model", kind="train", identity={"input": "another"})
    with serve(run, other, f"last={tail}", plain) as client:
        runs = client.json("/api/runs")["runs"]
    assert [each["n"] for each in runs] == [0, 1, 2, 3]
    assert [each["name"] for each in runs] == ["run", "other", "last", "model"]
    assert [each["kind"] for each in runs] == ["prune", "prune", "prune", "train"]
    assert [each["is_comparable"] for each in runs] == [True, False, True, False]
