"""Algorithm 2's bookkeeping: orders, counts and budgets, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.prune import Order, count_after, drop_until, fit_to_budget, order_by_score
from asap.surprisal import FakeCounter
from asap.trace import Excluded, StepTokens, Trace, count_tokens, segment_trace


def make_trace(thinking: str) -> Trace:
    trace = segment_trace(Trace(0, "a", "", thinking, "answer"), "paragraph")
    return count_tokens([trace], FakeCounter())[0]


# Four steps of 3, 1, 2 and 1 tokens; FakeCounter gives each separator to the token after it.
FOUR = make_trace("one two three\n\nWait\n\nfour five\n\nWait")


def test_lowest_score_goes_first_and_ties_follow_the_option() -> None:
    scores = {0: 2.0, 1: 0.5, 2: 3.0, 3: 0.5}
    assert order_by_score(scores, {}, "later") == [(3,), (1,), (0,), (2,)]
    assert order_by_score(scores, {}, "earlier") == [(1,), (3,), (0,), (2,)]


def test_a_header_goes_with_the_last_step_it_governs() -> None:
    scores = {0: 0.0, 1: 5.0, 2: 4.0, 3: 1.0}
    assert order_by_score(scores, {0: (1, 2)}, "later") == [(3,), (2,), (1, 0)]


def test_a_header_in_a_header_goes_with_its_own_last_step() -> None:
    # 0 governs 1 to 3, among them 1, which governs 2 and 3.
    scores = {0: 9.0, 1: 9.0, 2: 2.0, 3: 1.0, 4: 3.0}
    assert order_by_score(scores, {0: (1, 2, 3), 1: (2, 3)}, "later") == [(3,), (2, 1, 0), (4,)]


def test_a_header_without_its_steps_is_ranked_like_any_other() -> None:
    assert order_by_score({0: 1.0, 3: 0.5}, {0: (1, 2)}, "later") == [(3,), (0,)]


def test_counts_after_each_removal() -> None:
    tokens = StepTokens(total=10, inner=(4, 3, 3), last=(3, 2, 2))
    # Without step 2 the separator after step 1 is trimmed too: 10 - 3 - 1; then step 0 goes; then
    # nothing is left.
    assert count_after(tokens, [(2,), (0,), (1,)]) == (6, 2, 0)


def test_a_group_counts_only_when_it_is_complete() -> None:
    tokens = StepTokens(total=10, inner=(4, 3, 3), last=(4, 3, 3))
    assert count_after(tokens, [(1, 0), (2,)]) == (10, 3, 0)


def test_drop_until_stops_at_the_limit_and_never_takes_the_last_group() -> None:
    tokens = StepTokens(total=10, inner=(4, 3, 3), last=(4, 3, 3))
    groups = [(1,), (0,), (2,)]
    assert [drop_until(tokens, groups, limit) for limit in (10, 7, 6, 3, 1)] == [1, 1, 2, 2, 2]


def test_trap_21_the_index_goes_and_not_the_first_equal_text() -> None:
    order = Order(FOUR, ((3,), (0,), (1,), (2,)), n_stage1=0, n_fixed=0, limit=6)
    (fitted,) = fit_to_budget([order], FakeCounter(), "original", "exclude")
    assert not isinstance(fitted, Excluded)
    assert fitted.thinking == "one two three\n\nWait\n\nfour five"
    assert fitted.selection.kept == (0, 1, 2)
    assert fitted.n_tokens == 6


def test_trap_24_never_empty_over_budget_is_excluded_by_name_or_kept() -> None:
    order = Order(FOUR, ((3,), (1,), (2,), (0,)), n_stage1=0, n_fixed=0, limit=2)
    (excluded,) = fit_to_budget([order], FakeCounter(), "original", "exclude")
    assert isinstance(excluded, Excluded)
    assert excluded.reason == "step_over_budget"
    assert "3 tokens" in excluded.detail
    assert "2" in excluded.detail
    (kept,) = fit_to_budget([order], FakeCounter(), "original", "keep")
    assert not isinstance(kept, Excluded)
    assert kept.thinking == "one two three"


def test_trap_27_a_trace_within_budget_stays_byte_for_byte() -> None:
    trace = make_trace("\n\n  one two\n\n\n\nthree  \n\n")
    order = Order(trace, ((1,), (0,)), n_stage1=0, n_fixed=0, limit=100)
    (fitted,) = fit_to_budget([order], FakeCounter(), "stripped", "exclude")
    assert not isinstance(fitted, Excluded)
    assert fitted.thinking == trace.thinking


def test_removals_that_may_not_be_undone_stay() -> None:
    order = Order(FOUR, ((3,), (1,), (2,), (0,)), n_stage1=2, n_fixed=2, limit=100)
    (fitted,) = fit_to_budget([order], FakeCounter(), "original", "exclude")
    assert not isinstance(fitted, Excluded)
    assert fitted.selection.kept == (0, 2)
    assert fitted.selection.fates == ("kept", "stage1", "kept", "stage1")


class SeamCounter(FakeCounter):
    """Counts a whole text one dearer for each 'four' in it: as if the seam of a removal cost a
    token.
    """

    def count(self, texts: list[str]) -> list[int]:  # type: ignore[override]
        return [n + text.count("four") for n, text in zip(super().count(texts), texts, strict=True)]


def test_the_count_on_the_text_itself_decides() -> None:
    order = Order(FOUR, ((3,), (2,), (1,), (0,)), n_stage1=0, n_fixed=0, limit=6)
    (fitted,) = fit_to_budget([order], SeamCounter(), "original", "exclude")
    assert not isinstance(fitted, Excluded)
    # By step counts dropping 3 is enough (6 tokens); the text has 7, so 2 goes as well.
    assert fitted.selection.kept == (0, 1)
    assert fitted.n_tokens == 4


@given(
    words=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    scores=st.lists(st.floats(0, 10), min_size=12, max_size=12),
    limit=st.integers(1, 60),
)
def test_laws(words: list[int], scores: list[float], limit: int) -> None:
    trace = make_trace("\n\n".join(" ".join("w" for _ in range(n)) for n in words))
    groups = tuple(order_by_score(dict(enumerate(scores[: len(words)])), {}, "later"))
    (fitted,) = fit_to_budget(
        [Order(trace, groups, 0, 0, limit)], FakeCounter(), "original", "exclude"
    )
    if isinstance(fitted, Excluded):
        assert words[groups[-1][0]] > limit
        return
    assert fitted.n_tokens == FakeCounter().count([fitted.thinking])[0] <= limit
    selection = fitted.selection
    assert sorted(selection.removal_order) == list(range(len(words)))
    assert list(selection.tokens_after_removal) == sorted(selection.tokens_after_removal)[::-1]
    # Nothing more than needed went: with one removal fewer the rest was over the limit.
    if selection.n_removed:
        assert trace.tokens is not None
        counts = (trace.tokens.total, *selection.tokens_after_removal)
        assert counts[selection.n_removed - 1] > limit
    # A smaller budget read off the same order is what a run at that budget gives.
    for smaller in range(1, limit):
        (again,) = fit_to_budget(
            [Order(trace, groups, 0, 0, smaller)], FakeCounter(), "original", "exclude"
        )
        if not isinstance(again, Excluded):
            assert set(again.selection.kept) <= set(selection.kept)


def test_counts_are_needed() -> None:
    bare = replace(FOUR, tokens=None)
    with pytest.raises(ValueError, match="count_tokens"):
        fit_to_budget([Order(bare, ((0,),), 0, 0, 1)], FakeCounter(), "original", "exclude")
