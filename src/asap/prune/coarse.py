"""What the LLM ways of stage 1 have in common: their results, and asking again.

An unusable reply has a name and costs one attempt; attempts are bounded, whatever the LLM says.
Nothing here knows what a usable reply looks like, and the transport's own retries are the chat
room's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from asap.chat import Chat, ChatRequest, Reply
from asap.errors import ChatError, RecipeError
from asap.trace import Trace

T = TypeVar("T")

REASONS: dict[str, str] = {
    "truncated": "the reply was cut off at the token limit (finish_reason = length)",
    "filtered": "the server held the reply back (finish_reason = content_filter)",
    "empty_reply": "the reply holds no text",
    "invalid_json": 'the reply holds no JSON object with a list under "keep"',
    "invalid_range": "an entry of the reply is neither a step number nor a pair of them",
    "reversed_range": "a range in the reply ends before it begins",
    "out_of_bounds": "the reply names a step that does not exist",
    "empty_selection": "the reply keeps nothing",
    "not_shorter": "the reply removes nothing",
    "stray_tag": "thinking tags stand inside the reply",
    "unmatched_step": "a step of the reply matches no later step of the original",
    "single_step": "the thinking is one step; the LLM was not asked",
    "no_answer": "the row has no answer to write an anchor from; the LLM was not asked",
    "invalid_reply": "the reply holds no JSON object with the fields asked for",
    "unknown_difficulty": "the reply calls the question neither easy nor medium nor hard",
    "longer": "the rewritten reasoning is longer than the original",
    "over_level": "the rewritten reasoning is longer than its difficulty allows",
    "answer_differs": "the rewritten reasoning comes to another answer than the row's",
}
"""Every reason but those of a `ChatError`, with its meaning."""

_UNFINISHED = {"length": "truncated", "content_filter": "filtered"}


@dataclass(frozen=True)
class Coarse:
    """What an LLM's pruning came to."""

    subject: Trace
    """The trace; or, where the reply's wording is used, the reply as one, without token counts."""
    kept: tuple[int, ...]
    """Indices of the subject's steps that survive, ascending."""
    anchor: str
    reply: str
    """The usable reply as it came."""
    matches: tuple[float | None, ...]
    """Gestalt similarity of original step and reply step, per step of the subject."""
    attempts: int
    """Replies asked for, the usable one included."""
    prompt_version: str


@dataclass(frozen=True)
class CoarseFailure:
    """An LLM's pruning, or its anchor, that was given up."""

    reason: str
    """The last attempt's: one of `REASONS`, or a `ChatError`'s."""
    reasons: tuple[str, ...]
    """One per attempt."""
    attempts: int
    anchor: str | None = None
    """The anchor, where it was the step after it that failed."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reply that is of no use, by name."""

    reason: str


@dataclass(frozen=True, slots=True)
class Usable(Generic[T]):
    """What was read from the first usable reply."""

    value: T
    reply: str
    attempts: int


async def ask_until_usable(
    chat: Chat,
    request: Callable[[int], ChatRequest],
    read: Callable[[str], T | Unusable],
    attempts: int,
    anchor: str | None = None,
) -> Usable[T] | CoarseFailure:
    """Ask until a reply can be used, at most `attempts` times.

    Args:
        chat: the LLM.
        request: the request of an attempt, counted from 1.
        read: what a complete reply's text says, or why it is of no use.
        attempts: replies to ask for at most.
        anchor: passed on to the failure.

    Raises:
        RecipeError: `attempts` is below 1.
        RunStopped: the key was refused or the spending limit reached.
    """
    if attempts < 1:
        raise RecipeError(f"stage1_attempts is {attempts}; it must be at least 1")
    reasons: list[str] = []
    for attempt in range(1, attempts + 1):
        try:
            reply = await chat.ask(request(attempt))
        except ChatError as error:
            # Its own attempts are used up already: asking on would multiply them.
            reasons.append(error.reason)
            break
        unusable = _find_fault(reply)
        value = unusable or read(reply.text)
        if not isinstance(value, Unusable):
            return Usable(value, reply.text, attempt)
        reasons.append(value.reason)
    return CoarseFailure(reasons[-1], tuple(reasons), len(reasons), anchor)


def _find_fault(reply: Reply) -> Unusable | None:
    if reply.finish_reason in _UNFINISHED:
        return Unusable(_UNFINISHED[reply.finish_reason])
    return None if reply.text.strip() else Unusable("empty_reply")
