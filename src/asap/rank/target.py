"""From a complete removal order to what it leaves at any number of tokens.

A run stops at the first state within its budget; the last drop may be a long block, and how far it
overshoots differs by method. So here, and in the lab only, the steps that went last come back as
far as they fit. Where that is not near enough (short traces of a few long steps), the next state
above the target is given as well, and what is measured is weighted so that both together have just
as many tokens as were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from asap.prune import governed_by_header
from asap.rank.kept import KeptText, Span
from asap.trace import Kept, Render, Selection, StepTokens, Trace, render_steps, select_within

NEAR = 0.99
"""From this share of the tokens asked for on, the state below is near enough."""
_NOTHING = KeptText("", ())


def read_off(
    trace: Trace, outcome: Kept, limit: int, render: Render, *, keep_headers: bool
) -> tuple[KeptText, ...]:
    """What the order leaves within `limit` tokens, and the next state above where that is far off.

    Args:
        trace: what was pruned.
        outcome: a selection with a complete removal order.
        limit: tokens, counted by step.
        render: how kept steps become text.
        keep_headers: whether a header stays if and only if a step that it governs stays.

    Returns:
        One state, or the two on both sides of the limit. Where even the last group of steps is
        above it, the state below is the empty text. What an LLM pruned first stays dropped,
        whatever the limit.
    """
    subject, selection = outcome.subject, outcome.selection
    tokens = subject.tokens
    assert tokens is not None
    order = selection.removal_order
    n_fixed = selection.n_stage1 if outcome.evidence.reply is not None else 0
    n_removed = select_within(order, selection.tokens_after_removal, tokens.total, limit)
    n_removed = min(max(n_fixed, n_removed), _most_removals(tokens, selection))
    headers = governed_by_header(subject) if keep_headers else {}
    kept, unfit = _put_back(tokens, order, n_removed, n_fixed, limit, headers)
    is_verbatim = subject.thinking == trace.thinking
    below = keep_spans(subject, sorted(kept), render, is_verbatim=is_verbatim)
    cost = _count(tokens, kept)
    if cost > limit:
        return _NOTHING, below
    if not unfit or cost >= NEAR * limit:
        return (below,)
    return below, keep_spans(subject, sorted(kept.union(unfit)), render, is_verbatim=is_verbatim)


def keep_spans(
    trace: Trace, kept: Sequence[int], render: Render = "original", *, is_verbatim: bool = True
) -> KeptText:
    """Kept steps as text and, where they are the trace's own, as spans; a step's span reaches to
    the next step.
    """
    text = render_steps(trace, kept, render)
    if not is_verbatim:
        return KeptText(text, None)
    ends = [step.start for step in trace.steps[1:]] + [len(trace.thinking)]
    spans: list[Span] = []
    for i in kept:
        start, end = trace.steps[i].start, ends[i]
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return KeptText(text, tuple(spans))


def _most_removals(tokens: StepTokens, selection: Selection) -> int:
    """Removals after which one whole group is left; within a group the counts do not change."""
    counts = (tokens.total, *selection.tokens_after_removal)
    most = len(counts) - 2
    while most > 0 and counts[most] == counts[most - 1]:
        most -= 1
    return most


def _count(tokens: StepTokens, kept: Set[int]) -> int:
    """Tokens of kept steps, counted by step."""
    last = max(kept)
    return sum(tokens.inner[i] for i in kept) - tokens.inner[last] + tokens.last[last]


def _put_back(
    tokens: StepTokens,
    order: Sequence[int],
    n_removed: int,
    n_fixed: int,
    limit: int,
    headers: Mapping[int, Sequence[int]],
) -> tuple[set[int], list[int]]:
    """The kept steps once those that went last have come back as far as they fit, each with the
    headers that govern it; and the first of them that did not fit.
    """
    kept = set(order[n_removed:])
    governors: dict[int, list[int]] = {}
    for header, body in headers.items():
        for i in body:
            governors.setdefault(i, []).append(header)
    total = sum(tokens.inner[i] for i in kept)
    last = max(kept)
    unfit: list[int] = []
    for i in reversed(order[n_fixed:n_removed]):
        if i in kept or i in headers:
            continue
        new = [i, *(h for h in governors.get(i, ()) if h not in kept)]
        rest = total + sum(tokens.inner[j] for j in new)
        end = max(last, *new)
        if rest - tokens.inner[end] + tokens.last[end] <= limit:
            kept.update(new)
            total, last = rest, end
        else:
            unfit = unfit or new
    return kept, unfit
