"""C3oT: two conditioned rows of each trace, and every way in which a reply is of no use."""

from __future__ import annotations

import pytest

from asap.chat import ChatRequest, Reply, ScriptedChat
from asap.chat.scripted import Line
from asap.errors import ChatError, KeyRefused, NoReply, RecipeError
from asap.prune import LONG_CONDITION, SHORT_CONDITION, C3ot, Options, Tools
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

THINKING = "We need the sum.\n\nWait, really?\n\nYes: add 1 and 2.\n\nThat gives 3."
SHORT = "Sum: add 1 and 2, that gives 3."


def make_trace(row: int = 0, question: str = "1 + 2?", thinking: str = THINKING) -> Trace:
    trace = Trace(row, f"id-{row}", question, thinking, "3")
    return count_tokens([segment_trace(trace)], FakeCounter())[0]


def prune(
    chat: ScriptedChat, *traces: Trace, attempts: int = 3, budget: Budget | None = None
) -> list[Outcome]:
    with chat:
        tools = Tools(FakeCounter(), chat=chat)
        method = C3ot(Options(stage1_attempts=attempts))
        return method.prune(traces or [make_trace()], budget or Budget(ratio=0.5), tools)


def test_a_trace_becomes_a_short_and_a_long_row_told_apart_by_their_conditions() -> None:
    chat = ScriptedChat([SHORT])
    assert prune(chat) == [
        Rewritten(
            (
                Variant("short", SHORT, SHORT_CONDITION),
                Variant("long", THINKING, LONG_CONDITION, spans=((0, len(THINKING)),)),
            ),
            Evidence(stage1=Stage1("c3ot", 1, "c3ot-1"), reply=SHORT),
        )
    ]
    assert SHORT_CONDITION != LONG_CONDITION
    (request,) = chat.requests
    assert (request.purpose, request.id, request.attempt) == ("compress", "id-0", 1)
    assert (request.temperature, request.prompt_version) == (0.0, "c3ot-1")
    text = request.messages[-1].content
    assert "<question>\n1 + 2?\n</question>" in text
    assert f"<reasoning>\n{THINKING}\n</reasoning>" in text


def test_a_row_without_a_question_has_a_prompt_of_its_own() -> None:
    chat = ScriptedChat([SHORT])
    (outcome,) = prune(chat, make_trace(question=" \n"))
    assert isinstance(outcome, Rewritten)
    assert outcome.evidence.stage1.prompt_version == "c3ot-no-question-1"
    assert "<question>" not in chat.requests[0].messages[-1].content


def test_the_budget_changes_nothing() -> None:
    tight, wide = (prune(ScriptedChat([SHORT]), budget=Budget(tokens=n)) for n in (1, 10_000))
    assert tight == wide


@pytest.mark.parametrize(
    "wrapped",
    [
        f"\n\n{SHORT}\n",
        f"```text\n{SHORT}\n```",
        f"<reasoning>\n{SHORT}\n</reasoning>\n\nI hope that helps.",
        f"<think>\nI shall shorten it.\n</think>\n\n{SHORT}",
        f"I shall shorten it.\n</think>\n{SHORT}",
        f"<think>Hm.</think>\n```\n<reasoning>\n{SHORT}\n</reasoning>\n```",
    ],
)
def test_wrapping_and_the_llms_own_thoughts_come_off(wrapped: str) -> None:
    (outcome,) = prune(ScriptedChat([wrapped]))
    assert isinstance(outcome, Rewritten)
    assert outcome.variants[0].thinking == SHORT
    assert outcome.evidence.reply == wrapped


# The original has 21 tokens by the fake counter (words and signs). A longer text in fewer tokens
# is shorter; the same number of tokens is not.
SAME_COUNT = " ".join(["a"] * FakeCounter().count([THINKING])[0])
LONG_WORD = "a" * 500


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty_reply"),
        (" \n ", "empty_reply"),
        ("```\n```", "empty_reply"),
        ("<think>\nOnly thoughts, and then nothing.\n</think>\n", "empty_reply"),
        ("<think>\nThoughts without end", "empty_reply"),
        (Reply("Sum: add 1", "length", 9, 9), "truncated"),
        (Reply("Sum", "content_filter", 9, 9), "filtered"),
        (THINKING, "not_shorter"),
        (SAME_COUNT, "not_shorter"),
        (f"{THINKING}\n\nOne more.", "not_shorter"),
        ("Add <think> 1.", "stray_tag"),
        ("Add [/THINK] 1.", "stray_tag"),
    ],
)
def test_an_unusable_reply_is_asked_for_again_and_at_last_excludes_the_row_by_name(
    reply: Line, reason: str
) -> None:
    assert reason in REASONS
    chat = ScriptedChat([reply, reply, reply, SHORT])
    assert prune(chat) == [Excluded("no_usable_reply", f"{reason} after 3 attempts")]
    assert [(r.attempt, r.temperature) for r in chat.requests] == [(1, 0.0), (2, 0.7), (3, 0.7)]
    (outcome,) = prune(ScriptedChat([reply, SHORT]))
    assert isinstance(outcome, Rewritten)
    assert outcome.evidence.stage1.attempts == 2


def test_shorter_is_a_matter_of_tokens_not_of_characters() -> None:
    assert len(LONG_WORD) > len(THINKING)
    (outcome,) = prune(ScriptedChat([LONG_WORD]))
    assert isinstance(outcome, Rewritten)


def test_tags_that_the_original_speaks_of_may_stay() -> None:
    thinking = f"The tag [/THINK] ends a thought. {THINKING}"
    (outcome,) = prune(ScriptedChat(["[/THINK] ends it."]), make_trace(thinking=thinking))
    assert isinstance(outcome, Rewritten)
    assert outcome.variants[0].thinking == "[/THINK] ends it."


def test_a_failed_request_ends_the_attempts_of_its_row_and_a_refused_key_the_run() -> None:
    chat = ScriptedChat(["", ChatError("rate_limited", "429")])
    assert prune(chat) == [Excluded("no_usable_reply", "rate_limited after 2 attempts")]
    with pytest.raises(KeyRefused):
        prune(ScriptedChat([KeyRefused("401")]))


def test_an_llm_that_never_answers_stops_the_run() -> None:
    chat = ScriptedChat(lambda request: ChatError("bad_request", "no such model"))
    with pytest.raises(NoReply, match=r"bad_request.*--llm-url"):
        prune(chat, *(make_trace(n) for n in range(8)))
    few = ScriptedChat(lambda request: ChatError("bad_request", "no such model"))
    assert len(prune(few, *(make_trace(n) for n in range(7)))) == 7


def test_outcomes_hang_neither_on_the_batch_nor_on_its_order() -> None:
    def answer(request: ChatRequest) -> Line:
        number = int(request.id.removeprefix("id-"))
        return SHORT + " Yes." * number if number != 2 else ""

    traces = [make_trace(n) for n in range(4)]
    together = prune(ScriptedChat(answer), *traces)
    backwards = prune(ScriptedChat(answer), *traces[::-1])
    alone = [prune(ScriptedChat(answer), trace)[0] for trace in traces]
    assert together == backwards[::-1] == alone
    assert [type(outcome) for outcome in together] == [Rewritten, Rewritten, Excluded, Rewritten]


def test_it_needs_an_llm_and_nothing_else() -> None:
    assert C3ot(Options()).needs == {"chat"}
    assert not C3ot(Options()).has_budget
    with pytest.raises(RecipeError, match="--llm"):
        C3ot(Options()).prune([make_trace()], Budget(ratio=0.5), Tools(FakeCounter()))
