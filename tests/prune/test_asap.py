"""Both stages together, with fakes for the model and the LLM."""

from __future__ import annotations

import json

import pytest

from asap.chat import ChatRequest, ScriptedChat
from asap.errors import ChatError, KeyRefused, NoReply, RecipeError
from asap.prune import Asap, Options, Tools
from asap.surprisal import FakeCounter, FakeScorer
from asap.trace import Budget, Excluded, Kept, Trace, count_tokens, segment_trace

THINKING = "\n\n".join(
    [
        "We need the sum of a list.",
        "Wait.",
        "The list has n numbers.",
        "Wait.",
        "So add them one by one.",
        "That gives total.",
    ]
)


def make_trace(thinking: str = THINKING, row: int = 0) -> Trace:
    trace = Trace(row, f"id-{row}", "Sum a list.", thinking, "```python\nprint(sum(a))\n```")
    return count_tokens([segment_trace(trace, "paragraph")], FakeCounter())[0]


def scorer() -> FakeScorer:
    return FakeScorer(surprise=lambda text: 0.0 if text == "Wait." else float(len(text)))


def llm(keep: str) -> ScriptedChat:
    def answer(request: ChatRequest) -> str:
        return "Add the numbers." if request.purpose == "anchor" else keep

    return ScriptedChat(answer)


def prune(options: Options, budget: Budget, chat: ScriptedChat | None = None) -> Kept | Excluded:
    tools = Tools(FakeCounter(), scorer(), chat)
    (outcome,) = Asap(options).prune([make_trace()], budget, tools)
    assert isinstance(outcome, Kept | Excluded)
    return outcome


def test_without_stage_1_the_least_surprising_go() -> None:
    outcome = prune(Options(stage1="none", keep_headers=False), Budget(ratio=0.8))
    assert isinstance(outcome, Kept)
    # 28 tokens; 0.8 of them are 22: both "Wait." (2 tokens each) go, then "That gives total." (4).
    assert outcome.selection.removal_order[:3] == (3, 1, 5)
    assert outcome.selection.kept == (0, 2, 4)
    assert outcome.n_tokens <= 22


def test_select_then_surprisal() -> None:
    chat = llm(json.dumps({"keep": [0, [2, 5]]}))
    outcome = prune(Options(stage1="select", keep_headers=False), Budget(ratio=0.7), chat)
    assert isinstance(outcome, Kept)
    assert outcome.selection.fates[1] == "stage1"
    assert outcome.selection.fates[3] == "stage2"
    assert outcome.evidence.stage1.mode == "select"
    assert outcome.evidence.anchor == "Add the numbers."
    assert outcome.evidence.surprisal[1] is None


def test_every_step_that_stage_1_drops_has_a_reason() -> None:
    outcome = prune(Options(stage1="select"), Budget(ratio=1.0), llm('{"keep": [0, 2, 4]}'))
    assert isinstance(outcome, Kept)
    names = [reason and reason.name for reason in outcome.evidence.reasons]
    assert names == [None, "not_in_reply", None, "not_in_reply", None, "not_in_reply"]
    undone = prune(Options(stage1="extract", stage1_ratio=0.3), Budget(ratio=1.0))
    assert isinstance(undone, Kept)
    going = undone.selection.removal_order[: undone.selection.n_stage1]
    assert {i for i, reason in enumerate(undone.evidence.reasons) if reason} == set(going)
    assert prune(Options(stage1="none"), Budget(ratio=0.8)).evidence.reasons == ()


def test_a_header_that_the_llm_leaves_bare_goes_as_a_header() -> None:
    thinking = "We add.\n\nSo the plan is:\n\n1. Read the list.\n\n2. Add it.\n\nThat is all."
    tools = Tools(FakeCounter(), scorer(), llm('{"keep": [0, 1, 4]}'))
    method = Asap(Options(stage1="select"))
    (outcome,) = method.prune([make_trace(thinking)], Budget(ratio=1.0), tools)
    assert isinstance(outcome, Kept)
    assert outcome.selection.kept == (0, 4)
    names = [reason and reason.name for reason in outcome.evidence.reasons]
    assert names == [None, "header", "not_in_reply", "not_in_reply", None]


def test_what_an_llm_pruned_stays_pruned_within_any_budget() -> None:
    outcome = prune(Options(stage1="select"), Budget(ratio=1.0), llm('{"keep": [0, 2, 4]}'))
    assert isinstance(outcome, Kept)
    assert outcome.selection.kept == (0, 2, 4)


