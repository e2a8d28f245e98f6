"""`OpenAIChat` on real sockets: each fault ends by name, nothing hangs, nothing is paid twice."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from asap.chat import ChatLimits, ChatRequest, Message, OpenAIChat, Reply, ReplyCache
from asap.errors import (
    ChatError,
    KeyRefused,
    RecipeError,
    RunStopped,
    SpendingLimitReached,
    UserError,
)

KEY = "ds-0123456789abcdef"  # not of the form sk-..., which is masked whatever it is
QUICK = ChatLimits(attempts=3, timeout_s=20.0)


class Naps:
    """A sleep that takes no time and remembers how long it should have been."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def ask(text: str = "hello", attempt: int = 1, **more: Any) -> ChatRequest:
    return ChatRequest((Message("user", text),), "select", "row-7", "v1", attempt, **more)


def open_chat(server: Any, limits: ChatLimits = QUICK, **more: Any) -> OpenAIChat:
    return OpenAIChat("served", base_url=server.url, limits=limits, **({"sleep": Naps()} | more))


@pytest.fixture
def cache() -> Iterator[ReplyCache]:
    with ReplyCache(":memory:") as cache:
        yield cache


async def gather(chat: OpenAIChat, texts: list[str]) -> list[Reply | BaseException]:
    asked = (chat.ask(ask(text)) for text in texts)
    return list(await asyncio.gather(*asked, return_exceptions=True))


# What is sent and what is read


def test_the_request_says_what_was_asked_and_no_more(fault_server: Any) -> None:
    with open_chat(fault_server) as chat:
        chat.run(chat.ask(ask("hi", temperature=2.0, top_p=0.9, max_tokens=50, is_json=True)))
        chat.run(chat.ask(ask("hi", max_tokens=10**6)))
    assert fault_server.requests[0] == {
        "model": "served",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 2.0,
        "top_p": 0.9,
        "max_tokens": 50,
        "response_format": {"type": "json_object"},
    }
    assert fault_server.requests[1]["max_tokens"] == 8192
    assert "response_format" not in fault_server.requests[1]


def test_without_a_limit_the_server_decides_how_long_a_reply_is(fault_server: Any) -> None:
    with open_chat(fault_server, ChatLimits(max_tokens=None)) as chat:
        chat.run(chat.ask(ask()))
    assert "max_tokens" not in fault_server.requests[0]


def test_trap_13_the_finish_reason_comes_with_the_reply(fault_server: Any) -> None:
    fault_server.queue(fault_server.reply("half of", finish_reason="length"))
    with open_chat(fault_server) as chat:
        assert chat.run(chat.ask(ask())) == Reply("half of", "length", 10, 5)


@pytest.mark.parametrize("text", ["", None])
def test_trap_8_an_empty_reply_is_one_reply_and_one_request(
    fault_server: Any, text: str | None
) -> None:
    fault_server.queue(fault_server.reply(text, finish_reason=None))
    with open_chat(fault_server) as chat:
        assert chat.run(chat.ask(ask())) == Reply("", "unknown", 10, 5)
        assert chat.usage.requests == 1


def test_a_reply_without_counts_is_estimated(fault_server: Any) -> None:
    fault_server.queue(fault_server.reply("1234567", has_usage=False))
    with open_chat(fault_server) as chat:
        reply = chat.run(chat.ask(ask("1234")))
        assert (reply.prompt_tokens, reply.completion_tokens) == (2, 3)
        assert chat.usage.total_tokens == 5


# Faults that pass


PASSING: list[tuple[Callable[[Any], Any], str]] = [
    (lambda server: server.status(429), "rate_limited"),
    (lambda server: server.status(408), "timed_out"),
    (lambda server: server.status(500), "server_error"),
    (lambda server: server.status(503), "server_error"),
    (lambda server: server.drop(), "connection_lost"),
    (lambda server: server.drop_midway(), "connection_lost"),
    (lambda server: server.body(b'{"choices": [{"mess'), "server_error"),
    (lambda server: server.body(b'{"choices": []}'), "server_error"),
    (lambda server: server.body(b"{}"), "server_error"),
    (lambda server: server.body(b"null"), "server_error"),
    (lambda server: server.body(b""), "server_error"),
    (
        lambda server: server.body(b'{"choices": [{"message": {"content": "\\ud800"}}]}'),
        "server_error",
    ),
    (lambda server: server.body(b"<html>busy</html>", content_type="text/html"), "server_error"),
]
NAMES = [
    *("429", "408", "500", "503", "drop", "drop_midway", "half_json", "no_choices", "no_fields"),
    *("null", "no_body", "surrogate", "html"),
]


