"""A pair of zygotes, one for solutions and one for checkers, that judges one problem at a time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import socket
from dataclasses import dataclass, replace
from typing import Any, Literal

from asap.errors import InputError
from asap.judge.checker import ANSWERS as CHECKER_ANSWERS
from asap.judge.checker import CALLS as CHECKER_CALLS
from asap.judge.checker import ENDED, NOTES, VERDICT
from asap.judge.compare import compare_output
from asap.judge.launcher import Ended, JobFault, Zygote, seal
from asap.judge.limits import Limits, Timing, limit_checker, limit_solution
from asap.judge.problem import CallProblem, Outcome, Problem, StdioProblem, Verdict, clip
from asap.judge.solution import ANSWERS, CALLS

Stdin = Literal["real", "official"]
"""`real`: a program is a process with a real stdin. `official`: LiveCodeBench's stand-ins."""

MAX_OUTPUT = 16 << 20
"""Bytes that a program may print in one test."""

_MAX_ERRORS = 1 << 16
_CHUNK = 1 << 16


class Station:
    """Two zygotes.

    Args:
        wrapped: the solutions' zygote runs inside bubblewrap.
        timing: see `Timing`.
        stdin: see `Stdin`.

    Raises:
        SandboxError: a zygote does not start.
    """

    def __init__(self, wrapped: bool, timing: Timing, stdin: Stdin) -> None:
        self._timing = timing
        self._stdin = stdin
        with contextlib.ExitStack() as stack:
            self.solutions = Zygote(wrapped)
            stack.callback(self.solutions.close)
            self._checkers = Zygote()
            stack.callback(self._checkers.close)
            self.close = stack.pop_all().close

    def judge(self, problem: Problem, solution: str) -> Verdict:
        """Judge one solution.

        Raises:
            InputError: the problem itself cannot be run.
        """
        if not solution.strip():
            return Verdict("no_answer", None, "no code", 0.0)
        try:
            if isinstance(problem, CallProblem):
                return self._judge_calls(problem, solution)
            return self._judge_program(problem, solution)
        except JobFault as fault:
            raise InputError(f"problem {problem.id} cannot be run: {fault}") from None

    def _judge_calls(self, problem: CallProblem, solution: str) -> Verdict:
        limits = limit_solution(problem, self._timing)
        is_noted = math.isfinite(limits.call_cpu_s)
        job = {
            "kind": "call",
            "preamble": problem.preamble,
            "solution": solution,
            "entry_point": problem.entry_point,
        }
        check = {
            "kind": "check",
            "entry_point": problem.entry_point,
            "tests": problem.tests,
            "wait_s": limits.wall_s,
            "answer_wait_s": limits.call_wall_s,
            "is_noted": is_noted,
        }
        checker_limits = limit_checker(limits)
        # The solution's process may wait for a slow checker, and the checker watches its time.
        solution_limits = replace(limits, wall_s=checker_limits.wall_s)
        with _Pipes() as pipes:
            calls, call = pipes.make()
            answers, answer = pipes.make()
            told, tell = pipes.make()
            watch, note = pipes.make_sockets() if is_noted else (None, None)
            self.solutions.start(job, solution_limits, (CALLS, ANSWERS), (calls, answer), watch)
            targets = [CHECKER_ANSWERS, CHECKER_CALLS, VERDICT]
            sources = [answers, call, tell]
            if watch is not None and note is not None:
                targets.append(NOTES)
                sources.append(note)
                pipes.close(watch)
            self._checkers.start(check, checker_limits, targets, sources)
            pipes.close(calls, answer, *sources)
            report = _read_all(told)
        self.solutions.kill()
        try:
            ended = self.solutions.wait()
        finally:
            checker = self._checkers.wait()
        return _conclude(problem, limits, report, ended, checker)

    def _judge_program(self, problem: StdioProblem, solution: str) -> Verdict:
        if not problem.inputs or len(problem.inputs) != len(problem.outputs):
            raise InputError(f"problem {problem.id} needs tests, and as many outputs as inputs")
        limits = limit_solution(problem, self._timing)
        cpu_s = 0.0
        for test_index, (text, expected) in enumerate(
            zip(problem.inputs, problem.outputs, strict=True)
        ):
            run = self._run_program(problem.preamble, solution, text, limits)
            cpu_s = max(cpu_s, run.ended.cpu_s)
            outcome, message = _grade(run, expected, limits, self._stdin)
            if outcome != "passed":
                return Verdict(outcome, test_index, clip(message), cpu_s)
        return Verdict("passed", None, "", cpu_s)

    def run(self, program: str) -> str | None:
        """What a program prints that reads nothing; None where it does not end well."""
        limits = limit_solution(StdioProblem("a program", "", ("",), ("",)), self._timing)
        run = self._run_program("", program, "", limits)
        is_well = run.ended.status == 0 and not run.is_cut and not _find_time_out(run.ended, limits)
        return run.output if is_well else None

    def _run_program(self, preamble: str, solution: str, text: str, limits: Limits) -> _Run:
        job = {"kind": "program", "preamble": preamble, "solution": solution}
        with _Pipes() as pipes:
            printed, stdout = pipes.make()
            complained, stderr = pipes.make()
            targets, sources = [1, 2], [stdout, stderr]
            if self._stdin == "official":
                job |= {"kind": "official", "input": text}
            else:
                targets.append(0)
                sources.append(pipes.keep(seal(text.encode("utf-8", "surrogatepass"))))
            self.solutions.start(job, limits, targets, sources)
            pipes.close(*sources)
            output, errors, is_cut = self._read_both(printed, complained)
        return _Run(output, errors, is_cut, self.solutions.wait())

    def _read_both(self, printed: int, complained: int) -> tuple[str, str, bool]:
        """Both streams to their end; a program that prints without end is ended."""
        texts = {printed: bytearray(), complained: bytearray()}
        room = {printed: MAX_OUTPUT, complained: _MAX_ERRORS}
        poll = select.poll()
        for descriptor in texts:
            poll.register(descriptor, select.POLLIN)
        n_open, is_cut = 2, False
        while n_open:
            for descriptor, _ in poll.poll():
                chunk = os.read(descriptor, _CHUNK)
                if not chunk:
                    poll.unregister(descriptor)
                    n_open -= 1
                elif len(texts[descriptor]) + len(chunk) <= room[descriptor]:
                    texts[descriptor] += chunk
                elif descriptor == printed and not is_cut:
                    is_cut = True
                    self.solutions.kill()
        output, errors = (text.decode(errors="replace") for text in texts.values())
        return output, errors, is_cut


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a program."""

    output: str
    errors: str
    is_cut: bool
    """It printed more than `MAX_OUTPUT`."""
    ended: Ended


class _Pipes:
    """Descriptors that are all closed in the end."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(*self._open)

    def make(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def make_sockets(self) -> tuple[int, int]:
        ends = tuple(end.detach() for end in socket.socketpair())
        self._open.update(ends)
        return ends[0], ends[1]

    def keep(self, descriptor: int) -> int:
        self._open.add(descriptor)
        return descriptor

    def close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            self._open.discard(descriptor)
            os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    data = bytearray()
    while chunk := os.read(descriptor, _CHUNK):
        data += chunk
    return bytes(data)


def _conclude(
    problem: CallProblem, limits: Limits, report: bytes, ended: Ended, checker: Ended
) -> Verdict:
    """What the checker said, in the light of how the processes ended."""
    told: dict[str, Any] = json.loads(report) if report else {}
    outcome: Outcome
    test_index, message = told.get("test_index"), told.get("message", "")
    late = _find_time_out(ended, limits) or _find_time_out(checker, limit_checker(limits))
    if told.get("outcome") == "broken":
        raise InputError(f"problem {problem.id}: {message}")
    if late:
        outcome, message = "timed_out", late
    elif not told:
        outcome, message = "violation", f"the checker gave no verdict (status {checker.status})"
    else:
        outcome = told["outcome"]
        if message == ENDED:
            outcome, message = _explain_end(ended.status)
    return Verdict(outcome, test_index, clip(message), ended.cpu_s)


def _find_time_out(ended: Ended, limits: Limits) -> str:
    """In words, or empty."""
    if ended.ended == "cpu" or ended.status == -signal.SIGXCPU or ended.cpu_s > limits.cpu_s:
        return f"more than {limits.cpu_s:g} s of CPU time"
    if ended.ended == "call":
        return f"more than {limits.call_cpu_s:g} s of CPU time for one call"
    if ended.ended == "wall":
        return f"not done after {limits.wall_s:g} s"
    return ""


def _explain_end(status: int) -> tuple[Outcome, str]:
    """What the end of a solution's process means that nobody asked for."""
    if status == -signal.SIGSYS:
        return "violation", "the process made a forbidden system call"
    if status == -signal.SIGKILL:
        return "runtime_error", ENDED
    if status < 0:
        return "runtime_error", f"{ENDED}: {signal.Signals(-status).name}"
    return "runtime_error", f"{ENDED}: exit status {status}"


def _grade(run: _Run, expected: str, limits: Limits, stdin: Stdin) -> tuple[Outcome, str]:
    """One test of a program."""
    late = _find_time_out(run.ended, limits)
    if late:
        return "timed_out", late
    if run.is_cut:
        return "wrong_answer", f"more than {MAX_OUTPUT >> 20} MiB of output"
    output = run.output
    if run.ended.status == 0 and stdin == "official":
        try:
            output = str(json.loads(output))
        except ValueError:
            return "runtime_error", "the process ended without a result"
    if run.ended.status != 0:
        last = run.errors.strip().rpartition("\n")[2]
        if last.startswith("MemoryError"):
            return "memory", last
        outcome, message = _explain_end(run.ended.status)
        return outcome, last or message
    if compare_output(output, expected):
        return "passed", ""
    return "wrong_answer", f"{clip(output.strip(), 120)!r} is not {clip(expected.strip(), 120)!r}"
