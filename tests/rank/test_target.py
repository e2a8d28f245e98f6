"""Reading any number of tokens off one removal order, and putting back what still fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.prune import METHODS, Options, Tools
from asap.rank import Arm, KeptText, blend, leave_at_targets, read_off
from asap.run import load_recipe
from asap.surprisal import FakeCounter, FakeScorer
from asap.trace import Budget, Kept, Trace, count_tokens, segment_trace


def make_trace(thinking: str) -> Trace:
    trace = segment_trace(Trace(0, "a", "Q", thinking, "42"), "paragraph")
    return count_tokens([trace], FakeCounter())[0]


def prune(name: str, trace: Trace, **options: Any) -> Kept:
    method = METHODS[name](Options(segment="paragraph", on_step_over_budget="keep", **options))
    (outcome,) = method.prune([trace], Budget(ratio=0.1), Tools(FakeCounter(), FakeScorer()))
    assert isinstance(outcome, Kept)
    return outcome


def below(trace: Trace, outcome: Kept, limit: int, keep_headers: bool = False) -> KeptText:
    return read_off(trace, outcome, limit, "original", keep_headers=keep_headers)[0]


def test_what_went_last_comes_back_as_far_as_it_fits() -> None:
    # `tail` drops from the beginning: 1, 4, 1, 2 tokens. Within 4 the first drop leaves 7, the
    # second 3; then the first step (1 token) still fits, the second (4) does not.
    trace = make_trace("a\n\nb c d e\n\nf\n\ng h")
    outcome = prune("tail", trace, keep_headers=False)
    (kept,) = read_off(trace, outcome, 4, "original", keep_headers=False)
    assert kept.text == "a\n\nf\n\ng h"
    assert kept.spans == ((0, 3), (12, len(trace.thinking)))
    assert below(trace, outcome, 3).text == "f\n\ng h"
    assert below(trace, outcome, 8).text == trace.thinking


def test_where_steps_are_long_the_state_above_is_given_too() -> None:
    # Within 6 tokens 1 + 1 + 2 can be kept; next to come back is the step of 4: 8 in all.
    trace = make_trace("a\n\nb c d e\n\nf\n\ng h")
    outcome = prune("tail", trace, keep_headers=False)
    states = read_off(trace, outcome, 6, "original", keep_headers=False)
    assert [state.text for state in states] == ["a\n\nf\n\ng h", trace.thinking]


def test_where_the_last_step_is_over_the_limit_nothing_is_the_state_below() -> None:
    trace = make_trace("a b\n\nc d e\n\nf g h i")
    states = read_off(trace, prune("tail", trace), 1, "original", keep_headers=False)
    assert [state.text for state in states] == ["", "f g h i"]
    assert states[0].spans == ()


def test_two_states_are_weighted_to_the_tokens_asked_for() -> None:
    # 6 lies half-way between 4 and 8.
    at = blend(10, 6, [4, 8], [{"a": 0.2, "b": None, "c": None}, {"a": 0.4, "b": 1.0, "c": None}])
    assert at.tokens == 6
    assert at.values == {"a": pytest.approx(0.3), "b": 1.0, "c": None}
    # One state counts as it is, however far off.
    assert blend(10, 6, [4], [{"a": 0.2}]).tokens == 4


def test_a_step_comes_back_with_the_header_that_governs_it() -> None:
    thinking = "Some words come first here.\n\nFirst example:\n\nn is 3.\n\nThe sum is 6."
    trace = make_trace(thinking)
    outcome = prune("head", trace)
    # From the end: 5 and 4 tokens go, and with the latter the header (3 tokens); 6 are left. Within
    # 12 a step of 4 would fit, but with its header it costs 7: there must be room for 13.
    assert outcome.selection.removal_order == (3, 2, 1, 0)
    assert below(trace, outcome, 12, keep_headers=True).spans == ((0, 29),)
    kept = below(trace, outcome, 13, keep_headers=True)
    assert kept.text == thinking[: thinking.index("\n\nThe sum")]


def arm(name: str, **changes: Any) -> Arm:
    fields = {"method": name, "segment": "paragraph", "on_step_over_budget": "keep", **changes}
    return Arm(name, load_recipe("default", fields))


def test_scoring_in_rounds_is_run_anew_for_each_target() -> None:
    trace = make_trace("\n\n".join(f"Step {n} says {n * n}." for n in range(12)))
    assert trace.tokens is not None
    limits = {"0.5": trace.tokens.total // 2, "0.25": trace.tokens.total // 4}
    scorer = FakeScorer()
    leave_at_targets(arm("asap", rounds=2), [trace], [limits], Tools(FakeCounter(), scorer))
    # Once for the order, and once for each target; twice scored each time.
    assert scorer.n_calls == 6
    scorer = FakeScorer()
    leave_at_targets(arm("asap"), [trace], [limits], Tools(FakeCounter(), scorer))
    assert scorer.n_calls == 1


def test_an_arm_without_a_budget_sets_its_own_target() -> None:
    trace = make_trace("\n\n".join(f"Step {n} says {n * n}." for n in range(12)))
    (left,) = leave_at_targets(
        arm("asap-no-stage2"), [trace], [{"0.5": 1}], Tools(FakeCounter(), FakeScorer())
    )
    assert list(left.by_target) == ["as asap-no-stage2"]
    assert 0 < len(left.by_target["as asap-no-stage2"][0].text) < len(trace.thinking)
    assert left.order is not None


def test_what_has_no_result_says_why() -> None:
    class Refuses:
        needs = frozenset[Any]()
        has_budget = True

        def prune(self, *_: Any) -> list[Any]:
            from asap.trace import Excluded

            return [Excluded("no_way")]

    METHODS["refuses"] = lambda _: Refuses()
    try:
        refusing = arm("refuses")
        (left,) = leave_at_targets(
            refusing, [make_trace("a\n\nb")], [{"0.5": 1}], Tools(FakeCounter())
        )
    finally:
        del METHODS["refuses"]
    assert (left.excluded, left.by_target) == ("no_way", {})


words = st.lists(st.sampled_from(["a", "b c", "d e f", "First case:", "g h i j"]), min_size=2)


@given(words, st.sampled_from(["asap", "random", "head", "tail", "longest-first"]), st.data())
def test_laws_of_reading_off(steps: list[str], name: str, data: st.DataObject) -> None:
    trace = make_trace("\n\n".join(steps))
    assert trace.tokens is not None
    limit = data.draw(st.integers(1, trace.tokens.total))
    states = read_off(trace, prune(name, trace), limit, "original", keep_headers=True)
    counts = FakeCounter().count([state.text for state in states])
    # The first is within the limit; a second one is above it, and keeps all that the first keeps.
    assert counts[0] <= limit
    assert len(states) == 1 or counts[1] > limit
    for state in states:
        assert state.spans is not None
        pieces = "".join(trace.thinking[start:end] for start, end in state.spans)
        assert pieces.strip() == state.text.strip()
    if len(states) == 2:
        for step in trace.steps:
            shares = [state.share_kept(step.start, step.end) for state in states]
            assert shares[0] <= shares[1]
