"""HumanEval and HumanEval+, on rows of our own in their exact formats."""

from __future__ import annotations

import pytest

from asap.bench import judge_canonical
from asap.errors import InputError

ANSWER = "def doubled(xs):\n    return [twice(x) for x in xs]\n"


def test_the_canonical_solution_is_the_prompt_and_its_body(open_rows, humaneval_row, judge):
    dataset = open_rows("humaneval", [humaneval_row])
    (question,) = dataset.questions.values()
    assert question.id == "HumanEval/900"
    assert question.canonical == humaneval_row["prompt"] + humaneval_row["canonical_solution"]
    assert judge_canonical(dataset, judge)["HumanEval/900"].outcome == "passed"


def test_trap_38_an_answer_may_use_the_prompts_helpers(open_rows, humaneval_row, verdict_of):
    """The paper's code runs the answer without the prompt: its helpers and imports are missing."""
    dataset = open_rows("humaneval", [humaneval_row])
    assert verdict_of(dataset, ANSWER).outcome == "passed"
    typed = ANSWER.replace("(xs)", "(xs: List[int]) -> List[int]")
    assert verdict_of(dataset, typed).outcome == "passed"
    (problem,) = dataset.problems()
    assert "doubled" not in problem.preamble


def test_a_wrong_answer_is_wrong(open_rows, humaneval_row, verdict_of):
    dataset = open_rows("humaneval", [humaneval_row])
    assert verdict_of(dataset, ANSWER.replace("twice(x)", "x")).outcome == "wrong_answer"
    assert verdict_of(dataset, "def other(xs): return xs").outcome == "no_answer"


def test_imports_inside_the_function_are_there_for_the_answer(open_rows, humaneval_row, verdict_of):
    humaneval_row["prompt"] = (
        'def doubled(xs):\n    import math\n    from os import path as p\n    """ Twice each. """\n'
    )
    humaneval_row["test"] = "def check(candidate):\n    assert candidate([1.5]) == [3]\n"
    dataset = open_rows("humaneval", [humaneval_row])
    answer = "def doubled(xs):\n    return [math.floor(2 * x) for x in xs if p]\n"
    assert verdict_of(dataset, answer).outcome == "passed"


def test_what_stands_after_the_function_belongs_to_the_preamble(
    open_rows, humaneval_row, verdict_of
):
    humaneval_row["prompt"] = (
        'def doubled(xs):\n    """ Twice. """\n\n\ndef twice(x): return 2 * x\n'
    )
    dataset = open_rows("humaneval", [humaneval_row])
    assert verdict_of(dataset, ANSWER).outcome == "passed"


def test_a_test_that_calls_the_function_by_name_gets_the_candidate(
    open_rows, humaneval_row, verdict_of
):
    """As the tests of HumanEval/33 do."""
    humaneval_row["test"] = (
        "def check(candidate):\n    assert tuple(candidate([1])) == tuple(doubled([1])) == (2,)\n"
    )
    dataset = open_rows("humaneval", [humaneval_row])
    assert verdict_of(dataset, ANSWER).outcome == "passed"
    assert verdict_of(dataset, "def doubled(xs): return xs").outcome == "wrong_answer"


def test_a_prompt_without_its_function_is_refused(open_rows, humaneval_row):
    humaneval_row["entry_point"] = "absent"
    dataset = open_rows("humaneval", [humaneval_row])
    with pytest.raises(InputError, match=r"rows.jsonl, line 1 .* does not define absent"):
        list(dataset.problems())


def test_a_prompt_that_is_no_python_is_refused(open_rows, humaneval_row):
    humaneval_row["prompt"] = "def doubled(:"
    with pytest.raises(InputError, match=r"rows.jsonl, line 1"):
        list(open_rows("humaneval", [humaneval_row]).problems())


PLUS_ROW = {
    "task_id": "HumanEval/901",
    "prompt": 'def halved(xs):\n    """ Half of each. """\n',
    "entry_point": "halved",
    "canonical_solution": "    return [x / 2 for x in xs]\n",
    "test": "",
    "contract": "",
    "base_input": [[[1, 3]]],
    "plus_input": [[[]], [[10, 0]]],
    "atol": 0,
}


def plus_row(**changes):
    return PLUS_ROW | changes


def check_plus(open_rows, verdict_of, body, **changes):
    dataset = open_rows("humaneval-plus", [plus_row(**changes)])
    return verdict_of(dataset, f"def halved(xs):\n{body}\n")


def test_native_format_passes_its_canonical_solution(open_rows, judge):
    dataset = open_rows("humaneval-plus", [PLUS_ROW])
    assert judge_canonical(dataset, judge)["HumanEval/901"].outcome == "passed"


@pytest.mark.parametrize(
    ("body", "atol", "outcome"),
    [
        ("    return [x * 0.5 for x in xs]", 0, "passed"),
        # Expected lists of floats are compared within 1e-6, whatever atol says.
        ("    return [x / 2 + 9e-7 for x in xs]", 0, "passed"),
        ("    return [x / 2 + 3e-6 for x in xs]", 0, "wrong_answer"),
        ("    return [x / 2 + 3e-6 for x in xs]", 1e-5, "passed"),
        # Sequences: of one type and length.
        ("    return tuple(x / 2 for x in xs)", 0, "wrong_answer"),
        ("    return [x / 2 for x in xs] + [0.0]", 0, "wrong_answer"),
        ("    return [x / 2 + 0j for x in xs]", 0, "passed"),
        ("    return [str(x / 2) for x in xs]", 0, "wrong_answer"),
        ("    return None", 0, "wrong_answer"),
        ("    return [10 ** 400 for x in xs]", 0, "wrong_answer"),
        # Only the plus inputs tell.
        ("    return [x / 2 for x in xs] if len(xs) and xs[0] < 9 else []", 0, "wrong_answer"),
    ],
)
def test_native_format_compares_as_evalplus_does(open_rows, verdict_of, body, atol, outcome):
    assert check_plus(open_rows, verdict_of, body, atol=atol).outcome == outcome


