"""What runs in the checker's process: a problem's tests, calling the solution in its own process.

The only place where `passed` comes from, and only after the tests ran to their end and called the
solution at least once. The data set's code is run here, so this process is jailed as well.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, NoReturn

from asap.judge.codec import BadFrame, Codec
from asap.judge.frame import PeerLost, PeerSilent, read_frame, write_frame
from asap.judge.problem import clip

ANSWERS, CALLS, VERDICT, NOTES = 3, 4, 5, 6
"""Descriptors: the solution's answers, the calls to it, and the judge, whom nobody else reaches;
where each call has a limit, the zygote that watches the solution's time.
"""

ENDED = "the process ended during the tests"
"""What the checker says of a process that is gone; the judge knows how it went."""

_MAX_MESSAGE = 2000


class _SolutionRaised(Exception):
    """The solution raised an exception in a call; tests may catch it."""


class _SolutionLost(BaseException):
    """The solution can answer no more; tests cannot catch this."""


class Candidate:
    """The solution as the tests see it: a callable that asks the other process.

    Args:
        codec: knows the tests' name space.
        wait_s: wall seconds for all answers together.
        answer_wait_s: wall seconds for each of them.
        is_noted: the zygote is told of every answer.
    """

    def __init__(self, codec: Codec, wait_s: float, answer_wait_s: float, is_noted: bool) -> None:
        self._codec = codec
        self._wait_s = wait_s
        self._answer_wait_s = answer_wait_s
        self._is_noted = is_noted
        self._is_ready = False
        self.n_calls = 0
        self.failure: Exception | None = None
        """The last exception that the solution raised; `outcome` and `message` tell what it means.
        """
        self.lost: _SolutionLost | None = None
        """Set for good once the solution cannot answer any more."""
        self.outcome = ""
        self.message = ""

    def __call__(self, *arguments: object, **keywords: object) -> Any:
        """Ask the solution.

        Raises:
            _SolutionRaised: it raised an exception.
            _SolutionLost: it cannot answer.
        """
        self.wait_until_ready()
        call = self._codec.dumps([list(arguments), keywords] if keywords else [list(arguments)])
        self.n_calls += 1
        try:
            write_frame(CALLS, call)
        except PeerLost:
            self._lose("runtime_error", ENDED)
        kind, body = self._receive()
        if kind == "value":
            return body
        if kind == "not_plain":
            self._lose("wrong_answer", f"the answer is {body}")
        if kind != "raised":
            self._lose("violation", "the process broke the protocol: an answer of no known kind")
        self.outcome, self.message = _read_raised(body)
        self.failure = _SolutionRaised(self.message)
        raise self.failure

    def wait_until_ready(self) -> None:
        """Return once the solution's own code has run and defines the entry point.

        Raises:
            _SolutionLost: it does not.
        """
        if self.lost is not None:
            raise self.lost
        if self._is_ready:
            return
        kind, body = self._receive()
        if kind == "no_answer":
            self._lose("no_answer", body)
        if kind == "raised":
            self._lose(*_read_raised(body))
        if kind != "ready":
            self._lose("violation", "the process broke the protocol: an answer before any call")
        self._is_ready = True

    def _receive(self) -> tuple[str, Any]:
        start_s = time.monotonic()
        try:
            frame = read_frame(ANSWERS, min(self._wait_s, self._answer_wait_s))
            if self._is_noted:
                _note_answer()
            report = self._codec.loads(frame)
            if type(report) is not list or len(report) != 2:
                raise BadFrame("no pair")
            kind, body = report
            if kind != "value" and type(body) is not str:
                raise BadFrame("no message")
            return kind, body
        except MemoryError:
            self._lose("violation", "the process broke the protocol: an answer too large to hold")
        except BadFrame as error:
            self._lose("violation", f"the process broke the protocol: {error}")
        except PeerLost:
            self._lose("runtime_error", ENDED)
        except PeerSilent:
            self._lose("timed_out", "no answer came within the time given")
        finally:
            self._wait_s -= time.monotonic() - start_s

    def _lose(self, outcome: str, message: str) -> NoReturn:
        self.outcome, self.message = outcome, message
        self.lost = _SolutionLost(message)
        raise self.lost from None


def _note_answer() -> None:
    """Let the zygote read the solution's clock while the solution has nothing to do.

    Raises:
        PeerLost: the process has ended, perhaps because the call took too long.
    """
    try:
        if os.write(NOTES, b"?") and os.read(NOTES, 1):
            return
    except OSError:
        pass
    raise PeerLost


def _read_raised(text: str) -> tuple[str, str]:
    return "memory" if text.startswith("MemoryError") else "runtime_error", text


def check(job: dict[str, Any], namespace: dict[str, Any]) -> None:
    """Run the tests and tell the judge what came of them."""
    candidate = Candidate(Codec(namespace), job["wait_s"], job["answer_wait_s"], job["is_noted"])
    outcome, message = _run_tests(job, namespace, candidate)
    test_index = None if outcome == "passed" or not candidate.n_calls else candidate.n_calls - 1
    report = {"outcome": outcome, "test_index": test_index, "message": message[:_MAX_MESSAGE]}
    os.write(VERDICT, json.dumps(report).encode())


def _run_tests(
    job: dict[str, Any], namespace: dict[str, Any], candidate: Candidate
) -> tuple[str, str]:
    if job["entry_point"].isidentifier():
        namespace[job["entry_point"]] = candidate  # some tests call the function by its name
    try:
        exec(compile(job["tests"], "<tests>", "exec", dont_inherit=True), namespace)
        candidate.wait_until_ready()
        namespace["check"](candidate)
    except BaseException as error:
        return _explain(error, job["tests"], candidate)
    if candidate.lost is not None:  # and the tests went on all the same
        return candidate.outcome, candidate.message
    if not candidate.n_calls:
        return "broken", "its tests never call the solution"
    return "passed", ""


def _explain(error: BaseException, tests: str, candidate: Candidate) -> tuple[str, str]:
    """What an exception that escaped the tests says of the solution."""
    is_its_own = candidate.failure is not None and candidate.failure in (error, error.__context__)
    if candidate.lost is not None or is_its_own:
        return candidate.outcome, candidate.message
    if not candidate.n_calls:
        return "broken", f"its tests cannot be run: {type(error).__name__}: {error}"
    if type(error) is AssertionError and str(error):  # it says what is wrong
        return "wrong_answer", str(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return "wrong_answer", f"{_find_line(error, tests)}: {clip(text, 150)}"


def _find_line(error: BaseException, tests: str) -> str:
    """The innermost line of the tests that the exception passed through."""
    lines, number = tests.split("\n"), 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<tests>":
            number = trace.tb_lineno
        trace = trace.tb_next
    return clip(lines[number - 1].strip(), 140) if 0 < number <= len(lines) else "tests"
