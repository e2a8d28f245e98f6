"""Answers of evaluated models problem by problem: lists for one run and for two, and one problem
with what was answered and what the judge said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from asap.view.eval_index import EvalIndex
from asap.view.markup import describe_text
from asap.view.visible import show_controls

_ORDER = "benchmark, natural_id, id, sample"
# HumanEval/2 before HumanEval/10: the last number of an id counts as one.
_NATURAL = "try_cast(regexp_extract(id, '([0-9]{1,18})[^0-9]*$', 1) AS BIGINT) AS natural_id"
_ONLY: dict[str, Callable[[bool, bool], bool]] = {
    "all": lambda a, b: True,
    "differ": lambda a, b: a != b,
    "both_wrong": lambda a, b: not a and not b,
    "both_passed": lambda a, b: a and b,
    "a_only": lambda a, b: a and not b,
    "b_only": lambda a, b: b and not a,
}
"""Which pairs are listed, by whether each run passed."""
_LONGEST_MESSAGE = 4000
Only = Literal["all", "differ", "both_wrong", "both_passed", "a_only", "b_only"]


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str | None = None
    budget: int | None = Field(None, gt=0)
    offset: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=1000)


class ProblemQuery(_Page):
    """Which answers of one run to list."""

    verdict: str | None = None
    id: str | None = None
    """Contained in the id, upper and lower case alike."""


class PairQuery(_Page):
    """Which problems of two runs to list."""

    a: int = Field(ge=0)
    b: int = Field(ge=0)
    only: Only = "differ"


class AnswerQuery(BaseModel):
    """Which answers to one problem to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: int = Field(ge=0)
    b: int | None = Field(None, ge=0)
    budget: int | None = Field(None, gt=0)
    """The largest that the runs share if none is given."""
    sample: int = Field(0, ge=0)
    full: Literal["0", "1"] = "0"
    """1: long answers are not cut."""


def list_problems(index: EvalIndex, query: ProblemQuery) -> dict[str, Any]:
    """A page of one run's answers."""
    where, values = _filter(query)
    if query.verdict:
        where, values = f"{where} AND verdict = ?", [*values, query.verdict]
    if query.id:
        where, values = f"{where} AND contains(lower(id), lower(?))", [*values, query.id]
    total = index.query(f"SELECT count(*) FROM answers WHERE {where}", values)[0][0]
    found = index.query(
        f"SELECT benchmark, id, sample, budget, verdict, n_tokens, is_cut, {_NATURAL} FROM answers "
        f"WHERE {where} ORDER BY {_ORDER}, budget DESC LIMIT ? OFFSET ?",
        [*values, query.limit, query.offset],
    )
    names = ("benchmark", "id", "sample", "budget", "verdict", "n_tokens", "is_cut")
    return {
        "total": total,
        "offset": query.offset,
        "rows": [_show(dict(zip(names, row, strict=False))) for row in found],
        "benchmarks": _list_distinct(index, "benchmark"),
        "verdicts": _list_distinct(index, "verdict"),
    }


def _list_distinct(index: EvalIndex, column: str) -> list[str]:
    """What a column can be filtered by."""
    found = index.query(
        f"SELECT DISTINCT {column} FROM answers WHERE {column} IS NOT NULL ORDER BY 1"
    )
    return [value for (value,) in found]


def list_pairs(a: EvalIndex, b: EvalIndex, query: PairQuery) -> dict[str, Any]:
    """A page of the problems that two runs answered, under one budget per benchmark: the one asked
    for, or the largest that both have.
    """
    rows = []
    for benchmark, budget in _find_shared_budgets(a, b, query):
        theirs = {
            (id, sample): (verdict, n_tokens)
            for id, sample, verdict, n_tokens, _ in _list_answers(b, benchmark, budget)
        }
        for id, sample, verdict, n_tokens, _ in _list_answers(a, benchmark, budget):
            other = theirs.get((id, sample))
            if other is not None and _ONLY[query.only](verdict == "passed", other[0] == "passed"):
                rows.append(
                    {
                        "benchmark": benchmark,
                        "id": id,
                        "sample": sample,
                        "budget": budget,
                        "a": verdict,
                        "b": other[0],
                        "a_tokens": n_tokens,
                        "b_tokens": other[1],
                    }
                )
    shown = rows[query.offset : query.offset + query.limit]
    return {
        "total": len(rows),
        "offset": query.offset,
        "rows": list(map(_show, shown)),
        "benchmarks": _list_distinct(a, "benchmark"),
    }


