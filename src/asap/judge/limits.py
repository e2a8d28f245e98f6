"""How much time and memory a process gets, by the kind of problem and the way of timing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asap.judge.problem import CallProblem, Problem

Timing = Literal["robust", "paper"]
"""`robust`: CPU time, so that a busy machine changes no verdict. `paper`: wall time, from start to
end, tests included.
"""

CALL_CPU_S = 10.0
"""CPU seconds for all calls of a `CallProblem`, under `robust`, where the problem names none."""
PROGRAM_CPU_S = 6.0
"""CPU seconds for each test of a `StdioProblem`, likewise."""
CHECKER_CPU_S = 60.0
"""CPU seconds of the checker, beyond those of the solution, under `robust`."""
PAPER_CALL_WALL_S = 3.0
"""Wall seconds for a whole `CallProblem` under `paper`, as in the paper's code."""
PAPER_PROGRAM_WALL_S = 6.0
"""Wall seconds for each test of a `StdioProblem` under `paper`, LiveCodeBench's own limit."""
MEMORY_MIB = 1024
"""Address space of a solution."""
CHECKER_MEMORY_MIB = 4096
"""Address space of a checker."""

_NO_LIMIT = float("inf")
_WALL_S, _WALL_FACTOR = 30.0, 10.0
"""Wall seconds for each CPU second, and some more: a busy machine may give a tenth of a core."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process gets."""

    cpu_s: float
    wall_s: float
    """Under `robust` merely a guard against what sleeps instead of working."""
    memory_mib: int = MEMORY_MIB
    call_cpu_s: float = _NO_LIMIT
    """CPU seconds for each call of a `CallProblem`."""

    @property
    def call_wall_s(self) -> float:
        """A guard again: wall seconds for each answer."""
        return _WALL_S + _WALL_FACTOR * self.call_cpu_s


def find_cpu_limit(problem: Problem) -> float:
    """CPU seconds under `robust`: the problem's own, or its kind's where it names none."""
    if problem.cpu_limit_s is not None:
        return problem.cpu_limit_s
    return CALL_CPU_S if isinstance(problem, CallProblem) else PROGRAM_CPU_S


def limit_solution(problem: Problem, timing: Timing) -> Limits:
    """What the solution's process gets: for all calls together, or for one run of a program."""
    is_call = isinstance(problem, CallProblem)
    if timing == "paper":
        return Limits(_NO_LIMIT, PAPER_CALL_WALL_S if is_call else PAPER_PROGRAM_WALL_S)
    cpu_s = find_cpu_limit(problem)
    call_cpu_s = problem.call_limit_s if isinstance(problem, CallProblem) else None
    return Limits(
        cpu_s,
        _WALL_S + _WALL_FACTOR * cpu_s,
        call_cpu_s=_NO_LIMIT if call_cpu_s is None else call_cpu_s,
    )


def limit_checker(solution: Limits) -> Limits:
    """What the checker gets beside a solution; it does its own waiting within the wall time."""
    if solution.cpu_s == _NO_LIMIT:
        return Limits(_NO_LIMIT, solution.wall_s, CHECKER_MEMORY_MIB)
    cpu_s = solution.cpu_s + CHECKER_CPU_S
    return Limits(cpu_s, solution.wall_s + _WALL_FACTOR * cpu_s, CHECKER_MEMORY_MIB)
