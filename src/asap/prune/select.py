"""Coarse pruning by selection: the steps go in numbered, the LLM says which to keep.

Not in the paper: some hundred output tokens instead of thousands, and nothing to hallucinate. The
reply is data, and every way in which it can be wrong has a name.
"""

from __future__ import annotations

import json
from typing import Any

from asap.chat import Chat, ChatRequest
from asap.prune.coarse import Coarse, CoarseFailure, Unusable, ask_until_usable
from asap.prune.prompts import prompt_select
from asap.prune.unwrap import unwrap_reply
from asap.trace import Trace

_MAX_OBJECTS = 100
"""Places of a reply, from its end, at which the object is looked for."""


async def select_steps(
    trace: Trace, anchor: str, chat: Chat, attempts: int
) -> Coarse | CoarseFailure:
    """Ask which steps to keep.

    Args:
        trace: a trace with steps.
        anchor: the direct solution.
        chat: the LLM. The first attempt is at temperature 0, further ones at 0.7.
        attempts: replies to ask for at most.

    Returns:
        The kept steps, or why there are none.
    """
    n_steps = len(trace.steps)
    if n_steps < 2:
        return CoarseFailure("single_step", (), 0, anchor)
    prompt = prompt_select(trace, anchor)

    def request(attempt: int) -> ChatRequest:
        return ChatRequest(
            prompt.messages,
            purpose="select",
            id=trace.id,
            prompt_version=prompt.version,
            attempt=attempt,
            temperature=0.0 if attempt == 1 else 0.7,
            is_json=True,
        )

    def read(text: str) -> tuple[int, ...] | Unusable:
        return parse_selection(text, n_steps)

    answer = await ask_until_usable(chat, request, read, attempts, anchor)
    if isinstance(answer, CoarseFailure):
        return answer
    return Coarse(
        subject=trace,
        kept=answer.value,
        anchor=anchor,
        reply=answer.reply,
        matches=(None,) * n_steps,
        attempts=answer.attempts,
        prompt_version=prompt.version,
    )


def parse_selection(text: str, n_steps: int) -> tuple[int, ...] | Unusable:
    """Read a reply such as `{"keep": [[0, 4], 7, [9, 12]]}`.

    Prose and fences round the object are tolerated; of several objects the last counts. Ranges out
    of order are sorted and overlapping ones united: what they mean is clear.

    Args:
        text: the reply.
        n_steps: steps of the trace.

    Returns:
        The kept step indices, ascending, or what is wrong with the reply.
    """
    reply = unwrap_reply(text)
    if not reply:
        return Unusable("empty_reply")
    entries = _find_entries(reply)
    if entries is None:
        return Unusable("invalid_json")
    kept: set[int] = set()
    for entry in entries:
        bounds = _read_entry(entry)
        if bounds is None:
            return Unusable("invalid_range")
        first, last = bounds
        if first > last:
            return Unusable("reversed_range")
        if first < 0 or last >= n_steps:
            return Unusable("out_of_bounds")
        kept.update(range(first, last + 1))
    if not kept:
        return Unusable("empty_selection")
    return Unusable("not_shorter") if len(kept) == n_steps else tuple(sorted(kept))


def _find_entries(text: str) -> list[Any] | None:
    """The list under "keep" of the last JSON object that has one."""
    decoder = json.JSONDecoder()
    position = len(text)
    for _ in range(_MAX_OBJECTS):
        position = text.rfind("{", 0, position)
        if position < 0:
            break
        try:
            value, _end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("keep"), list):
            entries: list[Any] = value["keep"]
            return entries
    return None


def _read_entry(entry: Any) -> tuple[int, int] | None:
    """First and last step of an entry; None for anything but a whole number or a pair of them."""
    bounds = [entry, entry] if _is_index(entry) else entry
    if isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_index, bounds)):
        return bounds[0], bounds[1]
    return None


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
