"""LiveCodeBench, code generation (Jain et al. 2024): six shards, read as files.

`v1_v3` is shards 1 to 3 (612 problems, release_v3), `v4_v5` shards 4 and 5 (268): the cut is by
file, not by date. A problem with starter code is a method to write, one without is a program. A
solution runs behind upstream's list of star imports. All public and private tests must pass; how
outputs are compared is in `checkers.check_outputs` and `judge.compare_output`.
"""

from __future__ import annotations

import json

from pydantic import BaseModel, Json

from asap.bench.benchmark import K_TOKENS, Benchmark, Question, Row
from asap.bench.checker_source import write_tests
from asap.bench.checkers import check_outputs, differ, show
from asap.bench.extract import extract_code
from asap.bench.private_tests import Test, read_tests
from asap.bench.prompts import ask_for_program, ask_to_fill_in
from asap.judge import CallProblem, Problem, StdioProblem

_TEST_CPU_S = 6.0
"""Upstream's limit for one test."""
_CALLS_CPU_S = 300.0
"""For all functional tests of a problem, which upstream bounds by their number alone."""
_MODULES = (
    "string",
    "re",
    "datetime",
    "collections",
    "heapq",
    "bisect",
    "copy",
    "math",
    "random",
    "statistics",
    "itertools",
    "functools",
    "operator",
    "io",
    "sys",
    "json",
)
# The order counts: later names hide earlier ones, and `builtins` restores pow, open and the like.
PREAMBLE = "\n".join(
    [
        *(f"from {name} import *" for name in [*_MODULES, "builtins", "typing"]),
        *(f"import {name}" for name in _MODULES),
        "sys.setrecursionlimit(50000)",
        "",
    ]
)
"""What upstream runs before every solution."""
_STAND_IN = """
class Solution:
    def __getattr__(self, name):
        return globals()[name]
"""
"""Upstream takes the function itself where an answer has no `class Solution`."""

ERRATA = frozenset(
    {
        # Several right answers, one of which is expected.
        "abc311_c",
        "abc326_d",
        "abc327_b",
        "abc333_e",
        "abc343_e",
        "abc362_c",
        "find-words-containing-character",
        "find-the-peaks",
        "generate-binary-strings-without-adjacent-zeros",
        # Interactive.
        "abc337_e",
        "abc355_e",
        # Wrong tests.
        "abc350_c",
        "apply-operations-to-make-string-empty",
        "most-frequent-ids",
        "arc189_a",
    }
)
"""Problems that the authors' list of errata names, by id (AtCoder) or title (LeetCode). Scores are
reported with and without them. The list is said to hold two more of the first kind."""


class _Metadata(BaseModel):
    func_name: str | None = None


class LiveCodeBenchRow(BaseModel):
    """The columns that are used."""

    question_id: str
    question_title: str
    question_content: str
    starter_code: str
    public_test_cases: str
    private_test_cases: str
    metadata: Json[_Metadata]


def read_task(row: Row) -> Question:
    """The statement, with the starter code where there is some; no canonical solution."""
    fields = LiveCodeBenchRow.model_validate(row)
    if fields.starter_code:
        prompt = ask_to_fill_in(fields.question_content, fields.starter_code)
    else:
        prompt = ask_for_program(fields.question_content)
    has_erratum = bool(ERRATA & {fields.question_id, fields.question_title})
    return Question(fields.question_id, prompt, fields.question_content, None, has_erratum)


def build_task(row: Row) -> Problem:
    """The public tests, then the private ones."""
    fields = LiveCodeBenchRow.model_validate(row)
    tests = read_tests(fields.public_test_cases) + read_tests(fields.private_test_cases)
    if not tests:
        raise ValueError(f"{fields.question_id} has no tests")
    name = fields.metadata.func_name
    if name is None:
        return StdioProblem(
            fields.question_id,
            PREAMBLE,
            tuple(test.input for test in tests),
            tuple(test.output for test in tests),
            _TEST_CPU_S,
        )
    return _build_call(fields.question_id, name, tests)


def _build_call(id: str, name: str, tests: list[Test]) -> CallProblem:
    if not name.isidentifier():
        raise ValueError(f"{id}: {name!r} is no name of a function")
    data = repr(json.dumps([(test.input, test.output) for test in tests]))
    source = write_tests([check_outputs, differ, show], data)
    return CallProblem(
        id,
        PREAMBLE + _STAND_IN,
        f"Solution().{name}",
        source,
        cpu_limit_s=min(_TEST_CPU_S * (len(tests) + 1), _CALLS_CPU_S),
        call_limit_s=_TEST_CPU_S,
    )


LIVECODEBENCH = Benchmark(
    name="livecodebench",
    budget_tokens=10 * K_TOKENS,
    repository="livecodebench/code_generation_lite",
    files={
        "v1": "test.jsonl",
        "v2": "test2.jsonl",
        "v3": "test3.jsonl",
        "v4": "test4.jsonl",
        "v5": "test5.jsonl",
        "v6": "test6.jsonl",
    },
    read_question=read_task,
    build_problem=build_task,
    extract=extract_code,
)
"""1,055 problems of contests."""