@pytest.mark.parametrize(("fault", "reason"), PASSING, ids=NAMES)
def test_a_passing_fault_is_got_over(
    fault_server: Any, fault: Callable[[Any], Any], reason: str
) -> None:
    fault_server.queue(fault(fault_server), fault(fault_server))
    with open_chat(fault_server) as chat:
        assert chat.run(chat.ask(ask())).text == "hello"
        assert (chat.usage.requests, chat.usage.retries) == (3, 2)


@pytest.mark.parametrize(("fault", "reason"), PASSING, ids=NAMES)
def test_trap_8_a_lasting_fault_ends_after_the_last_attempt(
    fault_server: Any, fault: Callable[[Any], Any], reason: str
) -> None:
    naps = Naps()
    fault_server.script(lambda body, n_times: fault(fault_server))
    with open_chat(fault_server, sleep=naps) as chat, pytest.raises(ChatError) as caught:
        chat.run(chat.ask(ask()))
    assert caught.value.reason == reason
    assert "attempt 3, the last" in str(caught.value)
    assert len(fault_server.requests) == 3
    # The paper's loop does not pause at all.
    assert len(naps.waits) == 2
    assert 0.5 <= naps.waits[0] <= 1.0 <= naps.waits[1] <= 2.0


@pytest.mark.parametrize("kind", ["stall", "trickle"])
def test_the_time_limit_covers_a_stall_and_a_trickling_body(fault_server: Any, kind: str) -> None:
    fault_server.queue(getattr(fault_server, kind)())
    with open_chat(fault_server, ChatLimits(attempts=2, timeout_s=0.15)) as chat:
        assert chat.run(chat.ask(ask())).text == "hello"
        fault_server.script(lambda body, n_times: getattr(fault_server, kind)())
    with (
        open_chat(fault_server, ChatLimits(attempts=1, timeout_s=0.05)) as chat,
        pytest.raises(ChatError, match=r"no reply from 127.0.0.1:\d+ in 0.05 s") as caught,
    ):
        chat.run(chat.ask(ask()))
    assert caught.value.reason == "timed_out"


def test_a_server_that_is_not_there_is_a_lost_connection(fault_server: Any) -> None:
    url = fault_server.url
    fault_server.close()
    with (
        OpenAIChat("served", base_url=url, limits=QUICK, sleep=Naps()) as chat,
        pytest.raises(ChatError) as caught,
    ):
        chat.run(chat.ask(ask()))
    assert caught.value.reason == "connection_lost"


@pytest.mark.parametrize(
    ("header", "at_least", "at_most"),
    [
        ("7", 7.0, 7.7),
        ("Fri, 20 Nov 2026 12:00:20 GMT", 20.0, 22.0),
        ("86400", 120.0, 120.0),
        ("rubbish", 0.5, 1.0),
        (None, 0.5, 1.0),
    ],
)
def test_retry_after_is_honoured_within_bounds(
    fault_server: Any, header: str | None, at_least: float, at_most: float
) -> None:
    naps = Naps()
    fault_server.queue(fault_server.status(429, retry_after=header))
    noon = 1795176000.0
    with open_chat(fault_server, sleep=naps, clock=lambda: noon) as chat:
        chat.run(chat.ask(ask()))
    assert len(naps.waits) == 1
    assert at_least <= naps.waits[0] <= at_most


# Faults that stay


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_request_that_is_wrong_is_not_sent_again(fault_server: Any, status: int) -> None:
    fault_server.queue(fault_server.status(status, message="too long for me"))
    with open_chat(fault_server) as chat:
        with pytest.raises(ChatError, match="too long for me") as caught:
            chat.run(chat.ask(ask()))
        assert caught.value.reason == "bad_request"
        assert len(fault_server.requests) == 1
        assert chat.run(chat.ask(ask())).text == "hello"


def test_a_missing_model_is_named(fault_server: Any) -> None:
    fault_server.queue(fault_server.status(404))
    with open_chat(fault_server) as chat, pytest.raises(ChatError, match="no model 'served'"):
        chat.run(chat.ask(ask()))


