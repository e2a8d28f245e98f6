"""What is judged and what comes out: problems and verdicts. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "passed", "wrong_answer", "runtime_error", "timed_out", "memory", "no_answer", "violation"
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one solution."""

    outcome: Outcome
    test_index: int | None
    """The failing test's number, from 0."""
    message: str
    """Clipped."""
    cpu_s: float


@dataclass(frozen=True, slots=True)
class CallProblem:
    """A function to write; the checker's process runs `tests`, which calls it."""

    id: str
    preamble: str
    """Run before the solution in the solution's process: imports, the prompt's helpers."""
    entry_point: str
    """`f` or `Solution().m`."""
    tests: str
    """Source for the checker's process; defines `check(candidate)`."""
    cpu_limit_s: float | None = None
    """None: the judge's default."""


@dataclass(frozen=True, slots=True)
class StdioProblem:
    """A program to write; one run per test, outputs compared outside the sandbox."""

    id: str
    preamble: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cpu_limit_s: float | None = None
    """None: the judge's default."""


__all__ = ["CallProblem", "Outcome", "StdioProblem", "Verdict"]
