"""DAP: difficulty, its cap, and that the answer stays the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asap.chat import ChatRequest, Reply, ScriptedChat
from asap.chat.scripted import Line
from asap.errors import ChatError, KeyRefused, RecipeError
from asap.prune import Dap, Options, Tools
from asap.prune.coarse import REASONS
from asap.surprisal import FakeCounter
from asap.trace import (
    Budget,
    Evidence,
    Excluded,
    Outcome,
    Rewritten,
    Stage1,
    Trace,
    Variant,
    count_tokens,
    segment_trace,
)

THINKING = "\n\n".join(["We need the sum."] * 10)  # 5 tokens a step by the fake counter
PROGRAM = "```python\nprint(1 + 2)\n```"
LEVELS = (10, 20, 40)


def make_trace(row: int = 0, answer: str = "[1, 2]", question: str = "Which?") -> Trace:
    trace = Trace(row, f"id-{row}", question, THINKING, answer)
    return count_tokens([segment_trace(trace)], FakeCounter())[0]


def say(
    rewritten: Any = "Just list them.", difficulty: Any = "easy", answer: Any = "[1, 2]"
) -> str:
    return json.dumps({"difficulty": difficulty, "rewritten": rewritten, "answer": answer})


def prune(chat: ScriptedChat, *traces: Trace, attempts: int = 3) -> list[Outcome]:
    with chat:
        tools = Tools(FakeCounter(), chat=chat)
        method = Dap(Options(stage1_attempts=attempts, level_tokens=LEVELS))
        return method.prune(traces or [make_trace()], Budget(ratio=0.5), tools)


def words(n_tokens: int) -> str:
    text = " ".join(["a"] * n_tokens)
    assert FakeCounter().count([text]) == [n_tokens]
    return text


def test_a_trace_is_rewritten_at_its_difficulty() -> None:
    chat = ScriptedChat([say()])
    assert prune(chat) == [
        Rewritten(
            (Variant("", "Just list them."),),
            Evidence(stage1=Stage1("dap", 1, "dap-1"), reply=say()),
        )
    ]
    (request,) = chat.requests
    assert (request.purpose, request.is_json, request.temperature) == ("dap", True, 0.0)
    text = request.messages[-1].content
    assert [f"At most {n} tokens" in text for n in LEVELS] == [True] * 3
    # The row's answer is not shown: the LLM is to say what the rewriting comes to.
    assert "[1, 2]" not in text


def test_a_row_without_a_question_has_a_prompt_of_its_own() -> None:
    (outcome,) = prune(ScriptedChat([say()]), make_trace(question=""))
    assert isinstance(outcome, Rewritten)
    assert outcome.evidence.stage1.prompt_version == "dap-no-question-1"


@pytest.mark.parametrize(
    "reply",
    [
        f"Here it is:\n```json\n{say()}\n```\nDone.",
        f"<think>\nEasy {{1}}.\n</think>\n{say()}",
        say(difficulty=" Easy "),
        say(answer=[1, 2]),
        say(answer="`[1,2]`"),
        say(answer="The result is **[1, 2]**."),
        say("\n\nJust list them.\n"),
        f"<think>\nDraft: {say('So.', 'hard', '[9]')}\n</think>\n{say()}",
        '{"difficulty": "easy", "rewritten": "Just list them.\n", "answer": "[1, 2]"}',
    ],
)
def test_replies_in_many_forms_are_read(reply: str) -> None:
    (outcome,) = prune(ScriptedChat([reply]))
    assert isinstance(outcome, Rewritten)
    assert outcome.variants[0].thinking == "Just list them."


@pytest.mark.parametrize(
    ("difficulty", "n_tokens", "is_kept"),
    [
        # A tenth more than 10, 20 and 40 is allowed; the original has 50.
        ("easy", 11, True),
        ("easy", 12, False),
        ("medium", 12, True),
        ("medium", 22, True),
        ("medium", 23, False),
        ("hard", 44, True),
        ("hard", 45, False),
    ],
)
def test_each_difficulty_has_its_cap(difficulty: str, n_tokens: int, is_kept: bool) -> None:
    (outcome,) = prune(ScriptedChat([say(words(n_tokens), difficulty)]), attempts=1)
    if is_kept:
        assert isinstance(outcome, Rewritten)
    else:
        assert outcome == Excluded("no_usable_reply", "over_level after 1 attempts")


def test_nothing_gets_longer_whatever_its_level_allows() -> None:
    with ScriptedChat([say(words(50), "hard"), say(words(51), "hard")]) as chat:
        tools = Tools(FakeCounter(), chat=chat)
        method = Dap(Options(stage1_attempts=1, level_tokens=(10, 20, 1000)))
        assert FakeCounter().count([THINKING]) == [50]
        kept, longer = (method.prune([make_trace()], Budget(ratio=0.5), tools)[0] for _ in range(2))
    assert isinstance(kept, Rewritten)
    assert longer == Excluded("no_usable_reply", "longer after 1 attempts")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I cannot do that.", "invalid_reply"),
        ('{"difficulty": "easy", "rewritten": "So.', "invalid_reply"),
        ('{"difficulty": "easy", "rewritten": "So."}', "invalid_reply"),
        (say(None), "invalid_reply"),
        (say(["So."]), "invalid_reply"),
        (say(difficulty="trivial"), "unknown_difficulty"),
        (say(difficulty=1), "unknown_difficulty"),
        (say(" \n"), "empty_reply"),
        ("", "empty_reply"),
        (say("So </think> it is."), "stray_tag"),
        (say(answer="[2, 1]"), "answer_differs"),
        (say(answer=""), "answer_differs"),
        (say(answer=None), "answer_differs"),
        (Reply(say(), "length", 9, 9), "truncated"),
    ],
)
def test_an_unusable_reply_is_asked_for_again_and_at_last_excludes_the_row_by_name(
    reply: Line, reason: str
) -> None:
    assert reason in REASONS
    chat = ScriptedChat([reply, reply, reply, say()])
    assert prune(chat) == [Excluded("no_usable_reply", f"{reason} after 3 attempts")]
    assert [(r.attempt, r.temperature) for r in chat.requests] == [(1, 0.0), (2, 0.7), (3, 0.7)]
    (outcome,) = prune(ScriptedChat([reply, say()]))
    assert isinstance(outcome, Rewritten)
    assert outcome.evidence.stage1.attempts == 2


def test_of_a_program_the_llm_is_asked_whether_the_rewriting_leads_to_it() -> None:
    chat = ScriptedChat([say("Add them.", answer="It adds."), '{"same": true}'])
    (outcome,) = prune(chat, make_trace(answer=PROGRAM))
    assert isinstance(outcome, Rewritten)
    assert outcome.evidence.stage1 == Stage1("dap", 1, "dap-1")
    check = chat.requests[1]
    assert (check.purpose, check.prompt_version, check.is_json) == (
        "dap-check",
        "dap-check-1",
        True,
    )
    text = check.messages[-1].content
    assert f"<answer>\n{PROGRAM}\n</answer>" in text
    assert "<reasoning>\nAdd them.\n</reasoning>" in text
    # It must not know the original, from which the answer could be told as well.
    assert "We need the sum." not in text


def test_a_rewriting_that_leads_elsewhere_is_asked_for_again() -> None:
    chat = ScriptedChat([say("Multiply."), '{"same": false}', say("Add."), '{"same": true}'])
    (outcome,) = prune(chat, make_trace(answer=PROGRAM))
    assert isinstance(outcome, Rewritten)
    assert (outcome.variants[0].thinking, outcome.evidence.stage1.attempts) == ("Add.", 2)
    assert [request.attempt for request in chat.requests] == [1, 1, 2, 1]


def test_a_check_that_says_nothing_fails_by_its_own_name() -> None:
    chat = ScriptedChat([say("Add."), "Perhaps.", '{"same": "yes"}', ""])
    (outcome,) = prune(chat, make_trace(answer=PROGRAM), attempts=1)
    assert outcome == Excluded("no_usable_reply", "empty_reply after 1 attempts")
    assert [request.temperature for request in chat.requests] == [0.0, 0.0, 0.7, 0.7]


def test_failures_keep_their_bounds_over_checks() -> None:
    def never(request: ChatRequest) -> str:
        return '{"same": false}' if request.purpose == "dap-check" else say("Multiply.")

    chat = ScriptedChat(never)
    (outcome,) = prune(chat, make_trace(answer=PROGRAM), attempts=4)
    assert outcome == Excluded("no_usable_reply", "answer_differs after 4 attempts")
    assert len(chat.requests) == 8


def test_a_failed_request_ends_the_attempts_of_its_row_and_a_refused_key_the_run() -> None:
    chat = ScriptedChat(["", ChatError("rate_limited", "429")])
    assert prune(chat) == [Excluded("no_usable_reply", "rate_limited after 2 attempts")]
    with pytest.raises(KeyRefused):
        prune(ScriptedChat([KeyRefused("401")]))


def test_outcomes_hang_neither_on_the_batch_nor_on_its_order() -> None:
    def answer(request: ChatRequest) -> Line:
        number = int(request.id.removeprefix("id-"))
        if request.purpose == "dap-check":
            return json.dumps({"same": number != 3})
        return say(words(number + 1))

    traces = [make_trace(n, answer=PROGRAM if n % 2 else "[1, 2]") for n in range(5)]
    together = prune(ScriptedChat(answer), *traces)
    backwards = prune(ScriptedChat(answer), *traces[::-1])
    alone = [prune(ScriptedChat(answer), trace)[0] for trace in traces]
    assert together == backwards[::-1] == alone
    kinds = [Rewritten, Rewritten, Rewritten, Excluded, Rewritten]
    assert [type(outcome) for outcome in together] == kinds


def test_it_needs_an_llm_and_nothing_else() -> None:
    assert Dap(Options()).needs == {"chat"}
    assert not Dap(Options()).has_budget
    with pytest.raises(RecipeError, match="--llm"):
        Dap(Options()).prune([make_trace()], Budget(ratio=0.5), Tools(FakeCounter()))