def test_a_prompt_that_has_no_utf8_fails_alone(fault_server: Any, cache: ReplyCache) -> None:
    with open_chat(fault_server, cache=cache) as chat:
        with pytest.raises(ChatError) as caught:
            chat.run(chat.ask(ask("half a pair: \ud800")))
        assert caught.value.reason == "bad_request"
        assert chat.run(chat.ask(ask())).text == "hello"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_everything_at_once(fault_server: Any, status: int) -> None:
    """One request stalls, one waits between attempts, two wait for a slot: all end at once."""
    asleep = threading.Event()

    async def sleep_for_ever(seconds: float) -> None:
        asleep.set()
        await asyncio.sleep(1e6)

    def answer(body: dict[str, Any], n_times: int) -> Any:
        if (text := body["messages"][-1]["content"]) == "stalls":
            return fault_server.stall()
        if text == "sleeps":
            return fault_server.status(500)
        assert asleep.wait(10)
        return fault_server.status(status)

    fault_server.script(answer)
    texts = ["stalls", "sleeps", "refused", "waits 1", "waits 2"]
    with open_chat(fault_server, ChatLimits(concurrency=3), sleep=sleep_for_ever) as chat:
        started = time.monotonic()
        replies = chat.run(gather(chat, texts))
        assert [type(reply) for reply in replies] == [KeyRefused] * 5
        assert time.monotonic() - started < 10
        assert len(fault_server.requests) == 3
        with pytest.raises(KeyRefused):
            chat.run(chat.ask(ask("later")))
        assert len(fault_server.requests) == 3


@pytest.mark.parametrize(("status", "code"), [(429, "insufficient_quota"), (402, None)])
def test_an_account_without_quota_stops_the_run_like_a_spending_limit(
    fault_server: Any, status: int, code: str | None
) -> None:
    fault_server.script(lambda body, n_times: fault_server.status(status, code=code))
    with open_chat(fault_server) as chat:
        for _ in range(2):
            with pytest.raises(SpendingLimitReached, match="no quota left"):
                chat.run(chat.ask(ask()))
    assert len(fault_server.requests) == 1


def test_the_token_limit_of_a_run_stops_it_before_the_next_request(
    fault_server: Any, cache: ReplyCache
) -> None:
    limits = ChatLimits(token_limit=30)  # a reply of this server costs 10 + 5
    with open_chat(fault_server, limits, cache=cache) as chat:
        for text in ("a", "b"):
            chat.run(chat.ask(ask(text)))
        with pytest.raises(
            SpendingLimitReached, match=r"limit of 30 .* 20 read, 10 written, 2 req"
        ):
            chat.run(chat.ask(ask("c")))
        assert len(fault_server.requests) == 2
        # What is stored costs nothing, so it is still to be had.
        assert chat.run(chat.ask(ask("a"))).is_cached
        assert chat.usage.total_tokens == 30


def test_replies_under_way_when_the_limit_is_reached_still_arrive(fault_server: Any) -> None:
    go_on = threading.Event()

    def answer(body: dict[str, Any], n_times: int) -> Any:
        text = body["messages"][-1]["content"]
        return fault_server.reply(text, wait_for=go_on if text == "slow" else None)

    fault_server.script(answer)

    async def work(chat: OpenAIChat) -> str:
        slow = asyncio.create_task(chat.ask(ask("slow")))
        await asyncio.to_thread(fault_server.arrived.acquire)
        await chat.ask(ask("quick"))
        with pytest.raises(SpendingLimitReached):
            await chat.ask(ask("too late"))
        go_on.set()
        return (await slow).text

    with open_chat(fault_server, ChatLimits(token_limit=1)) as chat:
        assert chat.run(work(chat)) == "slow"
    assert fault_server.asked("too late") == 0


# Concurrency


def test_the_limit_on_concurrency_holds_over_all_threads(fault_server: Any) -> None:
    full = threading.Event()

    def answer(body: dict[str, Any], n_times: int) -> Any:
        if fault_server.most_under_way == 3:
            full.set()
        return fault_server.reply("x", wait_for=full)

    fault_server.script(answer)
    with open_chat(fault_server, ChatLimits(concurrency=3)) as chat, ThreadPoolExecutor(4) as pool:
        texts = [[f"{thread} {n}" for n in range(5)] for thread in range(4)]
        replies = list(pool.map(lambda some: chat.run(gather(chat, some)), texts))
    assert [len(some) for some in replies] == [5] * 4
    assert all(isinstance(reply, Reply) for some in replies for reply in some)
    assert fault_server.most_under_way == 3


