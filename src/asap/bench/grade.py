"""Brings answers before a judge, joined with their problems by id.

It never generates and never looks at positions: answers may come in any order, some may be missing,
and a resumed run gives the same verdicts (the paper's code files them by index, and misfiles them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from asap.bench.dataset import Dataset
from asap.errors import InputError
from asap.judge import Judge, Problem, Verdict, find_cpu_limit

CANONICAL_CPU_S = 300.0
"""What a canonical solution may take: the slowest needs a fifth of it on an idle machine."""
CANONICAL_FACTOR = 4.0
"""A solution may take so many times the CPU time of the canonical one."""


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
    for solution in check_solutions(dataset, solutions):
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


def judge_canonical(
    dataset: Dataset,
    judge: Judge,
    ids: Container[str] | None = None,
    on_verdict: Callable[[Verdict], None] = lambda _: None,
) -> dict[str, Verdict]:
    """Judge the canonical solutions: the ceiling that a model can reach on this machine.

    Args:
        dataset: the benchmark.
        judge: who judges them.
        ids: only those of these problems; None: all.
        on_verdict: told each verdict as it comes.

    Returns:
        Verdicts by id; empty for a benchmark without canonical solutions.
    """
    solutions = [
        Solution(question.id, 0, question.canonical)
        for question in dataset.questions.values()
        if question.canonical is not None and (ids is None or question.id in ids)
    ]
    limits = {solution.id: CANONICAL_CPU_S for solution in solutions}
    verdicts = {}
    for solution, verdict in judge_solutions(dataset, solutions, judge, limits):
        verdicts[solution.id] = verdict
        on_verdict(verdict)
    return verdicts


def scale_limits(dataset: Dataset, canonical_verdicts: Mapping[str, Verdict]) -> dict[str, float]:
    """Limits that this machine needs: `CANONICAL_FACTOR` times the canonical solution's CPU time.

    Args:
        dataset: the benchmark.
        canonical_verdicts: from `judge_canonical`, under `robust`; one that did not pass says
            nothing of its problem.

    Returns:
        CPU seconds by id, for `judge_solutions`: only where that is more than the problem's limit.
    """
    wanted_s = {
        id: CANONICAL_FACTOR * verdict.cpu_s
        for id, verdict in canonical_verdicts.items()
        if verdict.outcome == "passed"
    }
    return {
        problem.id: wanted_s[problem.id]
        for problem in dataset.problems(wanted_s)
        if wanted_s[problem.id] > find_cpu_limit(problem)
    }


def check_solutions(dataset: Dataset, solutions: Iterable[Solution]) -> list[Solution]:
    """The solutions, each the only one of its name and for a question of the benchmark.

    Raises:
        InputError: one is not.
    """
    checked = []
    seen: set[tuple[str, int]] = set()
    for solution in solutions:
        key = (solution.id, solution.sample)
        if solution.id not in dataset.questions:
            raise InputError(f"{dataset.name} has no problem '{solution.id}'")
        if key in seen:
            raise InputError(f"sample {solution.sample} of '{solution.id}' comes twice")
        seen.add(key)
        checked.append(solution)
    return checked
