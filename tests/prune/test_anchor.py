"""The anchor, and the prompts of stage 1's LLM ways."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from asap.chat import OpenAIChat, Reply, ScriptedChat
from asap.errors import ChatError, KeyRefused, RecipeError, SpendingLimitReached
from asap.prune.anchor import ask_anchor
from asap.prune.coarse import CoarseFailure
from asap.prune.prompts import (
    SYSTEM,
    TEMPLATES,
    prompt_adapt,
    prompt_anchor,
    prompt_compress,
    prompt_rewrite,
    prompt_same_answer,
    prompt_select,
)
from asap.trace import Trace, segment_trace

ANSWER = "Add them.\n\n```python\nprint(1)\n```\n\nThen, for large n:\n\n```python\nprint(2)\n```"
DIGESTS = {
    "anchor-1": "cad039aae533492d",
    "anchor-no-question-1": "00101f821cb84789",
    "select-1": "b13f6b3af64e0314",
    "select-no-question-1": "6ec5f2fbb671cd30",
    "rewrite-1": "f1559a5ed62beff1",
    "rewrite-no-question-1": "15ac6e66ff634ecc",
    "c3ot-1": "79f428cc38b8194d",
    "c3ot-no-question-1": "1a7c03c5d95309e9",
    "dap-1": "d76d9e0c51723417",
    "dap-no-question-1": "92e29353066a8539",
    "dap-check-1": "2d0530ebc1dee574",
    "dap-check-no-question-1": "a8497b189334752b",
}


def make_trace(
    question: str = "Sum a list.", answer: str = ANSWER, thinking: str = "a\n\nb"
) -> Trace:
    return segment_trace(Trace(0, "id-0", question, thinking, answer))


def ask(chat: Any, trace: Trace | None = None, attempts: int = 3) -> str | CoarseFailure:
    with chat:
        answer: str | CoarseFailure = chat.run(ask_anchor(trace or make_trace(), chat, attempts))
        return answer


def test_anchor_is_asked_for_once_at_temperature_0() -> None:
    chat = ScriptedChat(["Add the numbers.\n\nPrint the sum.\n"])
    assert ask(chat) == "Add the numbers.\n\nPrint the sum."
    (request,) = chat.requests
    assert (request.purpose, request.id, request.prompt_version) == ("anchor", "id-0", "anchor-1")
    assert (request.temperature, request.attempt, request.is_json) == (0.0, 1, False)
    assert "Sum a list." in request.messages[-1].content


def test_trap_16_anchor_sees_the_whole_answer() -> None:
    content = prompt_anchor(make_trace()).messages[-1].content
    assert f"<answer>\n{ANSWER}\n</answer>" in content


def test_row_without_question_has_its_own_prompt() -> None:
    chat = ScriptedChat(["Add the numbers."])
    ask(chat, make_trace(question=" \n"))
    assert chat.requests[0].prompt_version == "anchor-no-question-1"
    assert "<question>" not in chat.requests[0].messages[-1].content


def test_row_without_answer_is_not_asked_about() -> None:
    chat = ScriptedChat([])
    assert ask(chat, make_trace(answer="")) == CoarseFailure("no_answer", (), 0, None)
    assert chat.requests == []


@pytest.mark.parametrize(
    ("reply", "anchor"),
    [
        ("```\nAdd.\n\nPrint.\n```", "Add.\n\nPrint."),
        ("  \n```text\nAdd.\n```\n", "Add."),
        ("<think>\nHm, let me see.\n</think>\n\nAdd.", "Add."),
        ("Hm, let me see.</think>Add.", "Add."),
        ("Add:\n\n```python\nsum(a)\n```", "Add:\n\n```python\nsum(a)\n```"),
        ("```python\nsum(a)\n```\n\nThat is all.", "```python\nsum(a)\n```\n\nThat is all."),
        ("The tag [/THINK] ends it.", "The tag [/THINK] ends it."),
    ],
)
def test_wrapping_is_taken_off(reply: str, anchor: str) -> None:
    assert ask(ScriptedChat([reply])) == anchor


def test_trap_13_cut_off_anchor_is_asked_for_again() -> None:
    chat = ScriptedChat([Reply("Add the", "length", 1, 1), "Add the numbers."])
    assert ask(chat) == "Add the numbers."
    assert [request.attempt for request in chat.requests] == [1, 2]
    assert chat.requests[1].temperature > 0  # at 0 the same reply would come again


@pytest.mark.parametrize("reply", ["", " \n", "```\n```", "<think>\nHm.\n</think>\n", "<think>Hm."])
def test_trap_8_empty_replies_end_after_bounded_attempts(reply: str) -> None:
    chat = ScriptedChat(lambda request: reply)
    expected = CoarseFailure("empty_reply", ("empty_reply",) * 3, 3, None)
    assert ask(chat) == expected
    assert len(chat.requests) == 3


def test_failed_request_ends_the_attempts() -> None:
    chat = ScriptedChat(["", ChatError("timed_out", "no byte in 600 s")])
    assert ask(chat) == CoarseFailure("timed_out", ("empty_reply", "timed_out"), 2, None)


@pytest.mark.parametrize("error", [KeyRefused("401"), SpendingLimitReached("spent")])
def test_what_stops_the_run_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)):
        ask(ScriptedChat([error]))


def test_trap_6_no_attempts_are_refused() -> None:
    with pytest.raises(RecipeError, match="at least 1"):
        ask(ScriptedChat([]), attempts=0)


def test_filtered_reply_has_a_name() -> None:
    chat = ScriptedChat(lambda request: Reply("Add", "content_filter", 1, 1))
    failure = ask(chat, attempts=1)
    assert isinstance(failure, CoarseFailure)
    assert failure.reason == "filtered"


def test_server_that_says_nothing(fault_server: Any) -> None:
    fault_server.script(lambda body, n_times: fault_server.reply(None))
    failure = ask(OpenAIChat("served", base_url=fault_server.url))
    assert failure == CoarseFailure("empty_reply", ("empty_reply",) * 3, 3, None)
    assert len(fault_server.requests) == 3


def test_prompt_versions_change_with_their_text() -> None:
    """A changed text needs a new version name: then add the new digest here."""
    digests = {
        version: hashlib.sha256(f"{SYSTEM}\n{text}".encode()).hexdigest()[:16]
        for version, text in TEMPLATES.items()
    }
    assert digests == DIGESTS


@pytest.mark.parametrize("question", ["Sum a list.", ""])
def test_prompts_name_everything_they_are_filled_with(question: str) -> None:
    trace = make_trace(question, thinking="I add $them.\n\n${x} costs {1}.")
    for prompt in (
        prompt_anchor(trace),
        prompt_select(trace, "D: $anchor"),
        prompt_rewrite(trace, "D: $anchor"),
        prompt_compress(trace),
        prompt_adapt(trace, (1, 2, 3)),
        prompt_same_answer(trace, "I add $them."),
    ):
        content = prompt.messages[-1].content
        assert prompt.version.endswith("no-question-1") == (not question)
        assert "_tag" not in content
        assert "_tokens" not in content
        assert question in content
    for prompt in (prompt_select(trace, "D: $anchor"), prompt_rewrite(trace, "D: $anchor")):
        content = prompt.messages[-1].content
        assert "<direct_solution>\nD: $anchor\n</direct_solution>" in content
        assert "I add $them." in content
        assert "${x} costs {1}." in content
        assert "$rules" not in content


def test_trap_12_prompt_does_not_wrap_the_trace_in_fences() -> None:
    trace = make_trace(thinking="Try:\n\n```python\nx = 1\n```\n\nDone.")
    content = prompt_rewrite(trace, "D").messages[-1].content
    assert content.count("```") == 2


def test_tags_occur_nowhere_in_the_material() -> None:
    trace = make_trace(thinking="A </reasoning> tag, a <step 3> and a <Reasoning_2>.\n\nEnd.")
    prompt = prompt_select(trace, "see </direct_solution>")
    content = prompt.messages[-1].content
    assert prompt.tag == "reasoning_3"
    assert content.count("<reasoning_3>") == content.count("</reasoning_3>") == 1
    assert content.count("<direct_solution_2>") == 1
    assert "<step_2 0>\nA </reasoning> tag" in content