class Clock:
    """Time that passes when somebody sleeps, and only as long as the sleeper wants."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_limit_on_requests_a_minute_holds_with_repeats(
    concurrency: int, fault_server: Any
) -> None:
    clock = Clock()
    sent: list[float] = []

    def answer(body: dict[str, Any], n_times: int) -> Any:
        sent.append(clock.now)
        is_late = body["messages"][-1]["content"] == "3" and n_times == 1
        return fault_server.status(500) if is_late else "yes"

    fault_server.script(answer)
    limits = ChatLimits(concurrency=concurrency, requests_per_minute=20)
    with open_chat(fault_server, limits, sleep=clock.sleep, monotonic=clock) as chat:
        replies = chat.run(gather(chat, [str(n) for n in range(30)]))
    assert [reply.text for reply in replies if isinstance(reply, Reply)] == ["yes"] * 30
    assert len(sent) == 31
    # The first at once, each further one three seconds after the one before it.
    assert clock.now >= 30 * 3.0
    if concurrency == 1:  # of several under way the clock has gone on before they arrive
        assert min(later - earlier for earlier, later in pairwise(sent)) >= 3.0 - 1e-6


def test_the_limit_on_tokens_a_minute_goes_by_what_the_replies_cost(fault_server: Any) -> None:
    clock = Clock()
    fault_server.script(
        lambda body, n: fault_server.reply("yes", prompt_tokens=400, completion_tokens=100)
    )
    limits = ChatLimits(concurrency=1, tokens_per_minute=1000)
    with open_chat(fault_server, limits, sleep=clock.sleep, monotonic=clock) as chat:
        chat.run(gather(chat, [str(n) for n in range(5)]))
        # 500 tokens each, half a minute: the fifth is sent when four are paid for.
        assert clock.now == pytest.approx(120.0, abs=1e-6)
        assert chat.usage.total_tokens == 2500


def test_a_failed_request_costs_no_tokens_of_the_minute(fault_server: Any) -> None:
    clock = Clock()
    fault_server.script(lambda body, n: fault_server.status(400))
    limits = ChatLimits(concurrency=1, tokens_per_minute=60)
    with open_chat(fault_server, limits, sleep=clock.sleep, monotonic=clock) as chat:
        replies = chat.run(gather(chat, ["a" * 300, "b" * 300]))
    assert [type(reply) for reply in replies] == [ChatError, ChatError]
    assert clock.now == pytest.approx(0.0, abs=1e-6)


def test_a_wait_for_the_minute_ends_when_the_run_stops(fault_server: Any) -> None:
    waits = threading.Event()

    async def sleep_for_ever(seconds: float) -> None:
        waits.set()
        await asyncio.sleep(1e6)

    def answer(body: dict[str, Any], n_times: int) -> Any:
        assert waits.wait(10)
        return fault_server.refuse_key()

    fault_server.script(answer)
    limits = ChatLimits(concurrency=2, requests_per_minute=1)
    with open_chat(fault_server, limits, sleep=sleep_for_ever) as chat:
        replies = chat.run(gather(chat, ["refused", "waits"]))
    assert [type(reply) for reply in replies] == [KeyRefused, KeyRefused]
    assert len(fault_server.requests) == 1


def test_closing_ends_the_wait_of_another_thread(fault_server: Any) -> None:
    fault_server.script(lambda body, n_times: fault_server.stall())
    chat = open_chat(fault_server)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: chat.run(chat.ask(ask())))
        assert fault_server.arrived.acquire(timeout=10)
        chat.close()
        with pytest.raises(RunStopped, match="closed"):
            waiting.result(timeout=10)


# The cache


def test_trap_17_no_stored_reply_is_asked_for_again(fault_server: Any, tmp_path: Path) -> None:
    fault_server.queue(fault_server.reply("cut", finish_reason="length"), fault_server.reply(""))
    texts = ["a", "b", "c"]
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        for _ in range(2):
            with open_chat(fault_server, ChatLimits(concurrency=1), cache=cache) as chat:
                replies = chat.run(gather(chat, texts))
                assert [reply.text for reply in replies if isinstance(reply, Reply)] == [
                    "cut",
                    "",
                    "c",
                ]
        assert (chat.usage.requests, chat.usage.cached, cache.hits) == (0, 3, 3)
        assert chat.usage.total_tokens == 0
        with open_chat(fault_server, cache=cache) as chat:
            assert chat.run(chat.ask(ask("a", attempt=2))).text == "a"
    assert len(fault_server.requests) == 4


def test_the_same_question_asked_twice_at_once_is_sent_once(
    fault_server: Any, cache: ReplyCache
) -> None:
    with open_chat(fault_server, cache=cache) as chat:
        replies = chat.run(gather(chat, ["same"] * 10))
        assert {reply.text for reply in replies if isinstance(reply, Reply)} == {"same"}
        assert (chat.usage.requests, chat.usage.cached) == (1, 9)
    assert fault_server.asked("same") == 1


def test_a_failed_request_is_not_stored(fault_server: Any, cache: ReplyCache) -> None:
    fault_server.queue(fault_server.status(400))
    with open_chat(fault_server, cache=cache) as chat:
        with pytest.raises(ChatError):
            chat.run(chat.ask(ask()))
        assert chat.run(chat.ask(ask())).text == "hello"


CLIENT = """
import asyncio, sys
from asap.chat import ChatLimits, ChatRequest, Message, OpenAIChat, ReplyCache
url, path = sys.argv[1:]
async def work(chat):
    texts = [f"row {n}" for n in range(20)]
    asked = [ChatRequest((Message("user", text),), "select", text, "v1") for text in texts]
    return [reply.text for reply in await asyncio.gather(*map(chat.ask, asked))]
