"""Running untrusted, model-written Python and saying whether it is right. Standard library only.

A solution and the tests run in different processes, each forked from a warm one and locked up by
Landlock, seccomp and limits; a verdict is passed on evidence alone. Linux only.
"""

from asap.judge.compare import compare_output
from asap.judge.judge import Judge
from asap.judge.limits import (
    CALL_CPU_S,
    PAPER_CALL_WALL_S,
    PAPER_PROGRAM_WALL_S,
    PROGRAM_CPU_S,
    Timing,
    find_cpu_limit,
)
from asap.judge.problem import CallProblem, Outcome, Problem, StdioProblem, Verdict
from asap.judge.sandbox import SandboxRecord
from asap.judge.station import Stdin

__all__ = [
    "CALL_CPU_S",
    "PAPER_CALL_WALL_S",
    "PAPER_PROGRAM_WALL_S",
    "PROGRAM_CPU_S",
    "CallProblem",
    "Judge",
    "Outcome",
    "Problem",
    "SandboxRecord",
    "Stdin",
    "StdioProblem",
    "Timing",
    "Verdict",
    "compare_output",
    "find_cpu_limit",
]
