"""The fakes beyond what every chat does: scripts that run out, recordings that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from asap.chat import ChatRequest, Message, ReplayChat, Reply, ScriptedChat
from asap.errors import ChatError, InputError, KeyRefused


def ask(purpose: str = "select", id: str = "a", attempt: int = 1) -> ChatRequest:
    return ChatRequest((Message("user", "123456"),), purpose, id, "v1", attempt=attempt)


def test_a_list_is_answered_in_order_and_then_says_that_it_has_run_out() -> None:
    cut_off = Reply("half", "length", 3, 4)
    with ScriptedChat(["one", cut_off, KeyRefused("no")]) as chat:
        assert chat.run(chat.ask(ask())) == Reply("one", "stop", 2, 1)
        assert chat.run(chat.ask(ask())) == cut_off
        with pytest.raises(KeyRefused):
            chat.run(chat.ask(ask()))
        with pytest.raises(ChatError, match="3 replies and was asked for more"):
            chat.run(chat.ask(ask()))
        assert (chat.usage.requests, chat.usage.prompt_tokens, chat.usage.completion_tokens) == (
            (4, 2 + 3, 1 + 4)
        )


def test_it_keeps_the_requests() -> None:
    with ScriptedChat(lambda request: request.purpose) as chat:
        requests = [ask("anchor"), ask("rewrite", attempt=2)]
        assert [chat.run(chat.ask(request)).text for request in requests] == ["anchor", "rewrite"]
        assert chat.requests == requests


def record(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(text.encode())
    return path


def test_lines_of_one_key_are_successive_attempts(tmp_path: Path) -> None:
    path = record(
        tmp_path,
        '{"id": "a", "purpose": "select", "text": "first", "finish_reason": "length"}\n'
        '{"id": "b", "purpose": "select", "text": "of b"}\n'
        "\n"
        '{"id": "a", "purpose": "select", "text": "second\\u2028line"}\n',
    )
    with ReplayChat(path) as chat:
        second = chat.run(chat.ask(ask(attempt=2)))
        first = chat.run(chat.ask(ask(attempt=1)))
        assert (first.text, first.finish_reason) == ("first", "length")
        assert (second.text, second.finish_reason) == ("second\u2028line", "stop")
        assert first.is_cached
        assert chat.usage.cached == 2
        assert chat.usage.total_tokens == 0
        with pytest.raises(ChatError, match=r"2 replies for id 'a' .*none for attempt 3") as caught:
            chat.run(chat.ask(ask(attempt=3)))
        assert caught.value.reason == "bad_request"
        with pytest.raises(ChatError, match=r"0 replies for id 'a' and purpose 'rewrite'"):
            chat.run(chat.ask(ask("rewrite")))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{not json", r"recorded.jsonl:2 is no recorded reply \(Invalid JSON"),
        ('{"id": "a", "purpose": "p"}', r":2 is no recorded reply \(text Field required"),
        ('{"id": 1, "purpose": "p", "text": "t"}', r":2 .*\(id Input should be a valid string"),
        ('{"id": "a", "purpose": "p", "text": "t", "reason": ""}', r":2 .*\(reason Extra inputs"),
        ("[]", r":2 is no recorded reply"),
    ],
)
def test_a_bad_line_is_named_by_number(tmp_path: Path, line: str, words: str) -> None:
    path = record(tmp_path, '{"id": "a", "purpose": "p", "text": "t"}\n' + line + "\n")
    with pytest.raises(InputError, match=words):
        ReplayChat(path)


def test_no_recording_an_empty_one_and_a_binary_one_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        ReplayChat(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="holds no recorded replies"):
        ReplayChat(record(tmp_path, "\n\n"))
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot be read"):
        ReplayChat(binary)
