"""A judge for these tests: in this process, without a sandbox, for code that we know."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
        space = {"__name__": "solution"}
        checker = {"__name__": "checker"}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(problem.preamble, space)
                exec(solution, space)
                candidate = eval(problem.entry_point, space)
        except Exception as error:
            return "runtime_error", repr(error)
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