def describe_problem(
    a: EvalIndex, b: EvalIndex | None, benchmark: str, id: str, query: AnswerQuery
) -> dict[str, Any] | None:
    """One problem with the answers of one run or two; None where neither answered it.

    Args:
        a: the first run's answers.
        b: the second's, if there is one.
        benchmark: with its part, as the runs have it.
        id: the problem's.
        query: which answers to show.
    """
    indexes = [index for index in (a, b) if index is not None]
    budgets = [_find_budgets(index, benchmark, id, query.sample) for index in indexes]
    shared = set.intersection(*budgets) or set.union(*budgets)
    budget = query.budget or max(shared, default=None)
    if budget is None or not any(budget in each for each in budgets):
        return None
    sides = [
        _describe_answer(index, [benchmark, id, query.sample, budget], query.full == "1")
        for index in indexes
    ]
    return {
        "benchmark": show_controls(benchmark),
        "id": show_controls(id),
        "sample": query.sample,
        "budget": budget,
        "budgets": sorted(set.union(*budgets)),
        "question": _describe_question(indexes, benchmark, id, query.full == "1"),
        "a": sides[0],
        "b": sides[1] if b is not None else None,
    }


def _filter(query: _Page) -> tuple[str, list[Any]]:
    """A condition, and its values."""
    conditions, values = ["true"], []
    for name in ("benchmark", "budget"):
        value = getattr(query, name)
        if value is not None and value != "":
            conditions.append(f"{name} = ?")
            values.append(value)
    return " AND ".join(conditions), values


def _find_shared_budgets(a: EvalIndex, b: EvalIndex, query: PairQuery) -> list[tuple[str, int]]:
    """The budget that each benchmark is compared under, in the order of benchmarks' names."""
    where, values = _filter(query)
    sql = f"SELECT DISTINCT benchmark, budget FROM answers WHERE {where}"
    shared = set(a.query(sql, values)) & set(b.query(sql, values))
    largest: dict[str, int] = {}
    for benchmark, budget in shared:
        largest[benchmark] = max(budget, largest.get(benchmark, 0))
    return sorted(largest.items())


def _list_answers(index: EvalIndex, benchmark: str, budget: int) -> list[tuple[Any, ...]]:
    """id, sample, verdict, tokens, and what they are ordered by."""
    return index.query(
        f"SELECT id, sample, verdict, n_tokens, {_NATURAL} FROM answers "
        f"WHERE benchmark = ? AND budget = ? ORDER BY {_ORDER}",
        [benchmark, budget],
    )


def _find_budgets(index: EvalIndex, benchmark: str, id: str, sample: int) -> set[int]:
    found = index.query(
        "SELECT budget FROM answers WHERE benchmark = ? AND id = ? AND sample = ?",
        [benchmark, id, sample],
    )
    return {budget for (budget,) in found}


def _describe_answer(index: EvalIndex, key: list[Any], is_full: bool) -> dict[str, Any] | None:
    """What a run answered, and what became of it; None where it did not."""
    found = index.query(
        "SELECT verdict, n_tokens, is_cut, position, verdict_position FROM answers "
        "WHERE benchmark = ? AND id = ? AND sample = ? AND budget = ?",
        key,
    )
    if not found:
        return None
    verdict, n_tokens, is_cut, position, verdict_position = found[0]
    message = "" if verdict_position is None else index.read_message(verdict_position)
    return {
        "verdict": verdict,
        "message": show_controls(message[:_LONGEST_MESSAGE]),
        "n_tokens": n_tokens,
        "is_cut": is_cut,
        "text": describe_text(index.read_text(position), is_full=is_full),
    }


def _describe_question(
    indexes: list[EvalIndex], benchmark: str, id: str, is_full: bool
) -> dict[str, Any] | None:
    """What was asked, from the first run that says it."""
    asked = (index.read_question(benchmark, id) for index in indexes)
    text = next((each for each in asked if each is not None), None)
    return None if text is None else describe_text(text, is_full=is_full)


def _show(row: dict[str, Any]) -> dict[str, Any]:
    """The row, fit for a page."""
    return {
        name: show_controls(value) if isinstance(value, str) else value
        for name, value in row.items()
    }
