"""A judge for all tests, and problems made of the benchmarks' own files."""

from __future__ import annotations

import ast
import ctypes
import gzip
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asap.judge import CallProblem, Judge, Verdict

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["*.py"]

FULL_CPU_S = 300.0
FOLDER = Path(__file__).parent
SOURCE = FOLDER.parents[1] / "src" / "asap"


@pytest.fixture(scope="session", autouse=True)
def _landlock() -> None:
    """Asks the kernel itself, so that a judge that refuses without reason still fails here."""
    if ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 1:
        pytest.skip("this kernel has no Landlock, or has it switched off")


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    with Judge() as judge:
        yield judge


@pytest.fixture(scope="session")
def judge_one(judge: Judge) -> Callable[..., Verdict]:
    def judge_one(problem: Any, solution: str) -> Verdict:
        [verdict] = judge.judge([(problem, solution)])
        return verdict

    return judge_one


@pytest.fixture(scope="session", params=["root", "unprivileged"])
def run_script(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs a script of this folder as root or as a user without privileges; gives its JSON."""
    is_root = os.geteuid() == 0
    identity: dict[str, Any] = {}
    interpreter = sys.executable
    if request.param == "root" and not is_root:
        pytest.skip("not root")
    if request.param == "unprivileged" and is_root:
        identity = {"user": 65534, "group": 65534, "extra_groups": []}
        found = [name for name in (sys.executable, "/usr/bin/python3") if can_run(name, identity)]
        if not found:
            pytest.skip("no Python 3.11 that user 65534 may run, or the sources are closed to it")
        interpreter = found[0]

    def run_script(script: str, *arguments: str, path: str | None = None) -> Any:
        environment = {"ASAP_TEST_SECRET": secrets.token_hex(), "PATH": path or os.environ["PATH"]}
        finished = subprocess.run(
            [interpreter, str(FOLDER / script), *arguments, str(SOURCE)],
            capture_output=True,
            text=True,
            env=environment,
            **identity,
        )
        assert finished.returncode == 0, finished.stderr
        return json.loads(finished.stdout)

    return run_script


def can_run(interpreter: str, identity: dict[str, Any]) -> bool:
    program = "import sys; open(sys.argv[1]); sys.exit(sys.version_info < (3, 11))"
    try:
        finished = subprocess.run(
            [interpreter, "-c", program, str(SOURCE / "judge" / "judge.py")],
            capture_output=True,
            **identity,
        )
    except OSError:
        return False
    return finished.returncode == 0


@pytest.fixture(scope="session")
def square_problem() -> CallProblem:
    """`f(x)` is x squared; short time, so that attacks which hang are over soon."""
    tests = (
        "def check(candidate):\n    for x in range(3, 8):\n        assert candidate(x) == x * x\n"
    )
    return CallProblem("square", "", "f", tests, cpu_limit_s=0.5)


def read_rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def split_prompt(row: dict[str, Any]) -> str:
    """What a HumanEval prompt defines besides the function asked for."""
    tree = ast.parse(row["prompt"] + "    pass\n")
    tree.body = [node for node in tree.body if getattr(node, "name", "") != row["entry_point"]]
    return ast.unparse(tree) + "\n"


@pytest.fixture(scope="session")
def humaneval(real_data: Path) -> list[tuple[CallProblem, str]]:
    pairs = []
    for row in read_rows(real_data / "humaneval" / "HumanEval.jsonl.gz"):
        preamble = split_prompt(row)
        problem = CallProblem(row["task_id"], preamble, row["entry_point"], preamble + row["test"])
        pairs.append((problem, row["prompt"] + row["canonical_solution"]))
    return pairs


@pytest.fixture(scope="session")
def humaneval_plus(real_data: Path) -> list[tuple[CallProblem, str]]:
    """The native format: inputs, a reference and a tolerance, compared value by value."""
    pairs = []
    for row in read_rows(real_data / "humaneval-plus" / "HumanEvalPlus.jsonl.gz"):
        canonical = row["prompt"] + row["canonical_solution"]
        tests = f"""
{canonical}
import copy, json, math
reference = {row["entry_point"]}
INPUTS = json.loads({json.dumps(row["base_input"] + row["plus_input"])!r})
def is_near(actual, expected):
    if type(expected) is float:
        return math.isclose(actual, expected, rel_tol=1e-7, abs_tol={row["atol"] or 1e-6})
    if isinstance(expected, (list, tuple)) and expected and type(expected[0]) is float:
        return len(actual) == len(expected) and all(map(is_near, actual, expected))
    return actual == expected
def check(candidate):
    for arguments in INPUTS:
        actual = candidate(*copy.deepcopy(arguments))
        if {row["entry_point"] == "find_zero"}:
            assert abs(poly(*arguments, actual)) <= 1e-4
        else:
            assert is_near(actual, reference(*copy.deepcopy(arguments)))
"""
        problem = CallProblem(row["task_id"], "", row["entry_point"], tests, FULL_CPU_S)
        pairs.append((problem, canonical))
    return pairs


@pytest.fixture(scope="session")
def leetcode(real_data: Path) -> list[tuple[CallProblem, str]]:
    pairs = []
    path = real_data / "leetcode-dataset" / "LeetCodeDataset-v0.3.1-test.jsonl.gz"
    for row in read_rows(path):
        tests = f"{row['prompt']}\n{row['test']}"
        problem = CallProblem(row["task_id"], row["prompt"], row["entry_point"], tests, FULL_CPU_S)
        pairs.append((problem, row["completion"]))
    return pairs


@pytest.fixture(scope="session")
def cruxeval(real_data: Path) -> list[tuple[CallProblem, str]]:
    """Output prediction: the answer is an expression, and the checker runs the function itself."""
    pairs = []
    for row in read_rows(real_data / "cruxeval-o-r1" / "traces.jsonl.gz"):
        call = f"def check(candidate):\n    assert candidate() == f({row['input']})\n"
        problem = CallProblem(row["id"], row["code"], "answer", f"{row['code']}\n{call}")
        pairs.append((problem, f"def answer():\n    return {row['expected_output']}\n"))
    return pairs
