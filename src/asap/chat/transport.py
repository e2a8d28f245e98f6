"""Requests to an OpenAI-compatible server as every client of ours sends them: slots, attempts,
pauses, limits, one stop sign, what each fault ends in. What is asked and how a reply is read is the
client's business.

The official client's own retries are off; the ones here are counted, and stop when the run must.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from asap.chat.client import Usage
from asap.chat.endpoint import Endpoint, find_endpoint
from asap.chat.limits import ChatLimits, Pace, choose_wait_s, find_retry_after_s
from asap.chat.loop import LoopThread
from asap.chat.stop import StopSign
from asap.errors import ChatError, KeyRefused, MissingExtraError, SpendingLimitReached

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
_log = logging.getLogger(__name__)

_TRANSIENT_STATUS = {408: "timed_out", 409: "server_error", 429: "rate_limited"}
_LONGEST_CONNECT_S = 20.0


class TransientFault(Exception):
    """One attempt failed in a way that another may not."""

    def __init__(self, reason: str, message: str, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Waiting:
    """How pauses between attempts are made; tests have a clock of their own."""

    seed: int = 0
    """Of the jitter."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits that many seconds."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch, to read a `Retry-After` date by."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds of a clock that does not go back, for the limits per minute."""


class Transport:
    """The way to one server. Every client's docstring says how each fault ends: `OpenAIChat`.

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
        base_url: str | None,
        limits: ChatLimits,
        waiting: Waiting,
        is_own: bool = False,
    ) -> None:
        self.model = model
        self._limits = limits
        self._endpoint = find_endpoint(base_url)
        self._client = _make_client(self._endpoint, limits.timeout_s, is_own)
        self._random = random.Random(waiting.seed)
        self._sleep = waiting.sleep
        self._clock = waiting.clock
        self._monotonic = waiting.monotonic
        self._request_pace = Pace(limits.requests_per_minute)
        self._token_pace = Pace(limits.tokens_per_minute)
        self._usage = Usage()
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._stop = StopSign()
        self._loop = LoopThread("asap-chat", on_close=self._client.close)

    @property
    def host(self) -> str:
        """Host and port of the server."""
        return self._endpoint.host

    @property
    def usage(self) -> Usage:
        """What has been used up to now, from any thread."""
        # Replaced as a whole, in the loop's thread only: a reader sees one snapshot or the next.
        return self._usage

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `send`, from any thread, in the one event loop."""
        return self._loop.run(work)

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        self._loop.close()

    def count(self, **more: int) -> None:
        """Add to the usage; called in the loop."""
        now = {name: getattr(self._usage, name) + n for name, n in more.items()}
        self._usage = replace(self._usage, **now)
        n_tokens = more.get("prompt_tokens", 0) + more.get("completion_tokens", 0)
        self._token_pace.take(n_tokens, self._monotonic())

    def complain(self, words: str) -> TransientFault:
        """The fault of a reply that cannot be read, without the key in it."""
        return TransientFault("server_error", self._endpoint.scrub(f"{self.host}: {words}"))

    async def send(
        self,
        name: str,
        attempt: Callable[[openai.AsyncOpenAI], Awaitable[T]],
        *,
        n_tokens: int = 0,
    ) -> T:
        """Make attempts until one succeeds or they are used up: the bound the paper's code lacks.

        Args:
            name: of the request, in the log.
            attempt: sends it once and reads the reply; may raise a `TransientFault` of its own.
            n_tokens: a guess at the prompt's tokens, which the limit per minute goes by until the
                reply says how many there were.

        Raises:
            ChatError: the request failed and its transport attempts are used up.
            KeyRefused: the server refused the key, of this request or of one before.
            SpendingLimitReached: the run's token limit or the account's quota is used up.
        """
        async with self._stop.watched():
            await self._slots.acquire()
        try:
            return await self._try_often(name, attempt, n_tokens)
        finally:
            self._slots.release()

    async def _try_often(
        self, name: str, attempt: Callable[[openai.AsyncOpenAI], Awaitable[T]], n_tokens: int
    ) -> T:
        n_attempts = 0
        while True:
            n_attempts += 1
            try:
                await self._wait_for_turn(n_tokens)
                try:
                    return await self._try_once(attempt, is_retry=n_attempts > 1)
                finally:
                    # Whatever it has used was counted when the reply was read.
                    self._token_pace.take(-n_tokens, self._monotonic())
            except TransientFault as fault:
                if n_attempts == self._limits.attempts:
                    raise ChatError(
                        fault.reason, f"{fault} (attempt {n_attempts}, the last)"
                    ) from None
                retry_after_s = find_retry_after_s(fault.retry_after, self._clock())
                wait_s = choose_wait_s(n_attempts, retry_after_s, self._random)
                _log.info("%s: %s; again in %.1f s", name, fault, wait_s)
            async with self._stop.watched():
                await self._sleep(wait_s)

    async def _wait_for_turn(self, n_tokens: int) -> None:
        """Wait until the limits per minute have room, and take it."""
        while wait_s := max(
            pace.find_wait_s(self._monotonic()) for pace in (self._request_pace, self._token_pace)
        ):
            async with self._stop.watched():
                await self._sleep(wait_s)
        now = self._monotonic()
        self._request_pace.take(1, now)
        self._token_pace.take(n_tokens, now)

    async def _try_once(
        self, attempt: Callable[[openai.AsyncOpenAI], Awaitable[T]], *, is_retry: bool
    ) -> T:
        import openai

        self._check_spending()
        try:
            async with self._stop.watched(self._limits.timeout_s, is_on_the_wire=True):
                self.count(requests=1, retries=int(is_retry))
                return await attempt(self._client)
        except (TimeoutError, openai.APITimeoutError):
            raise TransientFault(
                "timed_out", f"no reply from {self.host} in {self._limits.timeout_s:g} s"
            ) from None
        except openai.APIStatusError as error:
            raise self._judge_status(error) from None
        except openai.APIConnectionError as error:
            words = self._endpoint.scrub(str(error.__cause__ or error))
            raise TransientFault("connection_lost", f"{self.host}: {words}") from None
        except openai.APIError as error:
            # What a server says in the middle of a stream.
            raise self.complain(str(error)) from None
        except UnicodeEncodeError:
            raise ChatError(
                "bad_request", "the prompt holds half a surrogate pair, which has no UTF-8"
            ) from None

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
        status, host = error.status_code, self.host
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
            return TransientFault(reason, f"{host}: HTTP {status}: {words}", header)
        if status == 404:
            words = f"no model {self.model!r} there, or the address lacks its /v1: {words}"
        return ChatError("bad_request", f"{host}: HTTP {status}: {words}")


def _make_client(endpoint: Endpoint, timeout_s: float, is_own: bool) -> openai.AsyncOpenAI:
    try:
        import openai
    except ImportError:
        raise MissingExtraError("asking an LLM server", "llm") from None
    # These time-outs are per read: a body that trickles never meets them. The one that counts is
    # around the whole attempt; here a host that does not take the connection is given up early.
    timeout = openai.Timeout(timeout_s, connect=min(timeout_s, _LONGEST_CONNECT_S))
    return openai.AsyncOpenAI(
        api_key="none" if is_own else endpoint.reveal_key(),
        base_url=endpoint.url,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=not is_own),
    )


def _find_words(error: openai.APIStatusError) -> str:
    """What the server said about an error, wherever it put it."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) and said else error.response.text
