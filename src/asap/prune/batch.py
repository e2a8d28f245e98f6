"""Asking an LLM about all rows of a batch at once, and stopping where nobody answers.

What is asked about one row is the method's business, and so is what becomes of a row that failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from asap.chat import Chat
from asap.errors import NoReply
from asap.prune.coarse import CoarseFailure
from asap.trace import Trace

T = TypeVar("T")

UNREACHABLE_ROWS = 8
"""From so many rows on, a batch of which the LLM has answered nothing stops the run."""


def ask_batch(
    batch: Sequence[Trace],
    ask: Callable[[Trace, Chat], Coroutine[Any, Any, T | CoarseFailure]],
    chat: Chat,
) -> list[T | CoarseFailure]:
    """Ask about every row; a stop waits for replies under way, which are paid for.

    Args:
        batch: the rows.
        ask: asks about one of them.
        chat: the LLM.

    Returns:
        What `ask` returned for each, in order.

    Raises:
        RunStopped: one of the requests ended the run, or none was answered (`NoReply`).
    """
    return chat.run(_ask_all(batch, ask, chat))


async def _ask_all(
    batch: Sequence[Trace],
    ask: Callable[[Trace, Chat], Coroutine[Any, Any, T | CoarseFailure]],
    chat: Chat,
) -> list[T | CoarseFailure]:
    asked = (ask(trace, chat) for trace in batch)
    replies = await asyncio.gather(*asked, return_exceptions=True)
    answered: list[T | CoarseFailure] = []
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
        answered.append(reply)
    _check_reachable(answered, chat)
    return answered


def _check_reachable(replies: Sequence[object], chat: Chat) -> None:
    """Stop where an LLM has failed a whole batch and never answered: it is the URL or the model.

    Row by row each of them would fall back, and a run of a million would look like a success.
    """
    failures = {reply.reason for reply in replies if isinstance(reply, CoarseFailure)}
    has_answered = chat.usage.completion_tokens > 0 or chat.usage.cached > 0
    if len(replies) >= UNREACHABLE_ROWS and not has_answered and chat.usage.requests:
        reasons = ", ".join(sorted(failures))
        raise NoReply(
            f"no reply from the LLM '{chat.model}' in {chat.usage.requests} requests ({reasons}); "
            "check --llm and --llm-url, then give the same command again"
        )
