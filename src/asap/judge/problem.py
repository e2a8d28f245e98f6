"""What is judged, and what comes out: problems and verdicts as plain values. No process in here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "passed", "wrong_answer", "runtime_error", "timed_out", "memory", "no_answer", "violation"
]
"""How a solution fared.

`no_answer`: no code, or none that defines the entry point. `violation`: it broke the protocol
between the processes, or made the checker die.
"""

MAX_MESSAGE = 300
"""Characters of a verdict's message; what is longer loses its middle."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one solution."""

    outcome: Outcome
    test_index: int | None
    """The failing test's number, from 0: of a `CallProblem` the last call that was made, of a
    `StdioProblem` the test. None where no test was reached, or all passed.
    """
    message: str
    """Why, clipped to `MAX_MESSAGE` characters; empty for `passed`."""
    cpu_s: float
    """CPU seconds of the solution's process; of the slowest test for a `StdioProblem`."""


@dataclass(frozen=True, slots=True)
class CallProblem:
    """A function or method that tests call. The tests run in another process than the solution."""

    id: str
    preamble: str
    """Run before the solution, in its process: imports, the prompt's own definitions."""
    entry_point: str
    """`f` or `Solution().m`, evaluated once after the solution has run."""
    tests: str
    """Source for the checker's process, complete in itself; defines `check(candidate)`. An
    `entry_point` that is a plain name is bound to the candidate as well.
    """
    cpu_limit_s: float | None = None
    """CPU seconds for all calls together; None: `CALL_CPU_S`."""
    call_limit_s: float | None = None
    """CPU seconds for each call, and for what the solution runs before the first; None: all calls
    share `cpu_limit_s` as they like. Only under `robust`.
    """


@dataclass(frozen=True, slots=True)
class StdioProblem:
    """A program that reads stdin and writes stdout; it runs once per test."""

    id: str
    preamble: str
    """Run before the program, in its process."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """The expected outputs, compared by `compare_output` outside the sandbox."""
    cpu_limit_s: float | None = None
    """CPU seconds for each test; None: `PROGRAM_CPU_S`."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Problem = CallProblem | StdioProblem


def clip(text: str, length: int = MAX_MESSAGE) -> str:
    """The text, or its two ends with `...` between them if it is longer than `length`.

    Solutions write parts of it, so what would upset a terminal or a file is taken out: control
    characters, and lone surrogates, which no encoding takes.
    """
    if len(text) > 2 * length:
        text = text[:length] + text[-length:]
    text = _CONTROL.sub(" ", text).encode("utf-8", "backslashreplace").decode()
    if len(text) <= length:
        return text
    half = (length - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
