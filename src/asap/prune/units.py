"""What token-level methods share: units of text, which of them stay, and the text made of those.

A unit is a piece of the thinking without white space at its ends: a token, a word, a phrase, a
sentence. What orders the units is the method's business (Selective Context, LLMLingua-2). Ours:
budgets count the student's tokens on the text itself, and units that had white space or a line
break between them still have it when what stood there goes: else words run together and code
loses its lines.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asap.prune.method import OnOverBudget
from asap.trace import Budget, Excluded, Rewritten, TokenCounter, Trace, Variant

Span = tuple[int, int]
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Units:
    """A trace cut into units."""

    trace: Trace
    spans: tuple[Span, ...]
    """Half-open, in code points of the thinking; ascending, disjoint, nothing but white space (and
    signs that the tokenizer drops) between them.
    """
    scores: tuple[float, ...]
    """One per unit; the lowest goes first. `nan` is unknown: it goes last."""
    not_twice: tuple[str, ...] = ()
    """One per unit, or none at all: a unit goes too where the one kept before it has the same mark
    as it has. An empty mark is none.
    """


def fit_units(
    cuts: Sequence[Units],
    limits: Sequence[int],
    counter: TokenCounter,
    *,
    preserve_whitespace: bool,
    on_step_over_budget: OnOverBudget,
) -> list[Rewritten | Excluded]:
    """Drop the units with the lowest scores, of equals the later, until each text is within budget.

    Each thinking is tokenized once; what a removal saves is counted from that, and the text made is
    counted itself. Where it is over the budget after all, more units go.

    Args:
        cuts: traces cut into units.
        limits: what each text may cost, in tokens.
        counter: of the student's tokens.
        preserve_whitespace: as in `join_units`.
        on_step_over_budget: what becomes of a trace whose last unit alone costs more.

    Returns:
        One per trace; a trace within its budget stays byte for byte as it was where white space is
        preserved. `Excluded("step_over_budget")` where the last unit is over it.
    """
    starts = counter.token_starts([units.trace.thinking for units in cuts])
    descents = [
        _Descent(units, limit, token_starts, preserve_whitespace)
        for units, limit, token_starts in zip(cuts, limits, starts, strict=True)
    ]
    waiting = descents
    while waiting:
        counts = counter.count([descent.variant.thinking for descent in waiting])
        for descent, n_tokens in zip(waiting, counts, strict=True):
            descent.n_tokens = n_tokens
        waiting = [descent for descent in waiting if descent.go_on()]
    return [_outcome(descent, on_step_over_budget) for descent in descents]


class _Descent:
    """One trace on its way into the budget."""

    def __init__(
        self, units: Units, limit: int, token_starts: Sequence[int], preserve_whitespace: bool
    ) -> None:
        self.units = units
        self.limit = limit
        self.preserve_whitespace = preserve_whitespace
        scores = [math.inf if math.isnan(score) else score for score in units.scores]
        self.order = sorted(range(len(scores)), key=lambda i: (scores[i], -i))
        # A token is the unit's in which it begins, or in the white space before which it does.
        up_to = np.searchsorted(token_starts, [end for _, end in units.spans])
        costs = np.diff(up_to, prepend=0)
        self.left = costs.sum() - np.cumsum(costs[self.order])
        """Tokens left after each removal, as counted locally."""
        self.n_removed = self._first_within(limit) if len(token_starts) > limit else 0
        self.n_tokens = len(token_starts)
        is_whole = preserve_whitespace and self.n_tokens <= limit and not units.not_twice
        self.variant = _whole(units.trace) if is_whole else self._join()

    def go_on(self) -> bool:
        """Drop more where the text is over the limit; whether there was more to drop."""
        excess = self.n_tokens - self.limit
        if excess <= 0 or self.n_removed + 1 >= len(self.order):
            return False
        reached = self.left[self.n_removed - 1] if self.n_removed else self.n_tokens
        self.n_removed = max(self.n_removed + 1, self._first_within(reached - excess))
        self.variant = self._join()
        return True

    def _first_within(self, limit: float) -> int:
        """Removals until at most `limit` tokens are left as counted locally; one unit stays."""
        n_over = int((self.left > limit).sum())
        return min(n_over + 1, len(self.order) - 1)

    def _join(self) -> Variant:
        kept = [True] * len(self.order)
        for i in self.order[: self.n_removed]:
            kept[i] = False
        return _join(self.units, kept, self.preserve_whitespace)


def _outcome(descent: _Descent, on_step_over_budget: OnOverBudget) -> Rewritten | Excluded:
    if descent.n_tokens > descent.limit and on_step_over_budget == "exclude":
        detail = f"the last unit has {descent.n_tokens} tokens, the budget is {descent.limit}"
        return Excluded("step_over_budget", detail)
    return Rewritten((descent.variant,))


def limit_of(budget: Budget, trace: Trace) -> int:
    """The budget of a trace with token counts, in tokens."""
    assert trace.tokens is not None
    return budget.limit(trace.tokens.total)


def share_of(budget: Budget, trace: Trace) -> float:
    """The budget as a share of the thinking's tokens, in (0, 1]: what percentiles are taken of."""
    if budget.ratio is not None:
        return budget.ratio
    assert trace.tokens is not None
    return min(1.0, limit_of(budget, trace) / trace.tokens.total)


