"""HumanEval (Chen et al. 2021), and HumanEval+ in the file that has HumanEval's columns.

The program judged is the prompt without the function that is to be written (its imports and
helpers), followed by the answer: 22 prompts import names, and the tests of 32, 38 and 50 call the
prompt's helpers. One test calls the function by its name (33): the judge binds it.
"""

from __future__ import annotations

import ast

from pydantic import BaseModel

from asap.bench.benchmark import K_TOKENS, Benchmark, Question, Row
from asap.bench.extract import extract_code
from asap.bench.prompts import ask_to_complete
from asap.judge import CallProblem

_BROKEN_ORACLE = "_poly(*candidate(*inp), inp)"
"""HumanEval+ 32 of the release of May 2024: it unpacks the root, a float, and fails every
solution."""
_MENDED_ORACLE = "abs(_poly(*inp, candidate(*inp)))"


class HumanEvalRow(BaseModel):
    """The columns that are used."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def read_function(row: Row) -> Question:
    """A question of HumanEval or HumanEval+."""
    fields = HumanEvalRow.model_validate(row)
    canonical = fields.prompt + fields.canonical_solution
    return Question(fields.task_id, ask_to_complete(fields.prompt), fields.prompt, canonical)


def build_from_tests(row: Row) -> CallProblem:
    """A problem judged by the `test` column, with the broken oracle of HumanEval+ 32 mended.

    Mended, it asks what it means to ask: is the polynomial within 0.0001 of zero at the root?
    """
    fields = HumanEvalRow.model_validate(row)
    preamble = find_preamble(fields.prompt, fields.entry_point)
    test = fields.test.replace(_BROKEN_ORACLE, _MENDED_ORACLE)
    return CallProblem(fields.task_id, preamble, fields.entry_point, f"{preamble}\n{test}")


def find_preamble(prompt: str, entry_point: str) -> str:
    """The prompt without the function to be written: imports and helpers.

    Imports inside that function (HumanEval/115) are hoisted: an answer need not repeat them.

    Raises:
        ValueError: the prompt has no such function.
    """
    module = ast.parse(prompt)
    stubs = [
        node
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name == entry_point
    ]
    if not stubs:
        raise ValueError(f"the prompt does not define {entry_point}")
    stub = stubs[-1]
    imports = [node for node in ast.walk(stub) if isinstance(node, (ast.Import, ast.ImportFrom))]
    lines = prompt.splitlines(keepends=True)
    outside = lines[: stub.lineno - 1] + lines[stub.end_lineno :]
    return "".join([*(f"{ast.unparse(node)}\n" for node in imports), *outside])


HUMANEVAL = Benchmark(
    name="humaneval",
    budget_tokens=6 * K_TOKENS,
    repository="openai/openai_humaneval",
    files={"": "*test-*.parquet"},
    read_question=read_function,
    build_problem=build_from_tests,
    extract=extract_code,
)
"""164 functions to complete."""