limits = ChatLimits(concurrency=4)
with ReplyCache(path) as cache, OpenAIChat("m", base_url=url, limits=limits, cache=cache) as chat:
    sys.stdout.write(" ".join(chat.run(work(chat))))
"""


def test_trap_17_a_killed_process_loses_only_the_requests_under_way(
    fault_server: Any, tmp_path: Path
) -> None:
    path = tmp_path / "replies.sqlite"
    never = threading.Event()
    held = ("row 9", "row 10", "row 11", "row 12")

    def answer(body: dict[str, Any], n_times: int) -> Any:
        text = body["messages"][-1]["content"]
        return fault_server.reply(text, wait_for=never if text in held and n_times == 1 else None)

    fault_server.script(answer)
    command = [sys.executable, "-c", CLIENT, fault_server.url, str(path)]
    # All four slots end up with a held request: by then every reply before them has been stored.
    with subprocess.Popen(command) as killed:
        for _ in range(13):
            assert fault_server.arrived.acquire(timeout=30)
        killed.kill()
    never.set()
    with ReplyCache(path) as cache:
        assert len(cache) == 9
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == " ".join(f"row {n}" for n in range(20))
    asked = [fault_server.asked(f"row {n}") for n in range(20)]
    assert asked == [1] * 9 + [2] * 4 + [1] * 7


# The key


def test_the_key_comes_from_the_environment(
    fault_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent() -> str:
        with open_chat(fault_server) as chat:
            chat.run(chat.ask(ask()))
        return str(fault_server.headers[-1]["authorization"])

    assert sent() == "Bearer no-key"
    monkeypatch.setenv("OPENAI_API_KEY", "second")
    assert sent() == "Bearer second"
    monkeypatch.setenv("ASAP_API_KEY", "first\n")
    assert sent() == "Bearer first"
    monkeypatch.setenv("ASAP_API_KEY", " ")
    assert sent() == "Bearer second"


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASAP_API_KEY", f"{KEY}\nmore")
    with pytest.raises(UserError, match="ASAP_API_KEY holds characters") as caught:
        OpenAIChat("m", base_url="http://localhost:1/v1")
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_trap_17_the_key_is_in_no_log_repr_error_or_file(
    fault_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    status: int,
) -> None:
    monkeypatch.setenv("ASAP_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpcore", "asap", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    # A server that quotes the key back, whole and as OpenAI masks it.
    quoting = fault_server.status(status, message=f"bad key {KEY} (sk-te*****cdef) given")
    fault_server.script(lambda body, n_times: "fine" if n_times == 4 else quoting)
    cache = ReplyCache(tmp_path / "replies.sqlite")
    with cache, open_chat(fault_server, cache=cache) as chat:
        with pytest.raises((ChatError, RunStopped)) as caught:
            chat.run(chat.ask(ask()))
        shown = repr(chat) + repr(vars(chat)) + "".join(traceback.format_exception(caught.value))
        if status in (429, 500):
            assert chat.run(chat.ask(ask())).text == "fine"
    assert "bad key *** (*** given" in shown
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in shown
    assert KEY not in caplog.text
    assert KEY.encode() not in files
    assert fault_server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://h:x/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(RecipeError, match="address must look like"):
        OpenAIChat("m", base_url=url)


def test_a_password_in_the_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = OpenAIChat(
        "m", base_url="http://me:secret@localhost:1/v1", limits=ChatLimits(attempts=1)
    )
    with chat, pytest.raises(ChatError) as caught:
        chat.run(chat.ask(ask()))
    assert "secret" not in repr(chat) + "".join(traceback.format_exception(caught.value))


# What installing and importing costs


def test_importing_the_room_brings_no_client_library() -> None:
    code = "import sys, asap.chat; sys.exit('openai' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=50).returncode == 0


def test_a_missing_client_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match=r"pip install 'asap-cot\[llm\]'"):
        OpenAIChat("m", base_url="http://localhost:1/v1")
