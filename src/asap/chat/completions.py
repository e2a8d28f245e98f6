"""A model that goes on from a prompt, behind any OpenAI-compatible server: streamed, with times,
and with token ids both ways where the server has them (vLLM does). For measuring models, so nothing
is cached here and no two requests share one reply. What each fault ends in: see `OpenAIChat`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError

from asap.chat.client import Message, Usage, estimate_tokens
from asap.chat.limits import ChatLimits
from asap.chat.transport import Transport, Waiting
from asap.trace import CLOSING

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
Prompt = tuple[int, ...] | str | tuple[Message, ...]
"""Token ids, as they are; a text, to which the server adds special tokens; or a conversation, which
the server puts into its template.
"""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One request. Temperature 0 is greedy."""

    prompt: Prompt
    id: str
    """What it is called in logs."""
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class CompletionReply:
    """What came back."""

    text: str
    """Where the server parts thinking and answer: both, with a closing tag between."""
    finish_reason: str
    """The server's: `stop`, `length`, ...; `unknown` if it gave none."""
    completion_ids: tuple[int, ...] | None
    """None: the server gives no token ids."""
    prompt_tokens: int | None
    """As the server counts; None: it does not."""
    completion_tokens: int
    """As the server counts, else the number of ids, else a guess."""
    first_token_s: float
    """From sending to the first piece of text."""
    total_s: float
    """From sending to the end of the stream."""


class Completions(Protocol):
    """A model behind a server. Every implementation is a context manager too."""

    @property
    def usage(self) -> Usage:
        """What has been used up to now, from any thread."""
        ...

    async def complete(self, request: CompletionRequest) -> CompletionReply:
        """Have one prompt completed; called within `run`.

        Raises:
            ChatError: the request failed and its transport attempts are used up.
            KeyRefused: the server refused the key.
            SpendingLimitReached: the account's quota is used up.
        """
        ...

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `complete` to its end, from any thread."""
        ...

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        ...


class _Delta(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    text: str | None = None
    delta: _Delta | None = None
    token_ids: list[int] | None = None
    finish_reason: str | None = None


class _Tokens(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(BaseModel):
    """What is read of a piece of a stream; everything else in it is let be."""

    choices: list[_Choice] = Field(default_factory=list)
    usage: _Tokens | None = None


class OpenAICompletions:
    """Asks an OpenAI-compatible server, with the key in `ASAP_API_KEY`, else `OPENAI_API_KEY`.

    Args:
        model: the model's name as the server knows it.
        base_url: the server's address up to `/v1`; else `OPENAI_BASE_URL`, else OpenAI's own.
        limits: what the client may use.
        waiting: between attempts.
        is_own: the server is one that we started: it gets no key, and no proxy is asked.

    Raises:
        MissingExtraError: the `openai` package is not installed.
        RecipeError: `base_url` is no address of a server.
        UserError: the key in the environment holds characters that no request can carry.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        limits: ChatLimits | None = None,
        waiting: Waiting | None = None,
        is_own: bool = False,
    ) -> None:
        self._transport = Transport(
            model, base_url, limits or ChatLimits(), waiting or Waiting(), is_own
        )

    @property
    def usage(self) -> Usage:
        """What has been used up to now, from any thread."""
        return self._transport.usage

    async def complete(self, request: CompletionRequest) -> CompletionReply:
        """Have one prompt completed; called within `run`.

        Raises:
            ChatError: the request failed and its transport attempts are used up.
            KeyRefused: the server refused the key.
            SpendingLimitReached: the account's quota is used up.
        """

        async def attempt(client: openai.AsyncOpenAI) -> CompletionReply:
            return await self._read(request, client)

        return await self._transport.send(request.id, attempt)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `complete` to its end, from any thread."""
        return self._transport.run(work)

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _read(
        self, request: CompletionRequest, client: openai.AsyncOpenAI
    ) -> CompletionReply:
        gathered = _Gathered(time.perf_counter())
        try:
            async with await _open_stream(client, self._transport.model, request) as stream:
                async for chunk in stream:
                    gathered.add(_Chunk.model_validate(chunk.to_dict(warnings=False)))
        except ValidationError as error:
            place = error.errors(include_url=False, include_input=False)[0]
            words = f"{'.'.join(str(part) for part in place['loc'])} {place['msg']}".strip()
            raise self._transport.complain(f"no piece of a completion: {words}") from None
        except json.JSONDecodeError as error:
            raise self._transport.complain(f"the stream cannot be read: {error}") from None
        if gathered.finish_reason is None:
            raise self._transport.complain("the stream ended before the completion did")
        reply = gathered.finish()
        self._transport.count(
            prompt_tokens=reply.prompt_tokens or 0, completion_tokens=reply.completion_tokens
        )
        return reply


class _Gathered:
    """The pieces of one stream, put together as they come."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._thinking: list[str] = []
        self._text: list[str] = []
        self._ids: list[int] = []
        self._tokens = _Tokens()
        self._first_s: float | None = None
        self.finish_reason: str | None = None

    def add(self, chunk: _Chunk) -> None:
        """One piece."""
        self._tokens = chunk.usage or self._tokens
        for choice in chunk.choices:
            delta = choice.delta or _Delta(content=choice.text)
            thinking, text = delta.reasoning_content or delta.reasoning or "", delta.content or ""
            self._thinking.append(thinking)
            self._text.append(text)
            self._ids += choice.token_ids or []
            if self._first_s is None and (thinking or text or choice.token_ids):
                self._first_s = self._elapsed_s()
            self.finish_reason = choice.finish_reason or self.finish_reason

    def finish(self) -> CompletionReply:
        """The whole."""
        total_s = self._elapsed_s()
        thinking, text = "".join(self._thinking), "".join(self._text)
        if thinking:
            # A server that parts them has taken the tags out.
            text = f"{thinking}{CLOSING}{text}" if text else thinking
        ids = tuple(self._ids) or None
        n_tokens = self._tokens.completion_tokens
        if n_tokens is None:
            n_tokens = len(ids) if ids else estimate_tokens(text)
        return CompletionReply(
            text,
            self.finish_reason or "unknown",
            # Ids that are not those of the whole text (some pieces came without) are worth nothing.
            ids if ids and len(ids) == n_tokens else None,
            self._tokens.prompt_tokens,
            n_tokens,
            total_s if self._first_s is None else self._first_s,
            total_s,
        )

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._started


async def _open_stream(client: openai.AsyncOpenAI, model: str, request: CompletionRequest) -> Any:
    """The stream of pieces; `Any`, since the client's types know of no ids."""
    prompt = request.prompt
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.seed is not None:
        body["seed"] = request.seed
    messages = [part for part in prompt if isinstance(part, Message)]
    if messages:
        body["messages"] = [{"role": m.role, "content": m.content} for m in messages]
        return await client.chat.completions.create(**body)
    if not isinstance(prompt, str):
        body["prompt"] = list(prompt)
        return await client.completions.create(**body, extra_body={"return_token_ids": True})
    return await client.completions.create(**body, prompt=prompt)
