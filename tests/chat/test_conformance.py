"""What every `Chat` does, whoever answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asap.chat import (
    Chat,
    ChatRequest,
    Message,
    OpenAIChat,
    ReplayChat,
    ReplyCache,
    ScriptedChat,
    Usage,
)
from asap.errors import ChatError

N_KNOWN = 12


def ask_about(name: str, attempt: int = 1) -> ChatRequest:
    return ChatRequest((Message("user", name),), "echo", name, "echo-1", attempt=attempt)


def _open_server(
    tmp_path: Path, server: Any, cache: ReplyCache, *, is_cached: bool = False
) -> OpenAIChat:
    def answer(body: dict[str, Any], n_times: int) -> Any:
        said = body["messages"][-1]["content"]
        return server.status(400) if said == "unknown" else said

    server.script(answer)
    return OpenAIChat("served", base_url=server.url, cache=cache if is_cached else None)


def _open_cached_server(tmp_path: Path, server: Any, cache: ReplyCache) -> OpenAIChat:
    return _open_server(tmp_path, server, cache, is_cached=True)


def _open_scripted(tmp_path: Path, server: Any, cache: ReplyCache) -> ScriptedChat:
    def answer(request: ChatRequest) -> str | Exception:
        said = request.messages[-1].content
        return ChatError("bad_request", "no") if said == "unknown" else said

    return ScriptedChat(answer)


def _open_replay(tmp_path: Path, server: Any, cache: ReplyCache) -> ReplayChat:
    path = tmp_path / "recorded.jsonl"
    lines = [{"id": f"row {n}", "purpose": "echo", "text": f"row {n}"} for n in range(N_KNOWN)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ReplayChat(path)


OPENERS: list[Callable[[Path, Any, ReplyCache], Any]] = [
    _open_server,
    _open_cached_server,
    _open_scripted,
    _open_replay,
]


@pytest.fixture(params=OPENERS, ids=lambda opener: opener.__name__.removeprefix("_open_"))
def chat(request: pytest.FixtureRequest, tmp_path: Path, fault_server: Any) -> Iterator[Any]:
    with ReplyCache(":memory:") as cache:
        chat = request.param(tmp_path, fault_server, cache)
        yield chat
        chat.close()


def test_it_answers(chat: Chat) -> None:
    reply = chat.run(chat.ask(ask_about("row 3")))
    assert (reply.text, reply.finish_reason) == ("row 3", "stop")
    assert reply.prompt_tokens > 0
    assert reply.completion_tokens > 0
    assert isinstance(chat.model, str)


def test_replies_belong_to_their_requests_when_asked_together(chat: Chat) -> None:
    async def ask_all() -> list[str]:
        replies = await asyncio.gather(*(chat.ask(ask_about(f"row {n}")) for n in range(N_KNOWN)))
        return [reply.text for reply in replies]

    assert chat.run(ask_all()) == [f"row {n}" for n in range(N_KNOWN)]


def test_several_threads_run_work_at_once_in_one_loop(chat: Chat) -> None:
    together = threading.Barrier(4, timeout=10)

    async def work(n: int) -> tuple[str, int]:
        reply = await chat.ask(ask_about(f"row {n}"))
        # All four are in here before any may leave: the threads do not wait for one another.
        await asyncio.to_thread(together.wait)
        return reply.text, id(asyncio.get_running_loop())

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: chat.run(work(n)), range(4)))
    assert [text for text, _ in done] == [f"row {n}" for n in range(4)]
    assert len({loop for _, loop in done}) == 1


def test_usage_counts_every_answer_once(chat: Chat) -> None:
    assert chat.usage == Usage()
    for n in range(3):
        chat.run(chat.ask(ask_about(f"row {n}")))
    usage = chat.usage
    assert usage.requests + usage.cached == 3
    assert usage.retries == 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_failed_request_is_a_chat_error_and_the_next_one_works(chat: Chat) -> None:
    with pytest.raises(ChatError) as caught:
        chat.run(chat.ask(ask_about("unknown")))
    assert caught.value.reason == "bad_request"
    assert chat.run(chat.ask(ask_about("row 1"))).text == "row 1"


def test_errors_of_the_work_itself_come_out(chat: Chat) -> None:
    async def work() -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        chat.run(work())


def test_run_inside_its_own_loop_is_refused_and_does_not_hang(chat: Chat) -> None:
    async def work() -> None:
        chat.run(chat.ask(ask_about("row 1")))

    with pytest.raises(RuntimeError, match="event loop"):
        chat.run(work())


def test_closing_is_final_and_harmless_twice(chat: Chat) -> None:
    chat.run(chat.ask(ask_about("row 1")))
    chat.close()
    chat.close()
    with pytest.raises(RuntimeError, match="closed"):
        chat.run(chat.ask(ask_about("row 1")))


def test_closing_unused_is_harmless(chat: Chat) -> None:
    chat.close()


def test_it_is_a_context_manager(chat: Any) -> None:
    with chat as same:
        assert same is chat
    with pytest.raises(RuntimeError, match="closed"):
        chat.run(chat.ask(ask_about("row 1")))
