"""`asap compare` from folders to tables: two arms, two seeds each, two budgets, two benchmarks."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]
LCB = "livecodebench:v4_v5"


def rows(passed: str, tokens: list[int], times: list[float] | None = None) -> list[Any]:
    return [("abcd"[n], passed[n] == "x", tokens[n], times[n] if times else None) for n in range(4)]


@pytest.fixture
def runs(tmp_path: Path, write_eval_run: Callable[..., Path]) -> list[str]:
    seeds = {
        "o1": ("original", "xx..", [100, 200, 300, 400], [1.0, 2.0, 3.0, 4.0], "x...", "...."),
        "o2": ("original", "x...", [200, 300, 400, 500], [2.0, 3.0, 4.0, 5.0], "....", "...."),
        "a1": ("asap", "xxx.", [50, 100, 150, 200], [0.5, 1.0, 1.5, 2.0], "xx..", "x..."),
        "a2": ("asap", "xx..", [60, 110, 160, 210], [1.0, 1.5, 2.0, 2.5], "x...", "...."),
    }
    for name, (label, whole, tokens, times, cut, hard) in seeds.items():
        results = {
            "humaneval": {6144: rows(whole, tokens, times), 4096: rows(cut, [40] * 4)},
            LCB: {10240: rows(hard, [9] * 4), 8192: rows("....", [8] * 4)},
        }
        write_eval_run(tmp_path / name, label, results)
    return list(seeds)


def read_csv(done: Done) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_everything_in_order(asap: Asap, runs: list[str]) -> None:
    done = asap("compare", *runs)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    titles = [
        "Pass@1, tokens and latency under the largest common budget",
        "Differences to original",
        "humaneval over budgets",
        f"{LCB} over budgets",
        "humaneval: Pass@1 % over budgets",
        f"{LCB}: Pass@1 % over budgets",
        "Differences to original, tested",
        "Details",
    ]
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line for line in lines if line in titles] == titles
    # Pass@1 3/8 and 5/8; tokens (250 + 350) / 2 and (125 + 135) / 2; seconds (2.5 + 3.5) / 2 and
    # (1.25 + 1.75) / 2; 0/8 and 1/8, nine tokens each, times unknown.
    words = [line.split() for line in lines]
    assert ["original", "37.5", "300", "3.00", "0.0", "9*", "-"] in words
    assert ["asap", "62.5*", "130*", "1.50*", "12.5*", "9*", "-"] in words


def test_the_main_table(asap: Asap, runs: list[str]) -> None:
    done = asap("compare", *runs, "--table", "main", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    assert "| original | 37.5 | 300 | 3.00 | 0.0 | **9** | - |" in done.stdout
    assert "| asap | **62.5** | **130** | **1.50** | **12.5** | **9** | - |" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("| asap | +")]
    cells = line.split(" | ")
    assert [cell.split()[0] for cell in cells[1:4]] == ["+25.0", "-170", "-1.50"]


def test_the_sweep(asap: Asap, runs: list[str]) -> None:
    done = asap("compare", *runs, "--table", "sweep", "--format", "latex")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(r"\begin{table}") == 2
    assert r"\multicolumn{3}{c}{4k} & \multicolumn{3}{c}{6k}" in done.stdout
    assert r"asap & \textbf{37.5} & \textbf{40} & - & \textbf{62.5}" in done.stdout


def test_the_points_of_the_figure(asap: Asap, runs: list[str]) -> None:
    points = read_csv(asap("compare", *runs, "--table", "figure", "--format", "csv"))
    found = [(p["benchmark"], p["arm"], p["budget, tokens"], float(p["Pass@1 %"])) for p in points]
    assert found == [
        ("humaneval", "original", "4096", 12.5),
        ("humaneval", "asap", "4096", 37.5),
        ("humaneval", "original", "6144", 37.5),
        ("humaneval", "asap", "6144", 62.5),
        (LCB, "original", "8192", 0),
        (LCB, "asap", "8192", 0),
        (LCB, "original", "10240", 0),
        (LCB, "asap", "10240", 12.5),
    ]
    assert all(float(p["Pass@1 % low"]) <= float(p["Pass@1 %"]) for p in points)


def test_the_differences(asap: Asap, runs: list[str]) -> None:
    done = asap("compare", *runs, "--table", "differences", "--format", "csv")
    table = {row["measure"]: row for row in read_csv(done) if row["benchmark"] == "humaneval 6k"}
    accuracy, tokens = table["Pass@1, points"], table["tokens"]
    assert (accuracy["mean value"], accuracy["mean baseline"], accuracy["mean difference"]) == (
        "62.5",
        "37.5",
        "25",
    )
    # McNemar's test is for one seed each.
    assert accuracy["test p"] == ""
    assert tokens["mean difference"] == "-170"
    # All four problems are shorter: 2 of 2^4 sign patterns; one arm, nothing to adjust.
    assert (tokens["test p"], tokens["test p, Holm"]) == ("0.125", "0.125")
    assert float(tokens["mean difference low"]) < -170 < float(tokens["mean difference high"])
    # Both solve a (150 and 55 tokens on average) and b (200 and 105).
    both = table["tokens where both pass (2)"]
    assert (both["mean value"], both["mean baseline"], both["mean difference"]) == (
        "80",
        "175",
        "-95",
    )
    assert table["s per request"]["mean difference"] == "-1.5"
    assert "asap: p: exact McNemar" in done.stderr


def test_the_details(asap: Asap, runs: list[str]) -> None:
    details = read_csv(asap("compare", *runs, "--table", "details", "--format", "csv"))
    (row,) = [r for r in details if (r["benchmark"], r["arm"]) == ("humaneval 6k", "asap")]
    assert (row["number of problems"], row["number of samples"]) == ("4", "8")
    assert (row["output cut off %"], row["output </think> %"], row["Pass@1 % ceiling"]) == (
        "0",
        "100",
        "75",
    )
    # The completions are one token over and over; five of the eight have a hundred and more.
    assert row["output loops %"] == "75"
    assert (row["Pass@1 % of finished"], row["seconds median"], row["seconds p95"]) == (
        "62.5",
        "7",
        "9",
    )


def test_names_and_baseline(asap: Asap, runs: list[str], tmp_path: Path) -> None:
    arguments = ["new=a1", "o1", "--baseline", "original", "--table", "differences"]
    table = read_csv(asap("compare", *arguments, "--format", "csv"))
    assert {row["arm"] for row in table} == {"new"}
    accuracy = table[0]
    # One problem more, of one that differs: McNemar's p is 1, and no four problems show a thing.
    assert (accuracy["mean difference"], accuracy["test p"], accuracy["test smallest"]) == (
        "25",
        "1",
        "",
    )


def test_into_a_file(asap: Asap, runs: list[str], tmp_path: Path) -> None:
    done = asap("compare", *runs, "--output", "tables.txt")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "tables.txt").read_text("utf-8") == asap("compare", *runs).stdout
    done = asap("compare", *runs, "-o", "no/such/tables.md", "--format", "markdown")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["asap: cannot write no/such/tables.md: No such file or directory"],
    )


def test_several_tables_in_one_csv_have_their_titles(asap: Asap, runs: list[str]) -> None:
    done = asap("compare", *runs, "--format", "csv", "--table", "sweep")
    lines = list(csv.reader(io.StringIO(done.stdout)))
    assert lines[0] == ["humaneval over budgets"]
    assert lines[1][:2] == ["arm", "4k Pass@1 %"]
    assert lines[lines.index([]) + 1] == [f"{LCB} over budgets"]


def test_what_only_some_have_is_said(
    asap: Asap, runs: list[str], tmp_path: Path, write_eval_run: Callable[..., Path]
) -> None:
    write_eval_run(tmp_path / "small", "small", {"humaneval": {4096: rows("x...", [5] * 4)}})
    done = asap("compare", "o1", "small", "--table", "main")
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["small", "25.0*", "5*", "-", "-", "-", "-"] in words
    assert f"{LCB} is not in small" in done.stdout
    done = asap("compare", "o1", "small", "--table", "sweep")
    assert "humaneval under 6k is not in small" in done.stdout


def test_one_run_alone_has_no_differences(asap: Asap, runs: list[str]) -> None:
    done = asap("compare", "o1")
    assert done.returncode == 0, done.stderr
    assert "original" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["=o1"], "'=o1' is neither a folder nor NAME=FOLDER"),
        (["o1", "o1"], "o1 is named twice; a seed counts once"),
        (["o1", "--baseline", "x"], "there is no arm 'x' to be the baseline, only original"),
    ],
)
def test_what_is_refused(asap: Asap, runs: list[str], arguments: list[str], said: str) -> None:
    done = asap("compare", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"asap: {said}"]
