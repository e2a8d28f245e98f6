"""What is asked of an LLM, and what that costs: first requests as they were counted, times attempts
as they are assumed, or as another run of the same LLM had them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asap.plan.estimate import Range, estimate_total, exactly
from asap.plan.prices import Price
from asap.plan.record import LlmForecast
from asap.plan.reply import History, guess_attempts
from asap.plan.workload import Asked, RowWork

_HISTORY = Range(0.9, 1.0, 1.15)
"""How far another run of the same LLM may be off."""
_NOTHING = exactly(0.0)


def forecast_llm(
    works: Sequence[RowWork],
    n_rows: int,
    model: str | None,
    most_attempts: int,
    price: Price | None,
    history: History | None,
) -> LlmForecast:
    """Requests, tokens and dollars of all rows.

    Args:
        works: what each sampled row comes to.
        n_rows: of the whole.
        model: the LLM's name.
        most_attempts: what the recipe allows.
        price: of that LLM; None: no dollars.
        history: of a finished run; None: attempts and lengths as assumed.
    """
    purposes = list(dict.fromkeys(asked.purpose for work in works for asked in work.asked))
    requests: dict[str, Range] = {}
    first = again = completion = total = _NOTHING
    for purpose in purposes:
        mine = [[asked for asked in work.asked if asked.purpose == purpose] for work in works]
        attempts = guess_attempts(purpose, most_attempts)
        n_first = estimate_total([float(len(asked)) for asked in mine], n_rows, floor=0.0)
        requests[purpose] = n_first.times(attempts)
        total = total.plus(requests[purpose])
        prompts = _add_up(mine, n_rows, lambda asked: asked.prompt_tokens)
        first = first.plus(prompts)
        repeats = Range(attempts.low - 1, attempts.likely - 1, attempts.high - 1)
        again = again.plus(prompts.times(repeats))
        replies = _add_up(mine, n_rows, lambda asked: asked.completion_tokens)
        completion = completion.plus(replies.times(attempts))
    if history is not None:
        seen = _apply_history(history, works, n_rows, first, completion, total)
        total, again, completion = seen
        requests = {}
    dollars = _price(price, first, again, completion) if price else None
    as_of = price.as_of.isoformat() if price else None
    return LlmForecast(model, total, requests, first.plus(again), completion, dollars, as_of)


def _apply_history(
    history: History,
    works: Sequence[RowWork],
    n_rows: int,
    first: Range,
    completion: Range,
    total: Range,
) -> tuple[Range, Range, Range]:
    """Requests, prompt tokens of repeats, and completion tokens, at the other run's rates."""
    is_asked = [float(bool(work.asked)) for work in works]
    n_asked = estimate_total(is_asked, n_rows, floor=0.0)
    n_first = estimate_total([float(len(work.asked)) for work in works], n_rows, floor=0.0)
    replies = n_asked.times(history.replies_per_row).times(_HISTORY)
    repeats = max(0.0, replies.likely / n_first.likely - 1) if n_first.likely else 0.0
    written = completion
    if history.completion_tokens is not None:
        written = replies.times(history.completion_tokens)
    elif total.likely:
        written = completion.times(replies.likely / total.likely)
    return replies, first.times(repeats), written


def _add_up(mine: Sequence[Sequence[Asked]], n_rows: int, pick: Callable[[Asked], Range]) -> Range:
    """Over all rows, the sample's spread and each request's own both low or both high."""
    ranges = [[pick(asked) for asked in asks] for asks in mine]
    return Range(
        estimate_total([sum(r.low for r in row) for row in ranges], n_rows).low,
        estimate_total([sum(r.likely for r in row) for row in ranges], n_rows).likely,
        estimate_total([sum(r.high for r in row) for row in ranges], n_rows).high,
    )


def _price(price: Price, first: Range, again: Range, completion: Range) -> Range:
    """A prompt asked again was read before: low counts it as cached, likely and high as new."""
    whole = first.times(price.input).plus(completion.times(price.output))
    repeats = Range(again.low * price.cached, again.likely * price.input, again.high * price.input)
    return whole.plus(repeats).times(1e-6)
