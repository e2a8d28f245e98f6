"""An LLM behind any OpenAI-compatible server (vLLM, llama.cpp, ...), by the official client: chat
requests, and a cache in front of them. Sending and failing is `transport`'s business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakValueDictionary

from pydantic import BaseModel, Field, ValidationError

from asap.chat.cache import ReplyCache, make_key
from asap.chat.client import ChatRequest, Reply, Usage, estimate_tokens
from asap.chat.limits import ChatLimits
from asap.chat.transport import Transport, Waiting

if TYPE_CHECKING:
    import openai

T = TypeVar("T")


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Tokens(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """What is read of a server's reply; everything else in it is let be."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None


class OpenAIChat:
    """Asks an OpenAI-compatible server, with the key in `ASAP_API_KEY`, else `OPENAI_API_KEY`.

    A slot of `limits.concurrency` stays taken while its request waits between attempts, so a
    server that limits its rate gets fewer requests of its own accord. How each fault ends:

        401, 403                         KeyRefused; nothing more is sent, the wire is cut
        402, 429 `insufficient_quota`,
        run's `token_limit` used up      SpendingLimitReached; nothing more is sent, replies under
                                         way still arrive and are stored
        408, 409, 429, 5xx, time-out,
        lost connection, a body that
        is no completion                 sent again, `attempts` times in all, then ChatError
        every other status               ChatError `bad_request` at once

    Args:
        model: the model's name as the server knows it.
        base_url: the server's address up to `/v1`; else `OPENAI_BASE_URL`, else OpenAI's own.
        limits: what the client may use.
        cache: where replies are looked up and stored; its owner closes it.
        seed: of the jitter between attempts.
        sleep: waits that many seconds.
        clock: seconds since the epoch, to read a `Retry-After` date by.
        monotonic: seconds of a clock that does not go back, for the limits per minute.

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
        cache: ReplyCache | None = None,
        seed: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or ChatLimits()
        self._cache = cache
        waiting = Waiting(seed, sleep, clock, monotonic)
        self._transport = Transport(model, base_url, self._limits, waiting)
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"OpenAIChat(model={self.model!r}, host={self._transport.host!r})"

    @property
    def model(self) -> str:
        """Model name as the server knows it."""
        return self._transport.model

    @property
    def usage(self) -> Usage:
        """What has been used up to now, from any thread."""
        return self._transport.usage

    async def ask(self, request: ChatRequest) -> Reply:
        """Answer one request from the cache or the server; called within `run`.

        Raises:
            ChatError: the request failed and its transport attempts are used up.
            KeyRefused: the server refused the key, of this request or of one before.
            SpendingLimitReached: the run's token limit or the account's quota is used up.
        """
        request = replace(request, max_tokens=self._limit_reply(request.max_tokens))
        if self._cache is None:
            return await self._ask_server(request)
        key = make_key(request, model=self.model, host=self._transport.host)
        # Rows can repeat. Whoever asks the same while the first is under way waits for its reply.
        async with self._asking.setdefault(key, asyncio.Lock()):
            stored = self._cache.find(key)
            if stored is not None:
                self._transport.count(cached=1)
                return stored
            return self._cache.store(key, await self._ask_server(request))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `ask`, from any thread, in the client's one event loop."""
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

    def _limit_reply(self, asked: int | None) -> int | None:
        allowed = [n for n in (asked, self._limits.max_tokens) if n is not None]
        return min(allowed, default=None)

    async def _ask_server(self, request: ChatRequest) -> Reply:
        async def attempt(client: openai.AsyncOpenAI) -> Reply:
            response = await client.chat.completions.with_raw_response.create(
                **_make_body(self.model, request)
            )
            return self._read_reply(request, response.content)

        n_tokens = sum(estimate_tokens(message.content) for message in request.messages)
        return await self._transport.send(
            f"{request.purpose} {request.id}", attempt, n_tokens=n_tokens
        )

    def _read_reply(self, request: ChatRequest, body: bytes) -> Reply:
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            place = error.errors(include_url=False, include_input=False)[0]
            words = f"{'.'.join(str(part) for part in place['loc'])} {place['msg']}".strip()
            raise self._transport.complain(f"the body is no chat completion: {words}") from None
        choice, tokens = completion.choices[0], completion.usage or _Tokens()
        text = choice.message.content or ""
        n_prompt, n_completion = tokens.prompt_tokens, tokens.completion_tokens
        if n_prompt is None:
            n_prompt = sum(estimate_tokens(message.content) for message in request.messages)
        if n_completion is None:
            n_completion = estimate_tokens(text)
        self._transport.count(prompt_tokens=n_prompt, completion_tokens=n_completion)
        return Reply(text, choice.finish_reason or "unknown", n_prompt, n_completion)


def _make_body(model: str, request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.is_json:
        body["response_format"] = {"type": "json_object"}
    return body
