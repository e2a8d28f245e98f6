"""A judge for these tests: in this process, without a sandbox, for code that we know."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from asap.bench import open_benchmark
from asap.judge import CallProblem, Verdict


class PlainJudge:
    """Runs canonical solutions and answers of our own; never anyone else's."""

    def judge(self, pairs):
        for problem, solution in pairs:
            started = time.process_time()
            run = self._call if isinstance(problem, CallProblem) else self._run
            outcome, message = run(problem, solution)
            yield Verdict(outcome, None, message, time.process_time() - started)

    def _call(self, problem, solution):
        # Dataclasses look their module up by its name.
        space = vars(sys.modules.setdefault("solution", types.ModuleType("solution")))
        for name in [name for name in space if not name.startswith("__")]:
            del space[name]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(problem.preamble, space)
                exec(solution, space)
        except Exception as error:
            return "runtime_error", repr(error)
        try:
            candidate = eval(problem.entry_point, space)
        except (NameError, AttributeError) as error:
            return "no_answer", repr(error)
        # The tests of HumanEval/33 call the function by its name; the judge binds it, too.
        checker = {"__name__": "checker", problem.entry_point: candidate}
        exec(problem.tests, checker)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                checker["check"](candidate)
        except AssertionError as error:
            return "wrong_answer", str(error)
        except Exception as error:
            return "runtime_error", repr(error)
        return "passed", ""

    def _run(self, problem, solution):
        for given, wanted in zip(problem.inputs, problem.outputs, strict=True):
            finished = subprocess.run(
                [sys.executable, "-c", f"{problem.preamble}\n{solution}"],
                input=given,
                capture_output=True,
                text=True,
                timeout=30,
            )
            if finished.returncode:
                return "runtime_error", finished.stderr[-200:]
            if finished.stdout.split() != wanted.split():
                return "wrong_answer", finished.stdout
        return "passed", ""


@pytest.fixture
def judge():
    return PlainJudge()


@pytest.fixture
def real_data():
    folder = os.environ.get("ASAP_REAL_DATA")
    if not folder:
        pytest.skip("ASAP_REAL_DATA is not set")
    return Path(folder)


@pytest.fixture
def open_rows(tmp_path, write_jsonl):
    """A benchmark whose file holds these rows."""

    def open_file(name, rows):
        return open_benchmark(name, write_jsonl(tmp_path / "rows.jsonl", rows))

    return open_file


@pytest.fixture
def verdict_of(judge):
    """The verdict on one solution of the one problem of a benchmark."""

    def find(dataset, solution):
        (problem,) = dataset.problems()
        (verdict,) = judge.judge([(problem, solution)])
        return verdict

    return find


HUMANEVAL_ROW = {
    "task_id": "HumanEval/900",
    "prompt": "from typing import List\n\n\ndef twice(x: int) -> int:\n    return 2 * x\n\n\n"
    "def doubled(xs: List[int]) -> List[int]:\n"
    '    """ Twice each. >>> doubled([1])\n    [2]\n    """\n',
    "entry_point": "doubled",
    "canonical_solution": "    return [twice(x) for x in xs]\n",
    "test": "\n\ndef check(candidate):\n    assert candidate([1, 2]) == [twice(1), 4]\n"
    "    assert candidate([]) == []\n",
}
"""One row in HumanEval's format, of our own making; its helper is needed on both sides."""


@pytest.fixture
def humaneval_row():
    return dict(HUMANEVAL_ROW)
