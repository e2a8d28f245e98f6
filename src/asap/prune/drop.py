"""Algorithm 2 of the paper, the bookkeeping: from an order of removals to what is kept within a
budget.

By index, never by text. One sort and one pass over counts that a single tokenization gave; the
final text is counted once more, because a tokenizer may merge across the seam of a removal. What
orders the steps is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asap.prune.method import OnOverBudget, Ties
from asap.trace import (
    Excluded,
    Render,
    Selection,
    StepTokens,
    TokenCounter,
    Trace,
    render_steps,
    select_within,
)

Group = tuple[int, ...]
"""Step indices that go together: a step, and the header that it leaves bare."""


def order_by_score(
    scores: Mapping[int, float], headers: Mapping[int, Sequence[int]], ties: Ties
) -> list[Group]:
    """The order in which steps go: the lowest score first.

    Args:
        scores: score by step index, for every step that is still there.
        headers: header's step index -> the steps it governs, other headers among them. A header is
            not ranked: it goes with the last of the steps it governs. A header none of whose steps
            is there is ranked like any step.
        ties: which of two steps with equal scores goes first.

    Returns:
        Groups that cover the keys of `scores`, each index once.
    """
    governors: dict[int, list[int]] = {}
    left: dict[int, int] = {}
    for header, body in headers.items():
        present = [step_index for step_index in body if step_index in scores]
        if header in scores and present:
            left[header] = len(present)
            for step_index in present:
                governors.setdefault(step_index, []).append(header)
    sign = -1 if ties == "later" else 1
    ranked = sorted((i for i in scores if i not in left), key=lambda i: (scores[i], sign * i))
    groups: list[Group] = []
    for step_index in ranked:
        group = [step_index]
        for gone in group:  # grows while it is walked: a header may be governed by another
            for header in governors.get(gone, ()):
                left[header] -= 1
                if left[header] == 0:
                    group.append(header)
        groups.append(tuple(group))
    return groups


def count_after(tokens: StepTokens, groups: Sequence[Group]) -> tuple[int, ...]:
    """What the rest costs after each single removal, as `Selection.tokens_after_removal` wants it.

    Args:
        tokens: counts by step.
        groups: a complete order in groups.

    Returns:
        One count per step in removal order, never rising; within a group all but the last repeat
        the count before it.
    """
    is_gone = [False] * len(tokens.inner)
    total = tokens.total
    last_kept = len(is_gone) - 1
    cost = total
    counts: list[int] = []
    for group in groups:
        counts += [cost] * (len(group) - 1)
        for step_index in group:
            is_gone[step_index] = True
            total -= tokens.inner[step_index]
        while last_kept >= 0 and is_gone[last_kept]:
            last_kept -= 1
        if last_kept < 0:
            cost = 0
        else:
            # The separator after the last kept step is trimmed off. A removal never makes the rest
            # dearer.
            cost = min(cost, total - tokens.inner[last_kept] + tokens.last[last_kept])
        counts.append(cost)
    return tuple(counts)


def drop_until(tokens: StepTokens, groups: Sequence[Group], limit: int) -> int:
    """How many groups of a complete order go until the rest costs at most `limit`; one group always
    stays.
    """
    counts = count_after(tokens, groups)
    position = 0
    for n_groups, group in enumerate(groups[:-1], start=1):
        position += len(group)
        if counts[position - 1] <= limit:
            return n_groups
    return max(0, len(groups) - 1)


@dataclass(frozen=True, slots=True)
class Order:
    """A complete order of removals for one trace, and where it may stop."""

    subject: Trace
    groups: tuple[Group, ...]
    n_stage1: int
    """Steps, not groups, that stage 1 drops: the head of the order."""
    n_fixed: int
    """Removals that the budget may not undo."""
    limit: int
    """The budget in tokens."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A selection within its budget, its text and the count of the text's tokens."""

    selection: Selection
    thinking: str
    n_tokens: int


def fit_to_budget(
    orders: Sequence[Order],
    counter: TokenCounter,
    render: Render,
    on_step_over_budget: OnOverBudget,
) -> list[Fitted | Excluded]:
    """Stop each order where its budget holds, and make sure of it on the text itself.

    The texts of the whole batch are counted together. Where a count is over the limit after all,
    the next group goes and only those texts are counted again.

    Returns:
        One result per order; `Excluded("step_over_budget")` where the last group alone costs more
        than the limit, unless such rows are to be kept.
    """
    selections = [_first_within(order) for order in orders]
    texts = [
        render_steps(order.subject, selection.kept, render)
        for order, selection in zip(orders, selections, strict=True)
    ]
    counts = counter.count(texts)
    over = [i for i, order in enumerate(orders) if counts[i] > order.limit]
    while over:
        again = []
        for i in over:
            following = _next_state(orders[i], selections[i].n_removed)
            if following is not None:
                selections[i] = _at(orders[i], selections[i], following)
                texts[i] = render_steps(orders[i].subject, selections[i].kept, render)
                again.append(i)
        for i, n_tokens in zip(again, counter.count([texts[i] for i in again]), strict=True):
            counts[i] = n_tokens
        over = [i for i in again if counts[i] > orders[i].limit]
    results: list[Fitted | Excluded] = []
    for order, selection, text, n_tokens in zip(orders, selections, texts, counts, strict=True):
        if n_tokens > order.limit and on_step_over_budget == "exclude":
            which = "the last step left"
            if len(order.subject.steps) == 1:
                which = "the trace is one step (only a blank line ends one), which"
            detail = f"{which} has {n_tokens} tokens, the budget is {order.limit}"
            results.append(Excluded("step_over_budget", detail))
        else:
            results.append(Fitted(selection, text, n_tokens))
    return results


def _first_within(order: Order) -> Selection:
    tokens = order.subject.tokens
    if tokens is None:
        raise ValueError("count_tokens must come before a budget is fitted")
    removal_order = tuple(step_index for group in order.groups for step_index in group)
    counts = count_after(tokens, order.groups)
    n_removed = max(order.n_fixed, select_within(removal_order, counts, tokens.total, order.limit))
    most = len(removal_order) - len(order.groups[-1])
    return Selection(removal_order, counts, min(n_removed, most), order.n_stage1)


def _next_state(order: Order, n_removed: int) -> int | None:
    """The number of removals after one more whole group; None where only the last one is left."""
    position = 0
    for group in order.groups[:-1]:
        position += len(group)
        if position > n_removed:
            return position
    return None


def _at(order: Order, selection: Selection, n_removed: int) -> Selection:
    return Selection(
        selection.removal_order, selection.tokens_after_removal, n_removed, order.n_stage1
    )


def round_limits(n_tokens: int, limit: int, rounds: int) -> list[int]:
    """Where each round of scoring ends: equal shares of the way down in log length; the last one is
    the limit.
    """
    if n_tokens <= limit:
        return [limit]
    step = math.log(limit / n_tokens) / rounds
    return [int(n_tokens * math.exp(step * i)) for i in range(1, rounds)] + [limit]
