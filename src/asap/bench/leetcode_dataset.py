"""LeetCodeDataset (Xia et al. 2025), test split of v0.3.1: LeetCode problems after July 2024.

The program judged is the file's `prompt` (imports, list and tree nodes), then the answer. The
prompt put to the model is ours, as in the paper; the file's `query` is not used. 17 of the 228
prompts import sortedcontainers, so it has to be installed where the judge runs.
"""

from __future__ import annotations

from pydantic import BaseModel

from asap.bench.benchmark import K_TOKENS, Benchmark, Question, Row
from asap.bench.extract import extract_code
from asap.bench.prompts import ask_to_fill_in
from asap.judge import CallProblem


class LeetCodeRow(BaseModel):
    """The columns that are used."""

    task_id: str
    problem_description: str
    starter_code: str
    prompt: str
    completion: str
    entry_point: str
    test: str


def read_method(row: Row) -> Question:
    """The description and the starter code."""
    fields = LeetCodeRow.model_validate(row)
    prompt = ask_to_fill_in(fields.problem_description, fields.starter_code)
    return Question(fields.task_id, prompt, fields.problem_description, fields.completion)


def build_method(row: Row) -> CallProblem:
    """The file's own tests, which build lists and trees with the prompt's helpers."""
    fields = LeetCodeRow.model_validate(row)
    tests = f"{fields.prompt}\n{fields.test}"
    return CallProblem(fields.task_id, fields.prompt, fields.entry_point, tests)


LEETCODE_DATASET = Benchmark(
    name="leetcode-dataset",
    budget_tokens=10 * K_TOKENS,
    repository="newfacade/LeetCodeDataset",
    files={"": "*test*.json*"},
    read_question=read_method,
    build_problem=build_method,
    extract=extract_code,
)
"""228 methods to write."""
