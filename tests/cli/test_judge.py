"""`asap judge`: verdicts by id, the ceiling, both scores, one clear line for what is wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asap.errors import SandboxError
from asap.judge import Judge

Asap = Callable[..., subprocess.CompletedProcess[str]]
N = 4


@pytest.fixture(scope="session", autouse=True)
def _sandbox() -> None:
    try:
        with Judge():
            pass
    except SandboxError as error:
        pytest.skip(str(error))


def problem(number: int, canonical: int | None = None) -> dict[str, Any]:
    """In HumanEval's format: a function that returns its problem's number."""
    return {
        "task_id": f"HumanEval/{number}",
        "prompt": 'def number():\n    """ Which? """\n',
        "entry_point": "number",
        "canonical_solution": f"    return {number if canonical is None else canonical}\n",
        "test": f"def check(candidate):\n    assert candidate() == {number}\n",
    }


def solution(number: int, value: Any, **more: Any) -> dict[str, Any]:
    text = None if value is None else f"def number():\n    return {value}\n"
    return {"id": f"HumanEval/{number}", "solution": text, **more}


@pytest.fixture
def run_judge(
    asap: Asap, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `asap judge` on four problems, the last of which fails its own canonical solution."""
    write_jsonl(tmp_path / "problems.jsonl", [problem(n) for n in range(N - 1)] + [problem(3, -1)])

    def run(rows: list[Any], *flags: str) -> subprocess.CompletedProcess[str]:
        write_jsonl(tmp_path / "in.jsonl", rows)
        words = ["--benchmark", "humaneval", "--data", "humaneval=problems.jsonl", *flags]
        return asap("judge", "in.jsonl", *words)

    return run


def test_right_wrong_and_missing_answers(run_judge: Any, tmp_path: Path) -> None:
    rows = [solution(3, 3), solution(0, 0), solution(1, "[]"), solution(2, None)]
    done = run_judge([*rows[:3], ""], "-o", "out.jsonl", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("humaneval: problems.jsonl (sha256 ")
    assert lines[1].startswith("sandbox: landlock+seccomp")
    assert ", Landlock ABI " in lines[1]
    assert lines[2].startswith("limits (robust): 10 s of CPU time for a function, ")
    assert lines[3:8] == [
        "ceiling: 2 of 3 canonical solutions of these problems pass here",
        "  HumanEval/3: wrong_answer: assert candidate() == 3: AssertionError",
        # Wilson's interval for 2 of 3, and for 2 of 4.
        "Pass@1 of the 3 problems in the file: 66.7% [20.8%, 93.9%]",
        "Pass@1 of all 4 problems: 50.0% [15.0%, 85.0%]; 1 not in the file counted as not passed",
        "outcomes: 2 passed · 1 wrong_answer",
    ]
    assert lines[8].startswith("time: ")
    assert lines[8].endswith(" s, 1 at a time")
    verdicts = [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    ]
    cpu_s = [verdict.pop("cpu_s") for verdict in verdicts]
    assert all(0 < seconds < 10 for seconds in cpu_s)
    passed = {"sample": 0, "verdict": "passed", "test_index": None, "message": ""}
    message = "assert candidate() == 1: AssertionError"
    wrong = {"sample": 0, "verdict": "wrong_answer", "test_index": 0, "message": message}
    assert sorted(verdicts, key=lambda verdict: verdict["id"]) == [
        {"id": "HumanEval/0", **passed},
        {"id": "HumanEval/1", **wrong},
        {"id": "HumanEval/3", **passed},
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        "in.jsonl",
        "out.jsonl",
        "problems.jsonl",
    }


def test_several_samples_and_none_as_json(run_judge: Any) -> None:
    rows = [solution(0, 0), solution(0, 9, sample=1), solution(1, 1), solution(2, None)]
    done = run_judge(rows, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["benchmark"], summary["problems"], summary["samples"]) == ("humaneval", 4, 4)
    assert summary["problems_answered"] == 3
    assert summary["outcomes"] == {"passed": 2, "wrong_answer": 1, "no_answer": 1}
    # A half, one and nothing, over three problems and over four.
    assert summary["pass_at_1_of_answered"]["estimate"] == pytest.approx(0.5)
    assert summary["pass_at_1"]["estimate"] == pytest.approx(0.375)
    assert summary["ceiling"] == {"problems": 3, "passed": 3, "failed": {}}
    assert summary["limits"] == {"call_cpu_s": 10.0, "program_cpu_s": 6.0, "raised_cpu_s": {}}
    assert summary["sandbox"]["timing"] == "robust"
    assert summary["sandbox"]["kind"].startswith("landlock+seccomp")
    (file,) = summary["files"]
    assert (file["name"], len(file["sha256"]), file["revision"]) == ("problems.jsonl", 64, None)


def test_compressed_solutions_and_a_benchmark_without_canonical_ones(
    asap: Asap, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    tests = [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]
    row = {
        "question_title": "Sum",
        "question_content": "Print the sum.",
        "question_id": "abc900_a",
        "starter_code": "",
        "public_test_cases": json.dumps(tests),
        "private_test_cases": "[]",
        "metadata": "{}",
    }
    write_jsonl(tmp_path / "test.jsonl", [row])
    line = {"id": "abc900_a", "solution": "print(sum(map(int, input().split())))"}
    with pa.CompressedOutputStream(str(tmp_path / "in.jsonl.zst"), "zstd") as stream:
        stream.write(json.dumps(line).encode())
    done = asap(
        *("judge", "in.jsonl.zst", "--benchmark", "livecodebench:v1", "--lcb", "official"),
        *("--data", "livecodebench=."),
    )
    assert done.returncode == 0, done.stderr
    assert "ceiling: unknown, livecodebench has no canonical solutions" in done.stdout
    assert "outcomes: 1 passed\n" in done.stdout


def test_the_paper_s_limits_are_named(run_judge: Any) -> None:
    done = run_judge([solution(0, None)], "--timing", "paper")
    assert done.returncode == 0, done.stderr
    assert "limits (paper): 3 s of wall time for a function, 6 s for each test" in done.stdout
    assert "outcomes: 1 no_answer\n" in done.stdout


@pytest.mark.parametrize(
    ("rows", "flags", "complaint"),
    [
        ([solution(0, 0), "{"], [], "in.jsonl, line 2 is no JSON: "),
        (["", {"id": "HumanEval/0"}], [], "in.jsonl, line 2 is no solution: 'solution': Field r"),
        ([], [], "in.jsonl holds no solutions"),
        ([solution(9, 9)], [], "humaneval has no problem 'HumanEval/9'"),
        ([solution(1, 1), solution(1, 2)], [], "sample 0 of 'HumanEval/1' comes twice"),
        ([solution(0, 0)], ["-o", "no/such/folder"], "--output no/such/folder is a folder, or"),
        ([solution(0, 0)], ["--data", "humaneval=x"], "--data names humaneval twice"),
        ([solution(0, 0)], ["--data", "problems.jsonl"], "--data problems.jsonl: write NAME=PATH"),
        ([solution(0, 0)], ["--data", "humanevil=x"], "--data humanevil=x: write NAME=PATH, wher"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    run_judge: Any, tmp_path: Path, rows: list[Any], flags: list[str], complaint: str
) -> None:
    done = run_judge(rows, "-o", "out.jsonl", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"asap: {complaint}")
    assert not (tmp_path / "out.jsonl").exists()