def join_units(units: Units, kept: Sequence[bool], *, preserve_whitespace: bool) -> Variant:
    """The text of the units that stay.

    Args:
        units: the trace and its units.
        kept: whether each unit stays; at least one does.
        preserve_whitespace: each unit with the last line break (and indentation) since the unit
            kept before it, else with the last white space; blank lines at the head go. Off: with
            the white space right before it, made a single blank.

    Returns:
        Text and spans. Preserved, the spans put together are the text; else they are once their
        white space is single blanks.
    """
    if preserve_whitespace and all(kept) and not units.not_twice:
        return _whole(units.trace)
    return _join(units, kept, preserve_whitespace)


def _whole(trace: Trace) -> Variant:
    return Variant("", trace.thinking, spans=((0, len(trace.thinking)),))


def _join(units: Units, kept: Sequence[bool], preserve_whitespace: bool) -> Variant:
    thinking = units.trace.thinking
    find_lead = _Leads(thinking).find if preserve_whitespace else _own_lead
    spans: list[Span] = []
    before = kept_before = 0  # where the unit before ends, and the one kept before
    mark_before = ""
    for i, (start, end) in enumerate(units.spans):
        mark = units.not_twice[i] if units.not_twice else ""
        if kept[i] and not (mark and mark == mark_before):
            mark_before = mark
            lead = find_lead(kept_before, before, start)
            spans += [lead if spans else _head(thinking, lead), (start, end)]
            kept_before = end
        before = end
    merged = tuple(_merge(spans))
    text = "".join(thinking[start:end] for start, end in merged)
    return Variant("", text if preserve_whitespace else " ".join(text.split()), spans=merged)


def _own_lead(kept_before: int, before: int, start: int) -> Span:
    """The white space before a unit."""
    return (before, start)


class _Leads:
    """The white space of a thinking, to be found by place."""

    def __init__(self, thinking: str) -> None:
        runs = [match.span() for match in _WHITE_SPACE.finditer(thinking)]
        breaks = [run for run in runs if "\n" in thinking[slice(*run)]]
        self.sorted_runs = (breaks, runs)

    def find(self, kept_before: int, before: int, start: int) -> Span:
        """The last line break since the unit kept before; else the last white space; else none."""
        for runs in self.sorted_runs:
            found = bisect_right(runs, (start, start)) - 1
            if found >= 0 and runs[found][0] >= kept_before:
                return runs[found]
        return (start, start)


def _head(thinking: str, lead: Span) -> Span:
    """The white space before the first unit kept: its line's indentation at most."""
    start, end = lead
    line_start = thinking.rfind("\n", start, end) + 1
    if line_start:
        return (line_start, end)
    return lead if start == 0 else (end, end)


def _merge(spans: Sequence[Span]) -> list[Span]:
    """Spans that adjoin put together; empty ones go."""
    merged: list[Span] = []
    for start, end in spans:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        elif end > start:
            merged.append((start, end))
    return merged
