"""`asap show`: one trace in the terminal, fates told apart without colour."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]
SIGNS = {" ": "kept", "-": "stage1", "~": "stage2"}


@pytest.fixture
def run(pruned: tuple[Path, Done]) -> Path:
    return pruned[0]


def evidence(run: Path, row: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = (
        pq.ParquetFile(run / "traces" / "000000.parquet").read().to_pylist()
    )
    return rows[row]


def test_fates_are_told_apart_by_signs(asap: Asap, run: Path) -> None:
    done = asap("show", run, "--row", "0")
    assert done.returncode == 0, done.stderr
    trace = evidence(run, 0)
    lines = re.findall(r"^ ([ ~-]) +(\d+) +(\d+\.\d\d)? +(\S.*?) *$", done.stdout, re.MULTILINE)
    assert [int(line[1]) for line in lines] == list(range(len(trace["steps"])))
    assert [SIGNS[line[0]] for line in lines] == [step["fate"] for step in trace["steps"]]
    assert {line[0] for line in lines} == set(SIGNS)
    for line, step in zip(lines, trace["steps"], strict=True):
        text = trace["thinking"][step["start"] : step["end"]]
        assert text.startswith(line[3].strip())
        assert line[2] == ("" if step["surprisal"] is None else f"{step['surprisal']:.2f}")
    assert trace["question"] in " ".join(done.stdout.split())
    assert trace["answer"].splitlines()[1] in done.stdout
    n_kept = [step["fate"] for step in trace["steps"]].count("kept")
    assert f"[ ] {n_kept} kept" in done.stdout
    assert f"tokens {trace['tokens_before']} → {trace['tokens_after']}" in done.stdout
    assert "stage 1: extract" in done.stdout


def test_by_id_and_by_row_are_the_same(asap: Asap, run: Path) -> None:
    by_id, by_row = asap("show", run, "t-1"), asap("show", run, "--row", "1")
    assert by_id.returncode == 0
    assert by_id.stdout == by_row.stdout


def test_without_a_name_the_rows_are_listed(asap: Asap, run: Path) -> None:
    done = asap("show", run)
    assert done.returncode == 0
    assert "t-1 " in done.stdout
    assert "excluded: " in done.stdout
    assert len([line for line in done.stdout.splitlines() if " kept " in line]) == 10


def test_an_excluded_row_says_why(asap: Asap, run: Path) -> None:
    done = asap("show", run, "--row", "2")
    assert done.returncode == 0
    words = " ".join(done.stdout.split())
    assert f"excluded: {evidence(run, 2)['reason']} (in.jsonl, line 3" in words


def test_no_escape_codes_where_there_is_no_terminal(asap: Asap, run: Path) -> None:
    for arguments in ([], ["--row", "0"], ["--row", "2"]):
        assert "\x1b" not in asap("show", run, *arguments, TERM="xterm-256color").stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["nobody"], "no id 'nobody'"), (["--row", "99"], "no row 99"), (["--row", "-1"], "row -1")],
)
def test_what_is_not_there(asap: Asap, run: Path, arguments: list[str], named: str) -> None:
    done = asap("show", run, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("asap: ")
    assert named in line
    assert "lists the rows" in line


@pytest.mark.parametrize("name", [".", "no-such-folder"])
def test_a_folder_that_is_no_run(asap: Asap, name: str) -> None:
    done = asap("show", name)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"asap: {name} is no run folder: it has no report.json"


def test_a_format_of_the_future_is_refused_by_name(asap: Asap, tmp_path: Path) -> None:
    report = '{"kind": "prune", "format_version": 7}'
    (tmp_path / "report.json").write_text(report, encoding="utf-8")
    done = asap("show", ".")
    assert done.returncode == 2
    assert "format version 7" in done.stderr


def test_brackets_in_a_trace_are_no_markup(
    asap: Asap, tmp_path: Path, write_jsonl: Callable[..., Path], tiny_model: Path
) -> None:
    thinking = "\n\n".join(f"Take [bold]a[/bold] and [/red] {i}." for i in range(8))
    generation = f"<think>\n{thinking}\n</think>\n\n[/x] 5"
    rows = [{"id": "[bold]me[/nope]", "prompt": "[red]Q[/blue]", "generation": generation}]
    write_jsonl(tmp_path / "in.jsonl", rows)
    flags = ["--scorer", tiny_model, "--stage2", "none"]
    assert asap("prune", "in.jsonl", "-o", "[run]", *flags).returncode == 0
    assert "[bold]me[/nope]" in asap("show", "[run]").stdout
    shown = asap("show", "[run]", "--row", "0")
    assert shown.returncode == 0, shown.stderr
    for text in ("[bold]a[/bold]", "[/red] 0", "[red]Q[/blue]", "[/x] 5", "[bold]me[/nope]"):
        assert text in shown.stdout


def test_a_reader_that_goes_away_is_no_error(run: Path, environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "asap.cli.main", "show", run, "--row", "0"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_new_text_of_an_llm_is_shown_with_its_tokens(
    asap: Asap, tiny_model: Path, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    row = {"id": "a", "prompt": "Q?", "generation": "<think>\nOne, two, three.\n</think>\n3"}
    write_jsonl(tmp_path / "in.jsonl", [row])
    write_jsonl(tmp_path / "said.jsonl", [{"id": "a", "purpose": "compress", "text": "Three."}])
    words = ["--method", "c3ot", "--llm-url", "replay:said.jsonl", "--scorer", tiny_model]
    done = asap("prune", "in.jsonl", "-o", "run", *words)
    assert done.returncode == 0, done.stderr
    assert "steps" not in done.stdout
    shown = asap("show", "run", "--row", "0").stdout
    (before, after) = pq.ParquetFile(tmp_path / "run" / "data" / "000000.parquet").read(
        ["tokens_before", "tokens_after"]
    )
    assert f"new text, tokens {before[0]} → {after[0]}; stage 1: c3ot, attempt 1" in shown
    assert "Three." in shown
    assert "One, two, three." not in shown


def test_a_method_s_own_score_is_shown_by_its_name(
    asap: Asap, source: Path, tmp_path: Path
) -> None:
    flags = ["--method", "tail", "--max-excluded", "0.5"]
    done = asap("prune", source, "-o", "tail", *flags)
    assert done.returncode == 0, done.stderr
    shown = asap("show", "tail", "--row", "0")
    words = " ".join(shown.stdout.split())
    assert "score: steps from the beginning, the lowest went first" in words
    scores = re.findall(r"^ [ ~] +\d+ +(\d+\.\d\d)", shown.stdout, re.MULTILINE)
    assert [float(score) for score in scores] == [float(n) for n in range(len(scores))]
    assert "stage 1: none" not in shown.stdout


@pytest.mark.parametrize(
    ("flags", "sign"),
    [(("--method", "random"), "~"), (("--stage1", "none"), "~"), (("--stage2", "none"), "-")],
)
def test_of_one_stage_a_step_is_dropped_and_no_more(
    asap: Asap, source: Path, tiny_model: Path, tmp_path: Path, flags: tuple[str, ...], sign: str
) -> None:
    more = ("--scorer", tiny_model, "--max-excluded", "0.5")
    done = asap("prune", source, "-o", "run", *flags, *more)
    assert done.returncode == 0, done.stderr
    shown = asap("show", "run", "--row", "0").stdout
    steps = evidence(tmp_path / "run", 0)["steps"]
    n_kept = [step["fate"] for step in steps].count("kept")
    assert f"[ ] {n_kept} kept   [{sign}] {len(steps) - n_kept} dropped" in shown
    assert "dropped in stage" not in shown
