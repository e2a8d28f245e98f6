"""Coarse pruning by selection: what is kept, and every way in which a reply can be of no use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.chat import ChatLimits, OpenAIChat, Reply, ScriptedChat
from asap.errors import ChatError, KeyRefused, SpendingLimitReached
from asap.prune.coarse import REASONS, Coarse, CoarseFailure, Unusable
from asap.prune.select import parse_selection, select_steps
from asap.trace import Trace, segment_trace

THINKING = "\n\n".join(f"Step {letter} says so." for letter in "abcdefghij")


def make_trace(thinking: str = THINKING, question: str = "Why?") -> Trace:
    return segment_trace(Trace(7, "id-7", question, thinking, "So."), "paragraph")


def select(chat: Any, trace: Trace | None = None, attempts: int = 3) -> Coarse | CoarseFailure:
    with chat:
        result: Coarse | CoarseFailure = chat.run(
            select_steps(trace or make_trace(), "D.", chat, attempts)
        )
        return result


def test_kept_steps() -> None:
    trace = make_trace()
    chat = ScriptedChat(['{"keep": [[0, 2], 5, [8, 9]]}'])
    assert select(chat, trace) == Coarse(
        subject=trace,
        kept=(0, 1, 2, 5, 8, 9),
        anchor="D.",
        reply='{"keep": [[0, 2], 5, [8, 9]]}',
        matches=(None,) * 10,
        attempts=1,
        prompt_version="select-1",
    )
    (request,) = chat.requests
    assert (request.purpose, request.id, request.is_json) == ("select", "id-7", True)
    assert "JSON" in request.messages[-1].content


def test_steps_go_in_numbered_and_whole() -> None:
    long_step = "A very long step. " * 2000 + "Its end."
    chat = ScriptedChat(['{"keep": [1]}'])
    select(chat, make_trace(f"Intro.\n\n{long_step}\n\n    x = 1"))
    content = chat.requests[0].messages[-1].content
    assert f"<step 0>\nIntro.\n<step 1>\n{long_step}\n<step 2>\n    x = 1\n" in content


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ('```json\n{"keep": [1, [3, 4]]}\n```', (1, 3, 4)),
        ('Here is my choice: {"keep": [1]}. The steps {2, 3} add nothing.', (1,)),
        ('{"keep": [[7, 8], 2, [0, 1]]}', (0, 1, 2, 7, 8)),
        ('{"keep": [[0, 3], [2, 5], 4]}', (0, 1, 2, 3, 4, 5)),
        ('{"reason": "short", "keep": [3]}', (3,)),
        ('First {"keep": [1]}, or no: {"keep": [2]}', (2,)),
        ('<think>Maybe {"keep": [1, 2]}?</think>{"keep": [9]}', (9,)),
        ('{"keep": [[4, 4]]}', (4,)),
    ],
)
def test_tolerated_replies(reply: str, kept: tuple[int, ...]) -> None:
    assert parse_selection(reply, 10) == kept


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I would keep steps 0 to 4.", "invalid_json"),
        ('{"keep": [0, 1', "invalid_json"),
        ("[[0, 4], 7]", "invalid_json"),
        ('{"keep": "0-4"}', "invalid_json"),
        ('{"drop": [0]}', "invalid_json"),
        ("{" * 50_000, "invalid_json"),
        ('{"keep": ' * 20_000, "invalid_json"),
        ('{"keep": ["0-4"]}', "invalid_range"),
        ('{"keep": [[0, 4, 7]]}', "invalid_range"),
        ('{"keep": [1.5]}', "invalid_range"),
        ('{"keep": [true]}', "invalid_range"),
        ('{"keep": [null]}', "invalid_range"),
        ('{"keep": [[4, 2]]}', "reversed_range"),
        ('{"keep": [[5, 10]]}', "out_of_bounds"),
        ('{"keep": [-1]}', "out_of_bounds"),
        ('{"keep": [[0, 1000000000000]]}', "out_of_bounds"),
        ('{"keep": []}', "empty_selection"),
        ('{"keep": [[0, 9]]}', "not_shorter"),
        ("<think>Keep 1.</think>", "empty_reply"),
    ],
)
def test_unusable_replies_have_a_name(reply: str, reason: str) -> None:
    assert parse_selection(reply, 10) == Unusable(reason)
    assert reason in REASONS
    chat = ScriptedChat(lambda request: reply)
    assert select(chat) == CoarseFailure(reason, (reason,) * 3, 3, "D.")
    assert [request.attempt for request in chat.requests] == [1, 2, 3]


@given(st.text(max_size=60), st.integers(2, 12))
def test_any_text_is_read_or_named(text: str, n_steps: int) -> None:
    for reply in (text, '{"keep": ' + text + "}", '{"keep": [' + text + "]}"):
        selection = parse_selection(reply, n_steps)
        if isinstance(selection, Unusable):
            assert selection.reason in REASONS
        else:
            assert 0 < len(selection) < n_steps
            assert list(selection) == sorted(set(selection))


@given(st.sets(st.integers(0, 11), min_size=1, max_size=11), st.randoms())
def test_any_order_and_overlap_means_the_same(kept: set[int], random_source: Any) -> None:
    entries = [random_source.choice([i, [i, i]]) for i in sorted(kept)] * 2
    random_source.shuffle(entries)
    assert parse_selection(json.dumps({"keep": entries}), 12) == tuple(sorted(kept))


def test_reasons_stand_per_attempt() -> None:
    replies = ["", Reply('{"keep": [1', "length", 1, 1), '{"keep": []}', '{"keep": [3]}']
    assert select(ScriptedChat(replies), attempts=3) == CoarseFailure(
        "empty_selection", ("empty_reply", "truncated", "empty_selection"), 3, "D."
    )
    coarse = select(ScriptedChat(replies), attempts=4)
    assert isinstance(coarse, Coarse)
    assert (coarse.kept, coarse.attempts) == ((3,), 4)


def test_failed_request_ends_the_attempts() -> None:
    chat = ScriptedChat(["?", ChatError("server_error", "500"), '{"keep": [1]}'])
    assert select(chat) == CoarseFailure("server_error", ("invalid_json", "server_error"), 2, "D.")


@pytest.mark.parametrize("error", [KeyRefused("401"), SpendingLimitReached("spent")])
def test_what_stops_the_run_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)):
        select(ScriptedChat([error]))


def test_single_step_is_not_asked_about() -> None:
    chat = ScriptedChat([])
    assert select(chat, make_trace("One.")) == CoarseFailure("single_step", (), 0, "D.")
    assert chat.requests == []


def test_row_without_question_has_its_own_prompt() -> None:
    coarse = select(ScriptedChat(['{"keep": [1]}']), make_trace(question=""))
    assert isinstance(coarse, Coarse)
    assert coarse.prompt_version == "select-no-question-1"


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("", "stop", "empty_reply"),
        ('{"keep": [1, 2', "length", "truncated"),
        ('{"keep": [1, 2', "stop", "invalid_json"),
        ("The first five, I think.", "stop", "invalid_json"),
        ('{"keep": [[5, 2]]}', "stop", "reversed_range"),
        ('{"keep": [[5, 20]]}', "stop", "out_of_bounds"),
        ("The moon is made of cheese.\n\nSo is the sun.", "stop", "invalid_json"),
    ],
)
def test_trap_8_faulty_server_gets_bounded_attempts(
    fault_server: Any, text: str, finish_reason: str, reason: str
) -> None:
    fault_server.script(lambda body, n_times: fault_server.reply(text, finish_reason=finish_reason))
    chat = OpenAIChat("served", base_url=fault_server.url, limits=ChatLimits(attempts=2))
    assert select(chat) == CoarseFailure(reason, (reason,) * 3, 3, "D.")
    assert len(fault_server.requests) == 3


@pytest.mark.parametrize(
    "text", ['Sure! {"keep": [[3, 4], 0]} is what I keep.', '```json\n{"keep": [0, [3, 4]]}\n```']
)
def test_prose_and_order_from_a_server_are_tolerated(fault_server: Any, text: str) -> None:
    fault_server.queue(fault_server.reply(text))
    coarse = select(OpenAIChat("served", base_url=fault_server.url))
    assert isinstance(coarse, Coarse)
    assert coarse.kept == (0, 3, 4)
