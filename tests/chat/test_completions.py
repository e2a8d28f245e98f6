"""`OpenAICompletions` on real sockets: what is sent, what is read, and how each fault ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asap.chat import (
    ChatLimits,
    CompletionReply,
    CompletionRequest,
    Message,
    OpenAICompletions,
    Waiting,
)
from asap.errors import ChatError, KeyRefused

QUICK = ChatLimits(attempts=3, timeout_s=20.0)


async def skip(seconds: float) -> None:
    await asyncio.sleep(0)


def open_client(server: Any, limits: ChatLimits = QUICK) -> OpenAICompletions:
    return OpenAICompletions(
        "served", base_url=server.url, limits=limits, waiting=Waiting(sleep=skip)
    )


def complete(server: Any, request: CompletionRequest) -> CompletionReply:
    with open_client(server) as client:
        return client.run(client.complete(request))


IDS = CompletionRequest((1, 5, 7), "he-0", 100)


def test_ids_go_out_as_they_are_and_ids_come_back(fault_server: Any) -> None:
    fault_server.queue(
        fault_server.stream(
            [{"text": "a b", "token_ids": [8, 9]}, {"text": " c", "token_ids": [4]}], usage=(3, 3)
        )
    )
    reply = complete(fault_server, IDS)
    assert fault_server.requests == [
        {
            "model": "served",
            "prompt": [1, 5, 7],
            "max_tokens": 100,
            "temperature": 0.0,
            "top_p": 1.0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,
        }
    ]
    assert (reply.text, reply.finish_reason) == ("a b c", "stop")
    assert reply.completion_ids == (8, 9, 4)
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 3)
    assert 0 < reply.first_token_s <= reply.total_s


def test_a_text_goes_to_the_same_place_without_ids(fault_server: Any) -> None:
    fault_server.queue(fault_server.stream([{"text": "x"}], finish_reason="length"))
    reply = complete(fault_server, CompletionRequest("1 + 1\n<think>\n", "he-0", 5, 0.7, 0.9, 3))
    (sent,) = fault_server.requests
    assert sent["prompt"] == "1 + 1\n<think>\n"
    assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.7, 0.9, 3)
    assert "return_token_ids" not in sent
    assert (reply.finish_reason, reply.completion_ids) == ("length", None)
    assert reply.completion_tokens == 5


def test_a_conversation_gets_thinking_and_answer_back_with_the_tag_between(
    fault_server: Any,
) -> None:
    pieces = [
        {"delta": {"reasoning_content": "so "}},
        {"delta": {"reasoning": "it is"}},
        {"delta": {"content": "2"}},
        {"delta": {}},
    ]
    fault_server.queue(fault_server.stream(pieces))
    reply = complete(fault_server, CompletionRequest((Message("user", "1 + 1"),), "he-0", 5))
    assert fault_server.requests[0]["messages"] == [{"role": "user", "content": "1 + 1"}]
    assert reply.text == "so it is\n</think>\n2"


def test_thinking_that_was_cut_off_gets_no_closing_tag(fault_server: Any) -> None:
    pieces = [{"delta": {"reasoning_content": "so it"}}]
    fault_server.queue(fault_server.stream(pieces, finish_reason="length"))
    reply = complete(fault_server, CompletionRequest((Message("user", "1 + 1"),), "he-0", 5))
    assert reply.text == "so it"


def test_ids_that_are_not_those_of_the_whole_text_are_dropped(fault_server: Any) -> None:
    pieces = [{"text": "a", "token_ids": [8]}, {"text": "b"}]
    fault_server.queue(fault_server.stream(pieces, usage=(3, 2)))
    assert complete(fault_server, IDS).completion_ids is None


def test_without_counts_the_ids_are_counted(fault_server: Any) -> None:
    pieces = [{"text": "a", "token_ids": [8, 9]}]
    fault_server.queue(fault_server.stream(pieces, usage=None))
    reply = complete(fault_server, IDS)
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, 2)


FAULTS = ["500", "drop", "midway", "no_json", "no_choice", "error", "no_end", "no_stream"]


def make_fault(server: Any, name: str) -> Any:
    whole = [{"text": "a"}]
    return {
        "500": lambda: server.status(500),
        "drop": server.drop,
        "midway": server.drop_midway,
        "no_json": lambda: server.stream(whole, finish_reason=None, tail=b"data: {\n\n"),
        "no_choice": lambda: server.body(
            b'data: {"choices": [{"text": 5}]}\n\n', content_type="text/event-stream"
        ),
        "error": lambda: server.stream(whole, tail=b'data: {"error": {"message": "oh"}}\n\n'),
        "no_end": lambda: server.stream(whole, finish_reason=None),
        "no_stream": lambda: server.body(b"<html>busy</html>", content_type="text/html"),
    }[name]()


@pytest.mark.parametrize("name", FAULTS)
def test_a_passing_fault_is_got_over(fault_server: Any, name: str) -> None:
    good = fault_server.stream([{"text": "fine"}])
    fault_server.queue(make_fault(fault_server, name), good)
    with open_client(fault_server) as client:
        assert client.run(client.complete(IDS)).text == "fine"
        assert (client.usage.requests, client.usage.retries) == (2, 1)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_stays_ends_after_the_last_attempt(fault_server: Any, name: str) -> None:
    fault_server.script(lambda body, n_times: make_fault(fault_server, name))
    with open_client(fault_server) as client, pytest.raises(ChatError, match="attempt 3"):
        client.run(client.complete(IDS))
    assert len(fault_server.requests) == 3


def test_what_the_server_will_never_do_is_asked_once(fault_server: Any) -> None:
    fault_server.script(lambda body, n_times: fault_server.status(422, message="no ids here"))
    with open_client(fault_server) as client, pytest.raises(ChatError, match="no ids here") as info:
        client.run(client.complete(IDS))
    assert info.value.reason == "bad_request"
    assert len(fault_server.requests) == 1


def test_a_refused_key_stops_the_client(fault_server: Any) -> None:
    fault_server.queue(fault_server.refuse_key())
    with open_client(fault_server) as client:
        for _ in range(2):
            with pytest.raises(KeyRefused):
                client.run(client.complete(IDS))
    assert len(fault_server.requests) == 1


def test_usage_adds_up(fault_server: Any) -> None:
    fault_server.script(lambda body, n: fault_server.stream([{"text": "x"}], usage=(3, 4)))
    with open_client(fault_server) as client:
        client.run(client.complete(IDS))
        client.run(client.complete(IDS))
        assert (client.usage.prompt_tokens, client.usage.completion_tokens) == (6, 8)


def test_a_server_of_our_own_gets_no_key_and_no_proxy_is_asked(
    fault_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASAP_API_KEY", "secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fault_server.queue(fault_server.stream([{"text": "x"}]))
    with OpenAICompletions(
        "served", base_url=fault_server.url, limits=QUICK, is_own=True
    ) as client:
        assert client.run(client.complete(IDS)).text == "x"
    assert "secret" not in fault_server.headers[0]["authorization"]
