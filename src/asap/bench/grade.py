"""Brings answers before a judge, joined with their problems by id.

It never generates and never looks at positions: answers may come in any order, some may be missing,
and a resumed run gives the same verdicts (the paper's code files them by index, and misfiles them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from asap.bench.dataset import Dataset
from asap.errors import InputError
from asap.judge import Judge, Problem, Verdict

CANONICAL_CPU_S = 300.0
"""What a canonical solution may take: the slowest needs a fifth of it on an idle machine."""


@dataclass(frozen=True, slots=True)
class Solution:
    """One answer to one question."""

    id: str
    sample: int
    text: str | None
    """None: the response holds no answer."""


def judge_solutions(
    dataset: Dataset,
    solutions: Iterable[Solution],
    judge: Judge,
    cpu_limits_s: Mapping[str, float] | None = None,
) -> Iterator[tuple[Solution, Verdict]]:
    """Judge solutions.

    Args:
        dataset: the benchmark that they answer.
        solutions: in any order; held in memory, while problems come one at a time.
        judge: who judges them.
        cpu_limits_s: by id, in place of the problem's own limit.

    Yields:
        Each solution with its verdict: first those without an answer, then by problem.

    Raises:
        InputError: a solution answers no question of the benchmark, or answers one twice.
    """
    by_id: dict[str, list[Solution]] = defaultdict(list)
    for solution in _check(dataset, solutions):
        if solution.text is None:
            yield solution, Verdict("no_answer", None, "the response holds no answer", 0.0)
        else:
            by_id[solution.id].append(solution)
    limits = cpu_limits_s or {}
    asked: list[Solution] = []

    def pairs() -> Iterator[tuple[Problem, str]]:
        for problem in dataset.problems(by_id):
            if problem.id in limits:
                problem = replace(problem, cpu_limit_s=limits[problem.id])
            for solution in by_id[problem.id]:
                asked.append(solution)
                yield problem, solution.text or ""

    for position, verdict in enumerate(judge.judge(pairs())):
        yield asked[position], verdict


def judge_canonical(dataset: Dataset, judge: Judge) -> dict[str, Verdict]:
    """Judge the canonical solutions: the ceiling that a model can reach on this machine.

    Returns:
        Verdicts by id; empty for a benchmark without canonical solutions.
    """
    solutions = [
        Solution(question.id, 0, question.canonical)
        for question in dataset.questions.values()
        if question.canonical is not None
    ]
    limits = {solution.id: CANONICAL_CPU_S for solution in solutions}
    judged = judge_solutions(dataset, solutions, judge, limits)
    return {solution.id: verdict for solution, verdict in judged}


def _check(dataset: Dataset, solutions: Iterable[Solution]) -> Iterator[Solution]:
    seen: set[tuple[str, int]] = set()
    for solution in solutions:
        key = (solution.id, solution.sample)
        if solution.id not in dataset.questions:
            raise InputError(f"{dataset.name} has no problem '{solution.id}'")
        if key in seen:
            raise InputError(f"sample {solution.sample} of '{solution.id}' comes twice")
        seen.add(key)
        yield solution
