"""Coarse pruning by rewriting, the paper's way: what comes back, and what is no use."""

from __future__ import annotations

from typing import Any

import pytest

from asap.chat import ChatLimits, OpenAIChat, Reply, ScriptedChat
from asap.errors import ChatError, KeyRefused
from asap.prune.coarse import REASONS, Coarse, CoarseFailure
from asap.prune.method import Wording
from asap.prune.rewrite import rewrite_steps
from asap.prune.unwrap import strip_fence
from asap.trace import Segmenter, Trace, segment_trace

THINKING = "\n\n".join(
    [
        "Okay, we need the largest sum of two numbers that are not neighbours.",
        "First example: 1 2 3 gives 4.",
        "Wait.",
        "Second example: 5 1 5 gives 10.",
        "Wait.",
        "So keep the best sum up to each place and extend it.",
    ]
)
CODE_FIRST = "```python\nn = int(input())\n```\n\nThat reads the number.\n\nHm, and then?\n\nDone."
ENDS_WITH_CODE = f"{CODE_FIRST}\n\n```python\nprint(n)\n```"


def make_trace(thinking: str = THINKING, segmenter: Segmenter = "block") -> Trace:
    return segment_trace(Trace(7, "id-7", "Why?", thinking, "So."), segmenter)


def rewrite(
    chat: Any,
    thinking: str = THINKING,
    *,
    attempts: int = 3,
    wording: Wording = "original",
    segmenter: Segmenter = "block",
) -> Coarse | CoarseFailure:
    trace = make_trace(thinking, segmenter)
    with chat:
        result: Coarse | CoarseFailure = chat.run(
            rewrite_steps(trace, "D.", chat, attempts, 0.6, segmenter, wording)
        )
        return result


def kept_of(reply: str, thinking: str = THINKING) -> tuple[int, ...] | str:
    result = rewrite(ScriptedChat([reply]), thinking, attempts=1)
    return result.kept if isinstance(result, Coarse) else result.reason


def pick(*indices: int) -> str:
    trace = make_trace()
    return "\n\n".join(trace.text(i) for i in indices)


def test_original_wording_keeps_the_attributed_steps() -> None:
    reply = pick(3, 4, 5).replace("keep the best", "keep best")
    chat = ScriptedChat([reply])
    coarse = rewrite(chat)
    assert isinstance(coarse, Coarse)
    assert coarse.subject == make_trace()
    assert coarse.kept == (3, 4, 5)
    assert (coarse.anchor, coarse.reply, coarse.attempts) == ("D.", reply, 1)
    assert coarse.prompt_version == "rewrite-1"
    # 52 and 48 characters, of which 48 match.
    assert coarse.matches == (None, None, None, 1.0, 1.0, 2 * 48 / (52 + 48))


def test_request_is_the_papers() -> None:
    chat = ScriptedChat([pick(0)])
    rewrite(chat)
    (request,) = chat.requests
    assert (request.temperature, request.top_p) == (2.0, 1.0)
    assert (request.purpose, request.id, request.is_json) == ("rewrite", "id-7", False)
    assert THINKING in request.messages[-1].content


def test_reply_wording_makes_the_reply_the_subject() -> None:
    reply = pick(0, 3).replace("Okay, we", "We")
    coarse = rewrite(ScriptedChat([f"<think>\n{reply}\n</think>"]), wording="reply")
    assert isinstance(coarse, Coarse)
    assert coarse.subject.thinking == reply
    assert [coarse.subject.text(i) for i in (0, 1)] == reply.split("\n\n")
    assert (coarse.subject.row, coarse.subject.id, coarse.subject.tokens) == (7, "id-7", None)
    assert coarse.kept == (0, 1)
    assert coarse.matches[1] == 1.0
    assert coarse.matches[0] is not None
    assert 0.9 < coarse.matches[0] < 1.0


@pytest.mark.parametrize(
    ("wrapped", "kept"),
    [
        (f"```\n{pick(0, 5)}\n```", (0, 5)),
        (f"```text\n{pick(0, 5)}\n```", (0, 5)),
        (f" \n  ```text\n{pick(0, 5)}\n```\n", (0, 5)),
        (f"```\n{pick(0, 5)}", (0, 5)),
        (f"<think>\n{pick(0, 5)}\n</think>", (0, 5)),
        (f"<think>\n{pick(0, 5)}\n</think>\n\nThe answer is so.", (0, 5)),
        (f"<think>\nI shall prune it.\n</think>\n\n{pick(0, 5)}", (0, 5)),
        (f"```\n<think>\n{pick(0, 5)}\n</think>\n```", (0, 5)),
        (f"<reasoning>\n{pick(0, 5)}\n</reasoning>", (0, 5)),
        (f"{pick(0, 5)}\n</think>", (0, 5)),
    ],
)
def test_trap_12_wrapping_is_taken_off(wrapped: str, kept: tuple[int, ...]) -> None:
    assert kept_of(wrapped) == kept


@pytest.mark.parametrize("thinking", [CODE_FIRST, ENDS_WITH_CODE])
def test_trap_12_trace_that_starts_with_code_keeps_its_fence(thinking: str) -> None:
    reply = thinking.replace("\n\nHm, and then?", "")
    for text in (reply, f"```\n{reply}\n```", f"```text\n{reply}\n```", f"<think>{reply}</think>"):
        coarse = rewrite(ScriptedChat([text]), thinking, wording="reply")
        assert isinstance(coarse, Coarse)
        assert coarse.subject.thinking == reply
    only_code = "```python\nn = int(input())\n```"
    assert strip_fence(only_code, thinking) == only_code
    assert strip_fence(only_code, "n = int(input())") == "n = int(input())"