@pytest.mark.parametrize(
    ("returned", "outcome"),
    [("x", "passed"), ("x + 1e-9", "wrong_answer"), ("x * 1.0", "passed"), ("'x'", "wrong_answer")],
)
def test_native_format_compares_whole_numbers_exactly(open_rows, verdict_of, returned, outcome):
    verdict = check_plus(
        open_rows,
        verdict_of,
        f"    x = xs\n    return {returned}",
        canonical_solution="    return xs\n",
        base_input=[[3]],
        plus_input=[],
    )
    assert verdict.outcome == outcome


@pytest.mark.parametrize(("off_by", "outcome"), [(90, "passed"), (110, "wrong_answer")])
def test_native_format_allows_a_ten_millionth_of_the_value(open_rows, verdict_of, off_by, outcome):
    verdict = check_plus(
        open_rows,
        verdict_of,
        f"    return xs + {off_by}",
        canonical_solution="    return xs\n",
        base_input=[[1e9]],
        plus_input=[],
    )
    assert verdict.outcome == outcome


def test_a_tolerance_does_not_stick_to_later_inputs(open_rows, verdict_of):
    """evalplus's own loop keeps the tolerance of the first float for all that follows."""
    verdict = check_plus(
        open_rows,
        verdict_of,
        "    return xs if isinstance(xs, float) else xs + 1e-8",
        canonical_solution="    return xs\n",
        base_input=[[0.5]],
        plus_input=[[7]],
    )
    assert verdict.outcome == "wrong_answer"
    assert verdict.message.endswith("input 1: 7.00000001 instead of 7")


def test_a_solution_that_alters_its_argument_does_not_alter_what_is_expected(open_rows, verdict_of):
    verdict = check_plus(
        open_rows, verdict_of, "    half = [x / 2 for x in xs]\n    xs.clear()\n    return half"
    )
    assert verdict.outcome == "passed"
    verdict = check_plus(
        open_rows,
        verdict_of,
        "    return [x / 2 for x in xs]",
        canonical_solution="    half = [x / 2 for x in xs]\n    xs.clear()\n    return half\n",
    )
    assert verdict.outcome == "passed"


def test_a_helper_of_the_checker_and_a_function_of_that_name_do_not_mix(open_rows, judge):
    row = plus_row(
        entry_point="agree",
        prompt='def show(x):\n    return -x\n\n\ndef agree(xs):\n    """ Minus. """\n',
        canonical_solution="    return [show(x) for x in xs]\n",
    )
    dataset = open_rows("humaneval-plus", [row])
    assert judge_canonical(dataset, judge)["HumanEval/901"].outcome == "passed"
    (problem,) = dataset.problems()
    (verdict,) = judge.judge([(problem, "def agree(xs): return xs")])
    assert verdict.message.endswith("input 0: [1, 3] instead of [-1, -3]")


ROOT_ROW = plus_row(
    task_id="HumanEval/32",
    prompt='def find_zero(xs):\n    """ A root. """\n',
    entry_point="find_zero",
    canonical_solution="    return 1.0\n",
    base_input=[[[2, -3, 1]]],
    plus_input=[[[-1, 1]]],
    atol=0.0001,
)
"""(x - 1)(x - 2), then x - 1."""


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return 1.0", "passed"),
        # The other root; the canonical solution finds the first.
        ("return 2.0 if len(xs) == 3 else 1", "passed"),
        ("return 1.00009", "passed"),
        ("return 1.001", "wrong_answer"),
        ("return float('nan')", "wrong_answer"),
        ("return 1e300", "wrong_answer"),
        ("return 10 ** 5000", "wrong_answer"),
        ("return [1.0]", "wrong_answer"),
        ("return None", "wrong_answer"),
    ],
)
def test_native_find_zero_takes_any_root(open_rows, verdict_of, body, outcome):
    dataset = open_rows("humaneval-plus", [ROOT_ROW])
    assert verdict_of(dataset, f"def find_zero(xs):\n    {body}\n").outcome == outcome


def test_the_broken_oracle_of_32_in_humanevals_columns_is_mended(open_rows, verdict_of):
    """As released it unpacks the root, a float: `TypeError` for every solution."""
    row = {key: value for key, value in ROOT_ROW.items() if "input" not in key} | {
        "test": "def _poly(xs, x):\n    return sum(c * x**i for i, c in enumerate(xs))\n\n\n"
        "def check(candidate):\n    inputs = [[[2, -3, 1]], [[-1, 1]]]\n    results = [1.0, 1.0]\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
        "        assert _poly(*candidate(*inp), inp) <= 0.0001\n"
    }
    dataset = open_rows("humaneval-plus", [row])
    assert verdict_of(dataset, "def find_zero(xs): return 1.0").outcome == "passed"
    # Between the roots it is -0.25, which the release's missing `abs` would let pass.
    between = "def find_zero(xs): return 1.5 if len(xs) == 3 else 1.0"
    assert verdict_of(dataset, between).outcome == "wrong_answer"


def test_a_row_without_a_column_is_refused_by_name(open_rows):
    row = plus_row()
    del row["atol"]
    with pytest.raises(InputError, match=r"line 1 .*atol"):
        list(open_rows("humaneval-plus", [row]).problems())