def test_extract_is_undone_by_a_budget_with_room() -> None:
    outcome = prune(Options(stage1="extract", stage1_ratio=0.3), Budget(ratio=1.0))
    assert isinstance(outcome, Kept)
    assert outcome.thinking == THINKING
    assert outcome.selection.n_stage1 > 0
    assert set(outcome.selection.fates) == {"kept"}


def test_stage_1_alone_has_no_budget() -> None:
    options = Options(stage1="extract", stage1_ratio=0.5, stage2="none")
    outcome = prune(options, Budget(ratio=0.1))
    assert isinstance(outcome, Kept)
    assert outcome.selection.n_removed == outcome.selection.n_stage1 > 0
    assert outcome.evidence.surprisal == (None,) * 6


def test_rewrite_in_the_replys_wording_is_scored_as_the_reply() -> None:
    reply = "We need the sum of the list.\n\nSo we add them one by one."
    options = Options(stage1="rewrite", wording="reply", segment="paragraph", keep_headers=False)
    outcome = prune(options, Budget(ratio=1.0), llm(reply))
    assert isinstance(outcome, Kept)
    assert outcome.thinking == outcome.subject.thinking == reply
    assert len(outcome.evidence.surprisal) == 2


def test_rewrite_in_the_original_wording_is_verbatim() -> None:
    reply = "We need the sum of the list.\n\nSo we add them one by one."
    options = Options(stage1="rewrite", segment="paragraph", keep_headers=False)
    outcome = prune(options, Budget(ratio=1.0), llm(reply))
    assert isinstance(outcome, Kept)
    assert outcome.thinking == "We need the sum of a list.\n\nSo add them one by one."
    assert outcome.evidence.matches[0] == pytest.approx(2 * 25 / (26 + 28), abs=0.05)


def test_trap_8_a_failed_stage_1_is_bounded_and_falls_back_to_extract() -> None:
    chat = llm("I cannot do that.")
    options = Options(stage1="select", stage1_attempts=3, stage1_ratio=0.6)
    outcome = prune(options, Budget(ratio=0.6), chat)
    assert isinstance(outcome, Kept)
    assert outcome.evidence.stage1.mode == "extract"
    assert outcome.evidence.stage1.failure == "invalid_json"
    assert outcome.evidence.stage1.attempts == 3
    assert outcome.n_tokens <= 0.6 * 28


def test_trap_14_a_failed_stage_1_excludes_the_row_where_the_recipe_says_so() -> None:
    options = Options(stage1="rewrite", stage1_attempts=2, on_stage1_failure="exclude")
    outcome = prune(options, Budget(ratio=0.6), llm("Something else altogether, made up."))
    assert isinstance(outcome, Excluded)
    assert outcome.reason == "stage1_failed"
    assert "unmatched_step" in outcome.detail


def test_a_refused_key_stops_the_batch() -> None:
    def refuse(request: ChatRequest) -> str:
        raise KeyRefused("the server refused the key")

    with pytest.raises(KeyRefused):
        prune(Options(stage1="select"), Budget(ratio=0.5), ScriptedChat(refuse))


def test_missing_backends_are_named() -> None:
    with pytest.raises(RecipeError, match="--llm"):
        Asap(Options(stage1="select")).prune(
            [make_trace()], Budget(ratio=0.5), Tools(FakeCounter())
        )
    with pytest.raises(RecipeError, match="--scorer"):
        Asap(Options()).prune([make_trace()], Budget(ratio=0.5), Tools(FakeCounter()))


def test_outcomes_do_not_hang_on_the_batch() -> None:
    method = Asap(Options(segment="paragraph"))
    traces = [make_trace(THINKING + f"\n\nExtra {'x ' * n}", n) for n in range(5)]
    tools = Tools(FakeCounter(), scorer())
    together = method.prune(traces, Budget(ratio=0.5), tools)
    alone = [method.prune([trace], Budget(ratio=0.5), tools)[0] for trace in reversed(traces)]
    assert together == alone[::-1]


def test_an_llm_that_never_answers_stops_the_run() -> None:
    def fail(request: ChatRequest) -> str:
        raise ChatError("bad_request", "there is no such model")

    traces = [make_trace(row=n) for n in range(8)]
    tools = Tools(FakeCounter(), scorer(), ScriptedChat(fail))
    with pytest.raises(NoReply, match=r"bad_request.*--llm-url"):
        Asap(Options(stage1="select")).prune(traces, Budget(ratio=0.5), tools)
