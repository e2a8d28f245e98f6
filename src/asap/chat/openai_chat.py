"""An LLM behind any OpenAI-compatible server (vLLM, llama.cpp, ...), by the official client.

Its own retries are off; the ones here are counted, and stop when the run must stop.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakValueDictionary

from pydantic import BaseModel, Field, ValidationError

from asap.chat.cache import ReplyCache, make_key
from asap.chat.client import ChatRequest, Reply, Usage, estimate_tokens
from asap.chat.endpoint import Endpoint, find_endpoint
from asap.chat.limits import ChatLimits, choose_wait_s, find_retry_after_s
from asap.chat.loop import LoopThread
from asap.chat.stop import StopSign
from asap.errors import ChatError, KeyRefused, MissingExtraError, SpendingLimitReached

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
_log = logging.getLogger(__name__)

_TRANSIENT_STATUS = {408: "timed_out", 409: "server_error", 429: "rate_limited"}
_LONGEST_CONNECT_S = 20.0


class _TransientFault(Exception):
    """One attempt failed in a way that another may not."""

    def __init__(self, reason: str, message: str, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


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
    ) -> None:
        self._model = model
        self._limits = limits or ChatLimits()
        self._cache = cache
        self._endpoint = find_endpoint(base_url)
        self._client = _make_client(self._endpoint, self._limits.timeout_s)
        self._random = random.Random(seed)
        self._sleep = sleep
        self._clock = clock
        self._usage = Usage()
        self._slots = asyncio.Semaphore(self._limits.concurrency)
        self._stop = StopSign()
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._loop = LoopThread("asap-chat", on_close=self._client.close)

    def __repr__(self) -> str:
        return f"OpenAIChat(model={self._model!r}, host={self._endpoint.host!r})"

    @property
    def model(self) -> str:
        """Model name as the server knows it."""
        return self._model

    @property
    def usage(self) -> Usage:
        """What has been used up to now, from any thread."""
        # Replaced as a whole, in the loop's thread only: a reader sees one snapshot or the next.
        return self._usage

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
        key = make_key(request, model=self._model, host=self._endpoint.host)
        # Rows can repeat. Whoever asks the same while the first is under way waits for its reply.
        async with self._asking.setdefault(key, asyncio.Lock()):
            stored = self._cache.find(key)
            if stored is not None:
                self._count(cached=1)
                return stored
            return self._cache.store(key, await self._ask_server(request))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `ask`, from any thread, in the client's one event loop."""
        return self._loop.run(work)

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        self._loop.close()

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

    def _count(self, **more: int) -> None:
        now = {name: getattr(self._usage, name) + n for name, n in more.items()}
        self._usage = replace(self._usage, **now)

    async def _ask_server(self, request: ChatRequest) -> Reply:
        async with self._stop.watched():
            await self._slots.acquire()
        try:
            return await self._try_often(request)
        finally:
            self._slots.release()

    async def _try_often(self, request: ChatRequest) -> Reply:
        """Send until there is a reply or the attempts are used up: the bound the paper's lacks."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._send(request, is_retry=attempt > 1)
            except _TransientFault as fault:
                if attempt == self._limits.attempts:
                    raise ChatError(
                        fault.reason, f"{fault} (attempt {attempt}, the last)"
                    ) from None
                retry_after_s = find_retry_after_s(fault.retry_after, self._clock())
                wait_s = choose_wait_s(attempt, retry_after_s, self._random)
                _log.info("%s %s: %s; again in %.1f s", request.purpose, request.id, fault, wait_s)
            async with self._stop.watched():
                await self._sleep(wait_s)

    async def _send(self, request: ChatRequest, *, is_retry: bool) -> Reply:
        import openai

        self._check_spending()
        try:
            async with self._stop.watched(self._limits.timeout_s, is_on_the_wire=True):
                self._count(requests=1, retries=int(is_retry))
                response = await self._client.chat.completions.with_raw_response.create(
                    **_make_body(self._model, request)
                )
        except (TimeoutError, openai.APITimeoutError):
            raise _TransientFault(
                "timed_out", f"no reply from {self._endpoint.host} in {self._limits.timeout_s:g} s"
            ) from None
        except openai.APIStatusError as error:
            raise self._judge_status(error) from None
        except openai.APIConnectionError as error:
            words = self._endpoint.scrub(str(error.__cause__ or error))
            raise _TransientFault("connection_lost", f"{self._endpoint.host}: {words}") from None
        except UnicodeEncodeError:
            raise ChatError(
                "bad_request", "the prompt holds half a surrogate pair, which has no UTF-8"
            ) from None
        return self._read_reply(request, response.content)

    def _check_spending(self) -> None:
        limit = self._limits.token_limit
        if limit is not None and self._usage.total_tokens >= limit:
            self._stop.put_up(
                SpendingLimitReached(
                    f"the limit of {limit:,} LLM tokens is reached: {self._usage.prompt_tokens:,}"
                    f" read, {self._usage.completion_tokens:,} written, {self._usage.requests:,}"
                    " requests; what is done stays, the same command with a higher limit goes on"
                ),
                cut_off=False,
            )
        self._stop.check()

    def _judge_status(self, error: openai.APIStatusError) -> Exception:
        """The error that an HTTP status ends in; where the run must end, the stop sign goes up."""
        status, host = error.status_code, self._endpoint.host
        words = self._endpoint.scrub(_find_words(error))
        if status in (401, 403):
            refused = KeyRefused(
                f"{host} refused {self._endpoint.key_name} (HTTP {status}): {words}"
            )
            self._stop.put_up(refused, cut_off=True)
            return refused
        if status == 402 or (status == 429 and "insufficient_quota" in (error.code, error.type)):
            broke = SpendingLimitReached(
                f"the account at {host} has no quota left (HTTP {status}): {words};"
                " what is done stays, the same command goes on once it has"
            )
            self._stop.put_up(broke, cut_off=False)
            return broke
        reason = "server_error" if status >= 500 else _TRANSIENT_STATUS.get(status)
        if reason is not None:
            header = error.response.headers.get("retry-after")
            return _TransientFault(reason, f"{host}: HTTP {status}: {words}", header)
        if status == 404:
            words = f"no model {self._model!r} there, or the address lacks its /v1: {words}"
        return ChatError("bad_request", f"{host}: HTTP {status}: {words}")

    def _read_reply(self, request: ChatRequest, body: bytes) -> Reply:
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            place = error.errors(include_url=False, include_input=False)[0]
            words = f"{'.'.join(str(part) for part in place['loc'])} {place['msg']}".strip()
            message = f"{self._endpoint.host}: the body is no chat completion: {words}"
            raise _TransientFault("server_error", self._endpoint.scrub(message)) from None
        choice, tokens = completion.choices[0], completion.usage or _Tokens()
        text = choice.message.content or ""
        n_prompt, n_completion = tokens.prompt_tokens, tokens.completion_tokens
        if n_prompt is None:
            n_prompt = sum(estimate_tokens(message.content) for message in request.messages)
        if n_completion is None:
            n_completion = estimate_tokens(text)
        self._count(prompt_tokens=n_prompt, completion_tokens=n_completion)
        return Reply(text, choice.finish_reason or "unknown", n_prompt, n_completion)


def _make_client(endpoint: Endpoint, timeout_s: float) -> openai.AsyncOpenAI:
    try:
        import openai
    except ImportError:
        raise MissingExtraError("asking an LLM server", "llm") from None
    # These time-outs are per read: a body that trickles never meets them. The one that counts is
    # around the whole attempt; here a host that does not take the connection is given up early.
    timeout = openai.Timeout(timeout_s, connect=min(timeout_s, _LONGEST_CONNECT_S))
    return openai.AsyncOpenAI(
        api_key=endpoint.reveal_key(), base_url=endpoint.url, max_retries=0, timeout=timeout
    )


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


def _find_words(error: openai.APIStatusError) -> str:
    """What the server said about an error, wherever it put it."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) and said else error.response.text
