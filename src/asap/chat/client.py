"""The seam between methods and LLMs: a request, a reply, what it cost, and who answers. No
transport in here.
"""

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
    """One request. `purpose` and `id` name it in logs and replays and do not alter the answer;
    `attempt` counts from 1 and is part of the cache key, so that asking again after an unusable
    reply is a new request. `is_json` asks the server for a JSON object; the messages must ask for
    JSON too, servers insist on it.
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
    """What came back. `finish_reason` is the server's (`stop`, `length`, ...; `unknown` if it gave
    none). An empty or cut-off reply is a reply: what to do with it is the caller's business.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    is_cached: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a client has used so far. Frozen: a snapshot, safe to read from any thread."""

    requests: int = 0
    """Requests sent, repeats after a transport fault included."""
    cached: int = 0
    """Replies that needed no request: from the cache, or from a recording."""
    prompt_tokens: int = 0
    """Tokens read by the LLM; cached replies add none."""
    completion_tokens: int = 0
    """Tokens written by the LLM; cached replies add none."""
    retries: int = 0
    """How many of `requests` were repeats after a transport fault."""

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens: what a run's token limit counts."""
        return self.prompt_tokens + self.completion_tokens


class Chat(Protocol):
    """An LLM behind a conversation interface. Every implementation is a context manager too."""

    @property
    def model(self) -> str:
        """Model name as the server knows it."""
        ...

    @property
    def usage(self) -> Usage:
        """What has been used up to now, from any thread."""
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
        """Run a coroutine that calls `ask` to its end, from any thread, in the client's one event
        loop.
        """
        ...

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        ...


def estimate_tokens(text: str) -> int:
    """A guess at a text's tokens for replies that come without a count: a third of its characters,
    rounded up.

    Prose and code run at about four characters a token, so a limit counted this way acts early
    rather than late.
    """
    return -(-len(text) // 3)
