"""The page as one file: all in it, nothing asked for from elsewhere, under its size."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.errors import InputError
from asap.view import open_run_folders, write_report_page
from asap.view.page import PAGE


def write(output: Path, *runs: Path | str, n_traces: int = 20) -> tuple[str, list[str]]:
    said = write_report_page(open_run_folders(map(str, runs)), output, n_traces)
    return output.read_text("utf-8"), said


def read_data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="asap-data">(.*?)</script>', html)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.fixture(scope="module")
def html(run: Path, tail: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("file") / "r.html", run, f"last={tail}", n_traces=5)[0]


def test_the_answers_are_the_servers(html: str, client: Any) -> None:
    data = read_data(html)
    assert data["/api/runs"] == {**client.json("/api/runs"), "is_static": True}
    # Rows 0, 8, 16, 24 and 32 of forty.
    rows = [0, 8, 16, 24, 32]
    for n in (0, 1):
        for row in rows:
            path = f"/api/runs/{n}/traces/{row}"
            assert data[path] == client.json(path)
        page, served = data[f"/api/runs/{n}/traces"], client.json(f"/api/runs/{n}/traces")
        assert page["rows"] == [served["rows"][row] for row in rows]
        assert (page["total"], page["offset"]) == (5, 0)
        assert page["ranges"] == served["ranges"]
        overview, served = data[f"/api/runs/{n}/overview"], client.json(f"/api/runs/{n}/overview")
        assert overview["notes"] == [
            "This file holds 5 of 40 traces, spread evenly over the run.",
            *served["notes"],
        ]
        for name in ("summary", "funnel", "excluded", "recipe", "tables"):
            assert overview[name] == served[name]
        for shown, plot in zip(overview["plots"], served["plots"], strict=True):
            svg = base64.b64decode(shown["url"].removeprefix("data:image/svg+xml;base64,"))
            assert svg == client.get(plot["url"]).body
            assert {**shown, "url": ""} == {**plot, "url": ""}
    both = "/api/overview?runs=0,1"
    assert data[both]["tables"] == client.json(both)["tables"]
    assert len(data) == 1 + 1 + 2 * (1 + 1 + 5)


def test_the_modules_are_the_pages(html: str) -> None:
    found = re.search(r'<script type="importmap">(.*?)</script>', html)
    assert found
    modules = json.loads(found[1])["imports"]
    files = {f"asap/{path.name.partition('.')[0]}": path for path in PAGE.glob("*.js")}
    assert set(modules) == set(files)
    for name, url in modules.items():
        content = url.removeprefix("data:text/javascript;charset=utf-8;base64,")
        assert base64.b64decode(content) == files[name].read_bytes()


def test_nothing_comes_from_elsewhere(html: str) -> None:
    outside = re.sub(r'(?s)<script type="(?:application/json|importmap)".*?</script>', "", html)
    assert not re.search(r"(?:https?:)?//\w", outside)
    assert not re.search(r"\b(?:src|href)=\"(?!data:|#)", outside)
    assert "@import" not in outside
    assert "url(" not in re.sub(r"url\(\"?(?:data:|#)", "", outside)


def test_its_policy_names_what_stands_inline(html: str) -> None:
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert found
    policy = {name: values for name, *values in (t.split() for t in found[1].split(";"))}
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [
        ' type="application/json" id="asap-data"',
        ' type="importmap"',
        ' type="module"',
    ]
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for _, text in scripts[1:]
    ]
    assert policy["script-src"] == ["data:", *digests]
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:"]
    assert "connect-src" not in policy
    assert html.index("<meta http-equiv") < html.index("<script")


def test_hostile_text_cannot_end_its_script(
    tmp_path: Path, prune: Callable[..., Path], write_jsonl: Callable[..., Path]
) -> None:
    text = "</script><script>alert(1)</script><!-- <script> ]]> \u2028 \x00"
    row = {"id": text, "prompt": text, "generation": f"<think>\n{text}\n</think>\n\n{text}"}
    source = write_jsonl(tmp_path / "in.jsonl", [row])
    folder = prune(source, tmp_path / text.replace("/", "_").replace("\x00", ""), method="tail")
    html, _ = write(tmp_path / "r.html", folder)
    assert "alert(1)</" not in html
    assert html.count("<script") == 3
    assert "\x00" not in html
    assert "</script><script>alert(1)" in str(read_data(html)["/api/runs/0/traces/0"]["question"])


def test_long_traces_are_fewer_and_it_stays_small(
    tmp_path: Path, prune: Callable[..., Path], write_jsonl: Callable[..., Path]
) -> None:
    steps = "\n\n".join(f"Step {n} {'x' * 15_000}." for n in range(60))
    rows = [
        {"id": str(n), "prompt": "Q", "generation": f"<think>\n{steps}\n</think>\n\nA"}
        for n in range(6)
    ]
    folder = prune(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "run", method="tail")
    html, said = write(tmp_path / "r.html", folder, n_traces=6)
    assert len(html.encode()) < 5_000_000
    n_shown = len(read_data(html)["/api/runs/0/traces"]["rows"])
    assert n_shown == 3
    assert said[1] == "run: 3 of 6 traces, spread evenly over the run"
    assert said[2] == "fewer traces than asked for, to stay under 5 MB"


def test_no_traces_at_all_is_a_file_too(run: Path, tmp_path: Path) -> None:
    html, said = write(tmp_path / "r.html", run, n_traces=0)
    assert read_data(html)["/api/runs/0/traces"]["rows"] == []
    assert "0 of 40 traces" in said[1]


def test_a_file_that_cannot_be_written_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*r\.html"):
        write_report_page(open_run_folders([str(run)]), tmp_path / "no" / "r.html", 1)
