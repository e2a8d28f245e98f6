"""The seam between methods and LLMs: a request, a reply, and who answers. No transport in here."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request. `purpose` and `id` name it in logs and replays and do not alter the answer; `attempt` counts from
    1 and is part of the cache key, so that asking again after an unusable reply is a new request.
    """

    messages: tuple[Message, ...]
    purpose: str
    id: str
    prompt_version: str
    attempt: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int | None = None
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `finish_reason` is the server's (`stop`, `length`, ...)."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    is_cached: bool = False


class Chat(Protocol):
    """An LLM behind a conversation interface."""

    @property
    def model(self) -> str:
        """Model name as the server knows it."""
        ...

    async def ask(self, request: ChatRequest) -> Reply:
        """Answer one request; called within `run`.

        Raises:
            ChatError: the request failed and its transport attempts are used up.
            KeyRefused: the server refused the key.
            SpendingLimitReached: the run's token limit is used up.
        """
        ...

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `ask` to its end, from any thread, in the client's one event loop."""
        ...
