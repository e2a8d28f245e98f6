"""HumanEval+ (Liu et al. 2023): HumanEval's functions with some 80 times the tests.

The native file (`base_input`, `plus_input`, `atol`) is judged by evalplus's rules: the candidate
returns what the canonical solution returns, floats within a tolerance, and for `find_zero` any root
counts. The file with HumanEval's columns is what the Hub has; its tests run as they are, but for
the oracle of 32 (see `humaneval`). evalplus's limits on time are the judge's business.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from asap.bench.benchmark import K_TOKENS, Benchmark, Row
from asap.bench.checker_source import write_tests
from asap.bench.checkers import (
    agree,
    check_like_reference,
    check_roots,
    differ,
    is_close,
    load_function,
    show,
)
from asap.bench.extract import extract_code
from asap.bench.humaneval import build_from_tests, find_preamble, read_function
from asap.judge import CallProblem

_ANY_ROOT = "find_zero"
_ROOT_TOLERANCE = 1e-4


class PlusRow(BaseModel):
    """The columns of the native file that are used."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    base_input: list[list[Any]]
    plus_input: list[list[Any]]
    atol: float


def build_plus(row: Row) -> CallProblem:
    """By evalplus's rules from the native columns, else by the file's own tests."""
    if "base_input" not in row:
        return build_from_tests(row)
    fields = PlusRow.model_validate(row)
    inputs = repr(json.dumps(fields.base_input + fields.plus_input))
    if fields.entry_point == _ANY_ROOT:
        data = f"{inputs}, {fields.atol or _ROOT_TOLERANCE}"
        tests = write_tests([check_roots, show], data)
    else:
        source = fields.prompt + fields.canonical_solution
        load = f"_reference = load_function({source!r}, {fields.entry_point!r})"
        tests = write_tests(
            [check_like_reference, load_function, agree, is_close, differ, show],
            f"_reference, {inputs}, {fields.atol}",
            load,
        )
    preamble = find_preamble(fields.prompt, fields.entry_point)
    return CallProblem(fields.task_id, preamble, fields.entry_point, tests)


HUMANEVAL_PLUS = Benchmark(
    name="humaneval-plus",
    budget_tokens=6 * K_TOKENS,
    repository="evalplus/humanevalplus",
    files={"": "*test-*.parquet"},
    read_question=read_function,
    build_problem=build_plus,
    extract=extract_code,
)
"""The same 164 functions, with more tests."""