def test_trap_12_original_that_names_other_tags_keeps_them() -> None:
    thinking = "The tag [/THINK] ends a thought.\n\nHm.\n\nSo count the [THINK] tags."
    assert kept_of("The tag [/THINK] ends a thought.\n\nSo count the [THINK] tags.", thinking) == (
        0,
        2,
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty_reply"),
        ("```\n```", "empty_reply"),
        ("<think>\n</think>", "empty_reply"),
        ("The moon is made of cheese.\n\nSo is the sun.", "unmatched_step"),
        (pick(5, 1), "unmatched_step"),
        (f"Here is the pruned reasoning:\n\n{pick(3, 5)}", "unmatched_step"),
        (pick(0).replace("sum", "<think>"), "stray_tag"),
        (THINKING, "not_shorter"),
        (THINKING.replace("\n\n", "\n\n\n"), "not_shorter"),
        (THINKING + "\n\n" + THINKING, "not_shorter"),
        (THINKING.replace("Okay, we", "We"), "not_shorter"),
    ],
)
def test_unusable_replies_have_a_name(reply: str, reason: str) -> None:
    assert reason in REASONS
    chat = ScriptedChat(lambda request: reply)
    assert rewrite(chat) == CoarseFailure(reason, (reason,) * 3, 3, "D.")
    assert [request.attempt for request in chat.requests] == [1, 2, 3]


def test_trap_10_unchanged_copy_does_not_pass() -> None:
    for wording in ("original", "reply"):
        failure = rewrite(ScriptedChat([THINKING]), attempts=1, wording=wording)  # type: ignore[arg-type]
        assert isinstance(failure, CoarseFailure)
        assert failure.reason == "not_shorter"


def test_stray_tag_never_reaches_a_completion() -> None:
    reply = pick(0, 5).replace("largest", "</think></think>") + "\n\n" + pick(5)
    for wording in ("original", "reply"):
        failure = rewrite(ScriptedChat([reply]), attempts=1, wording=wording)  # type: ignore[arg-type]
        assert isinstance(failure, CoarseFailure)


def test_trap_11_blank_lines_between_steps_do_no_harm() -> None:
    assert kept_of(f"\n\n{pick(1)}\n\n\n\n\n{pick(5)}\n\n\n") == (1, 5)


def test_trap_21_equal_steps_are_kept_by_place() -> None:
    assert kept_of(pick(3, 4, 5)) == (3, 4, 5)
    assert kept_of(pick(1, 2, 5)) == (1, 2, 5)


def test_trap_23_indented_code_is_attributed_with_its_margin() -> None:
    thinking = "Loop:\n\nfor i in a:\n\n    if i:\n\n        print(i)\n\nThat is all.\n\nReally."
    coarse = rewrite(
        ScriptedChat([thinking.removesuffix("\n\nReally.")]), thinking, wording="reply"
    )
    assert isinstance(coarse, Coarse)
    assert "\n\n        print(i)\n\n" in coarse.subject.thinking


def test_trap_8_attempts_end() -> None:
    chat = ScriptedChat(lambda request: "")
    failure = rewrite(chat, attempts=8)
    assert isinstance(failure, CoarseFailure)
    assert failure.attempts == len(chat.requests) == 8


def test_trap_13_cut_off_reply_does_not_pass() -> None:
    chat = ScriptedChat([Reply(pick(0, 1), "length", 1, 1), pick(0, 5)])
    coarse = rewrite(chat)
    assert isinstance(coarse, Coarse)
    assert (coarse.kept, coarse.attempts) == ((0, 5), 2)


def test_trap_14_failure_carries_no_text() -> None:
    failure = rewrite(ScriptedChat(["Made up."] * 2), attempts=2)
    assert failure == CoarseFailure("unmatched_step", ("unmatched_step",) * 2, 2, "D.")


def test_single_step_is_asked_about_only_where_its_wording_may_change() -> None:
    chat = ScriptedChat([])
    assert rewrite(chat, "One step.") == CoarseFailure("single_step", (), 0, "D.")
    coarse = rewrite(ScriptedChat(["One step."]), "One step, or two?", wording="reply")
    assert isinstance(coarse, Coarse)
    assert coarse.subject.thinking == "One step."


def test_failed_request_ends_the_attempts_and_a_refused_key_the_run() -> None:
    failure = rewrite(ScriptedChat(["", ChatError("rate_limited", "429")]))
    assert failure == CoarseFailure("rate_limited", ("empty_reply", "rate_limited"), 2, "D.")
    with pytest.raises(KeyRefused):
        rewrite(ScriptedChat([KeyRefused("401")]))


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("", "stop", "empty_reply"),
        (pick(0, 1), "length", "truncated"),
        ("The moon is made of cheese.\n\nSo is the sun.", "stop", "unmatched_step"),
        (THINKING, "stop", "not_shorter"),
    ],
)
def test_faulty_server_gets_bounded_attempts(
    fault_server: Any, text: str, finish_reason: str, reason: str
) -> None:
    fault_server.script(lambda body, n_times: fault_server.reply(text, finish_reason=finish_reason))
    chat = OpenAIChat("served", base_url=fault_server.url, limits=ChatLimits(attempts=2))
    assert rewrite(chat, attempts=2) == CoarseFailure(reason, (reason,) * 2, 2, "D.")
    assert len(fault_server.requests) == 2
