"""What an arm leaves of traces, at each number of tokens that is asked for.

A method with one complete removal order is run once, and everything is read off the order; one that
scores in rounds, or returns text, is run once per target. A method without a budget is run once and
sets a target for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from asap.prune import Tools
from asap.rank.arm import Arm
from asap.rank.kept import KeptText
from asap.rank.target import keep_spans, read_off
from asap.trace import Budget, Excluded, Kept, Outcome, Rewritten, Trace

Limits = Mapping[str, int]
"""Tokens by target."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one trace."""

    by_target: dict[str, tuple[KeptText, ...]] = field(default_factory=dict)
    """One state, or the two on both sides of the tokens asked for."""
    order: tuple[int, ...] | None = None
    """The complete removal order over the trace's own steps, where there is one."""
    excluded: str | None = None


def own_target(arm: str) -> str:
    """The target that an arm without a budget sets."""
    return f"as {arm}"


def leave_at_targets(
    arm: Arm, traces: Sequence[Trace], limits: Sequence[Limits], tools: Tools
) -> list[Left]:
    """Prune traces down to every target.

    Args:
        arm: the method and its recipe.
        traces: with steps, by the arm's segmenter, and token counts.
        limits: for each trace its targets; an arm without a budget has its own instead.
        tools: the backends.

    Returns:
        One result per trace.
    """
    method = arm.method
    if not method.has_budget:
        outcomes = method.prune(traces, arm.recipe.budget, tools)
        return [
            _leave_once(own_target(arm.name), trace, outcome)
            for trace, outcome in zip(traces, outcomes, strict=True)
        ]
    first = method.prune(traces, Budget(ratio=_lowest_ratio(limits, traces)), tools)
    return [
        _leave_at(arm, trace, outcome, by_target, tools)
        for trace, outcome, by_target in zip(traces, first, limits, strict=True)
    ]


def _lowest_ratio(limits: Sequence[Limits], traces: Sequence[Trace]) -> float:
    shares = [
        limit / trace.tokens.total
        for trace, by_target in zip(traces, limits, strict=True)
        for limit in by_target.values()
        if trace.tokens
    ]
    return min([1.0, *shares])


def _leave_once(target: str, trace: Trace, outcome: Outcome) -> Left:
    if isinstance(outcome, Excluded):
        return Left(excluded=outcome.reason)
    return Left({target: (_read_outcome(trace, outcome),)}, _own_order(trace, outcome))


def _leave_at(arm: Arm, trace: Trace, first: Outcome, limits: Limits, tools: Tools) -> Left:
    if isinstance(first, Excluded):
        return Left(excluded=first.reason)
    recipe = arm.recipe
    by_target: dict[str, tuple[KeptText, ...]] = {}
    for target, limit in limits.items():
        outcome: Outcome = first
        if isinstance(first, Rewritten) or recipe.rounds > 1:
            (outcome,) = arm.method.prune([trace], Budget(tokens=limit), tools)
        if isinstance(outcome, Kept):
            by_target[target] = read_off(
                trace, outcome, limit, recipe.render, keep_headers=recipe.keep_headers
            )
        elif isinstance(outcome, Rewritten):
            by_target[target] = (_read_outcome(trace, outcome),)
    return Left(by_target, _own_order(trace, first))


def _read_outcome(trace: Trace, outcome: Kept | Rewritten) -> KeptText:
    if isinstance(outcome, Kept):
        is_verbatim = outcome.subject.thinking == trace.thinking
        kept = keep_spans(outcome.subject, outcome.selection.kept, is_verbatim=is_verbatim)
        return KeptText(outcome.thinking, kept.spans)
    shortest = min(outcome.variants, key=lambda variant: len(variant.thinking))
    return KeptText(shortest.thinking, shortest.spans)


def _own_order(trace: Trace, outcome: Outcome) -> tuple[int, ...] | None:
    if isinstance(outcome, Kept) and outcome.subject.thinking == trace.thinking:
        return outcome.selection.removal_order
    return None
