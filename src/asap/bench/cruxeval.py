"""CRUXEval (Gu et al. 2024), output prediction: what does this function return for this input?

The prediction is a Python expression. It is evaluated where solutions run, without the function in
reach, so it cannot call it; the function runs on the checker's side, and `==` decides, as upstream
(1 equals True). Prompt and extraction are ours. A part, `cruxeval:test`, is the rows whose `split`
says so.
"""

from __future__ import annotations

import ast

from pydantic import AliasChoices, BaseModel, Field

from asap.bench.benchmark import K_TOKENS, Benchmark, Extract, Question, Row
from asap.bench.checker_source import write_tests
from asap.bench.checkers import check_prediction, differ, show
from asap.bench.extract import find_answer, find_block
from asap.bench.prompts import ask_for_output
from asap.judge import CallProblem

_PREDICTION = "predicted"


class CruxRow(BaseModel):
    """The columns that are used."""

    id: str
    code: str
    input: str
    output: str = Field(validation_alias=AliasChoices("output", "expected_output"))


def read_call(row: Row) -> Question:
    """The code and the call."""
    fields = CruxRow.model_validate(row)
    canonical = _write_program(fields.output)
    prompt = ask_for_output(fields.code, fields.input)
    return Question(fields.id, prompt, fields.code, canonical)


def build_prediction(row: Row) -> CallProblem:
    """The expected value is what the function returns on this Python, not what the file says: so
    the canonical answers are themselves checked.
    """
    fields = CruxRow.model_validate(row)
    # The input is an expression that may use the code's names.
    tests = write_tests([check_prediction, differ, show], f"f({fields.input})", fields.code)
    return CallProblem(fields.id, "", _PREDICTION, tests)


def extract_prediction(completion: str, rule: Extract = "answer") -> str | None:
    """The last code block of the answer, or all of the answer if it has none.

    Of `assert f(1) == 2` and `f(1) == 2` the prediction is 2. Rule `paper` as for code: the first
    block, and of a cut-off response the first block of its thinking.
    """
    answer = find_answer(completion)
    if rule == "paper":
        block = find_block(completion if answer is None else answer, 0)
    else:
        block = None if answer is None else find_block(answer, -1)
    prediction = ((answer if block is None else block) or "").strip()
    return _write_program(_find_prediction(prediction)) if prediction else None


def _find_prediction(text: str) -> str:
    """The expression in an answer; the text itself where that is not clear."""
    try:
        statement = ast.parse(text).body[-1]
    except (SyntaxError, ValueError, RecursionError, MemoryError, IndexError):
        return text
    expression = statement.test if isinstance(statement, ast.Assert) else statement
    if isinstance(expression, ast.Expr):
        expression = expression.value
    if isinstance(expression, ast.Compare) and _is_call_of_f(expression.left):
        expression = expression.comparators[-1]
    return ast.get_source_segment(text, expression) or text


def _is_call_of_f(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "f"


def _write_program(prediction: str) -> str:
    """A function that returns the prediction; a text that is no expression fails to compile."""
    return f"def {_PREDICTION}():\n    return (\n{prediction}\n)\n"


CRUXEVAL = Benchmark(
    name="cruxeval",
    budget_tokens=10 * K_TOKENS,
    repository="cruxeval-org/cruxeval",
    files={"": "*test.jsonl"},
    read_question=read_call,
    build_problem=build_prediction,
    extract=extract_prediction,
    part_column="split",
)
"""800 functions to read."""
