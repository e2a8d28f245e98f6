"""What an answer is held against: the row's own answer, by its value or by its tests.

A value (`asap.prune.find_value`) must equal the row's own. A program must pass the tests that the
row's own program passes, up to the first that it fails: the judge stops there, and of the tests
behind it nothing is known. Programs without tests, and prose, cannot be checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from asap.bench import extract_code
from asap.judge import Judge, StdioProblem, Verdict
from asap.prune import find_value
from asap.trace import CLOSING

EXAMPLES = "examples"
"""The column with a program's tests: a list of objects with `input` and `output`, or its JSON."""
EXPECTED = "expected_output"
"""The column with the true value of an answer that is one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A row's own answer and what is known about it."""

    id: str
    """What the row is called in messages."""
    own: str
    tests: tuple[tuple[str, str], ...] = ()
    """Inputs and outputs of a program."""
    expected: str | None = None
    """The true value, where the row has it."""


@dataclass(frozen=True, slots=True)
class OwnResult:
    """How a row's own answer fares."""

    fault: str
    """Why no other answer can be held against it; empty where one can."""
    n_passed: int = 0
    """Tests that its program passes before the first that it fails."""
    passes: bool | None = None
    """Whether it is right, by the row's tests; None: the row has none."""


def read_reference(id: str, own: str, columns: Mapping[str, Any]) -> Reference:
    """A row's own answer with the tests that its columns hold.

    Args:
        id: what the row is called in messages.
        own: its answer.
        columns: of the input, or of `data/` of a prune run that kept them (as text).
    """
    examples, expected = columns.get(EXAMPLES), columns.get(EXPECTED)
    return Reference(id, own, _read_tests(examples), None if expected is None else str(expected))


def _read_tests(examples: Any) -> tuple[tuple[str, str], ...]:
    """Inputs and outputs; none where the column holds something else."""
    if isinstance(examples, str):
        try:
            examples = json.loads(examples)
        except ValueError:
            return ()
    if not isinstance(examples, list):
        return ()
    tests = [(each.get("input"), each.get("output")) for each in examples if isinstance(each, dict)]
    texts = tuple((a, b) for a, b in tests if isinstance(a, str) and isinstance(b, str))
    return texts if len(texts) == len(examples) else ()


class AnswerChecker:
    """Holds answers against references. A context manager: the judge is entered with the first
    program, so that values can be compared on any machine.

    Args:
        judge: runs programs; not entered yet.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._stack = ExitStack()
        self._is_entered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def judge_own(self, references: Sequence[Reference]) -> list[OwnResult]:
        """How the rows' own answers fare, one result each.

        Raises:
            SandboxError: there are programs, and no safe sandbox can be had here.
        """
        programs = [_find_program(reference.own) for reference in references]
        verdicts = self._run(list(zip(references, programs, strict=True)))
        return [
            _judge_value(reference)
            if find_value(reference.own) is not None
            else _describe_program(reference, program, verdict)
            for reference, program, verdict in zip(references, programs, verdicts, strict=True)
        ]

    def find_reached(
        self, answers: Sequence[tuple[str, Reference, OwnResult]]
    ) -> list[tuple[bool | None, str]]:
        """Whether answers come to what the rows' own do.

        Args:
            answers: each with the reference and its result of `judge_own`.

        Returns:
            For each True, False, or None (it cannot be said), and why it is not True.

        Raises:
            SandboxError: there are programs, and no safe sandbox can be had here.
        """
        jobs = [
            (reference, None if own.fault else _find_program(text))
            for text, reference, own in answers
        ]
        return [
            _compare(text, reference, own, verdict)
            for (text, reference, own), verdict in zip(answers, self._run(jobs), strict=True)
        ]

    def _run(self, jobs: Sequence[tuple[Reference, str | None]]) -> list[Verdict | None]:
        """Verdicts on programs, equal ones judged once; None where there is no program, no test, or
        the answer is a value.
        """
        wanted = [
            (reference, program)
            for reference, program in dict.fromkeys(jobs)
            if program is not None and reference.tests and find_value(reference.own) is None
        ]
        if wanted and not self._is_entered:
            self._stack.enter_context(self._judge)
            self._is_entered = True
        pairs = [(_build_problem(reference), program) for reference, program in wanted]
        verdicts = dict(zip(wanted, self._judge.judge(pairs), strict=True)) if wanted else {}
        return [
            None if program is None else verdicts.get((reference, program))
            for reference, program in jobs
        ]


def _find_program(answer: str) -> str | None:
    return extract_code(CLOSING + answer)


def _build_problem(reference: Reference) -> StdioProblem:
    inputs, outputs = zip(*reference.tests, strict=True)
    return StdioProblem(reference.id, "", inputs, outputs)


def _judge_value(reference: Reference) -> OwnResult:
    if reference.expected is None:
        return OwnResult("")
    return OwnResult("", passes=find_value(reference.own) == find_value(reference.expected))


def _describe_program(
    reference: Reference, program: str | None, verdict: Verdict | None
) -> OwnResult:
    if program is None:
        return OwnResult("the row's answer is neither a value nor a program")
    if verdict is None:
        return OwnResult(f"the row's answer is a program, and there are no tests ('{EXAMPLES}')")
    n_passed = _count_passed(reference, verdict)
    fault = "" if n_passed else f"the row's own program passes no test ({_say(verdict)})"
    return OwnResult(fault, n_passed, n_passed == len(reference.tests))


def _compare(
    text: str, reference: Reference, own: OwnResult, verdict: Verdict | None
) -> tuple[bool | None, str]:
    if own.fault:
        return None, own.fault
    value = find_value(reference.own)
    if value is not None:
        is_equal = find_value(text) == value
        return is_equal, "" if is_equal else "another value"
    if verdict is None:
        return False, "no program"
    is_reached = _count_passed(reference, verdict) >= own.n_passed
    return is_reached, "" if is_reached else _say(verdict)


def _count_passed(reference: Reference, verdict: Verdict) -> int:
    """Tests passed before the first failure."""
    return len(reference.tests) if verdict.outcome == "passed" else verdict.test_index or 0


def _say(verdict: Verdict) -> str:
    where = "" if verdict.test_index is None else f", test {verdict.test_index}"
    return f"{verdict.outcome}{where}"
