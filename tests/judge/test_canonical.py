"""The benchmarks' own solutions pass, and solutions with one thing changed fail as they should."""

from __future__ import annotations

import ast
import copy
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from asap.judge import CallProblem, Judge

Pairs = list[tuple[CallProblem, str]]
BENCHMARKS = {"humaneval": 164, "humaneval_plus": 164, "leetcode": 228, "cruxeval": 600}
N_QUICK = 20
N_MUTANTS = 300
pytestmark = pytest.mark.real


def assert_all_pass(judge: Judge, pairs: Pairs) -> None:
    verdicts = list(judge.judge(pairs))
    failed = [
        (problem.id, verdict)
        for (problem, _), verdict in zip(pairs, verdicts, strict=True)
        if verdict.outcome != "passed"
    ]
    assert failed == []


@pytest.mark.parametrize("name", BENCHMARKS)
def test_canonical_solutions_pass(name: str, judge: Judge, request: Any) -> None:
    pairs = request.getfixturevalue(name)
    assert len(pairs) == BENCHMARKS[name]
    # From all over, and none of the few that take many seconds.
    assert_all_pass(judge, pairs[1 :: len(pairs) // N_QUICK][:N_QUICK])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_all_canonical_solutions_pass(name: str, judge: Judge, request: Any) -> None:
    assert_all_pass(judge, request.getfixturevalue(name))


SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def find_changes(tree: ast.AST) -> Iterator[tuple[ast.AST, str, Any]]:
    """Each place that may be changed: the node, its field, and what to put there."""
    for node in ast.walk(tree):
        for field in ("op", "ops"):
            value = getattr(node, field, None)
            operator = value[0] if isinstance(value, list) and value else value
            if type(operator) in SWAPS:
                swapped = SWAPS[type(operator)]()
                yield node, field, [swapped, *value[1:]] if isinstance(value, list) else swapped
        if isinstance(node, ast.Constant) and type(node.value) is int:
            yield node, "value", node.value + 1


def mutate(source: str, chance: random.Random) -> str | None:
    tree = ast.parse(source)
    places = list(find_changes(tree))
    if not places:
        return None
    node, field, value = chance.choice(places)
    setattr(node, field, copy.deepcopy(value))
    return ast.unparse(tree)


def judge_in_process(problem: CallProblem, solution: str) -> bool:
    """What a judge does that runs all in one process: whether the tests pass."""
    # The solution after the tests, whose text defines the names of the preamble once more.
    call = f"check({problem.entry_point})"
    program = "\n".join((problem.preamble, problem.tests, solution, call))
    try:
        finished = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return finished.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_mutants_are_rejected_at_least_as_often_as_by_a_plain_judge(
    judge: Judge, humaneval: Pairs
) -> None:
    chance = random.Random(0)
    mutants: Pairs = []
    while len(mutants) < N_MUTANTS:
        problem, canonical = chance.choice(humaneval)
        mutant = mutate(canonical, chance)
        if mutant is not None:
            limited = CallProblem(
                problem.id, problem.preamble, problem.entry_point, problem.tests, 3.0
            )
            mutants.append((limited, mutant))
    ours = [verdict.outcome == "passed" for verdict in judge.judge(mutants)]
    plain = [judge_in_process(*mutant) for mutant in mutants]
    counts = Counter(zip(ours, plain, strict=True))
    told = json.dumps({str(key): count for key, count in counts.items()})
    assert sum(ours) <= sum(plain), told
    assert sum(plain) < N_MUTANTS / 2, told
    # Never does one pass that a plain judge rejects.
    assert counts[True, False] == 0, told
