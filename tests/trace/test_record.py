"""Selections: kept steps, fates, and smaller budgets read off the same removal order."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.trace import Selection, Step, Trace, select_within


def test_a_selection_worked_out_by_hand() -> None:
    # Stage 1 took steps 3 and 0, stage 2 step 4; 1 and 2 are kept.
    selection = Selection((3, 0, 4, 2, 1), (90, 70, 40, 25, 0), n_removed=3, n_stage1=2)
    assert selection.kept == (1, 2)
    assert selection.fates == ("stage1", "kept", "kept", "stage1", "stage2")


def test_a_selection_may_keep_everything() -> None:
    selection = Selection((1, 0), (5, 0), n_removed=0, n_stage1=0)
    assert selection.kept == (0, 1)
    assert selection.fates == ("kept", "kept")


def test_a_budget_may_undo_the_last_drops_of_stage_1() -> None:
    selection = Selection((2, 0, 1), (30, 20, 0), n_removed=1, n_stage1=2)
    assert selection.fates == ("kept", "kept", "stage1")


@pytest.mark.parametrize(
    ("limit", "n_removed"),
    [(200, 0), (100, 0), (99, 1), (90, 1), (89, 2), (70, 2), (40, 3), (25, 4), (24, 5), (1, 5)],
)
def test_the_first_state_within_the_limit_is_taken(limit: int, n_removed: int) -> None:
    # The last entry is the empty state: never chosen, so 5 says that even the last step is over.
    assert select_within((3, 0, 4, 2, 1), (90, 70, 40, 25, 0), 100, limit) == n_removed


def test_trap_24_the_empty_state_is_never_a_selection() -> None:
    assert select_within((0,), (0,), 10, 5) == 1
    assert select_within((0,), (0,), 5, 5) == 0


def test_removals_that_belong_together_are_never_parted() -> None:
    # Steps 1 and 0 (its header) go together: the count falls with the second of them only.
    assert select_within((1, 0, 2), (50, 20, 0), 50, 30) == 2


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 200), st.data())
def test_smaller_budgets_remove_more_of_the_same_order(
    costs: list[int], limit: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(costs))))
    after = [sum(costs[i] for i in order[k + 1 :]) for k in range(len(costs))]
    total = sum(costs)
    n_removed = select_within(order, after, total, limit)
    assert n_removed <= select_within(order, after, total, limit // 2)
    if n_removed < len(costs):
        assert sum(costs[i] for i in order[n_removed:]) <= limit
    if n_removed > 0:
        assert sum(costs[i] for i in order[n_removed - 1 :]) > limit


def test_text_and_separator_by_step() -> None:
    trace = Trace(0, "a", "", "ab\n\ncd\n", "", (Step(0, 2), Step(4, 6)))
    assert [trace.text(0), trace.separator(0)] == ["ab", "\n\n"]
    assert [trace.text(1), trace.separator(1)] == ["cd", "\n"]


def test_records_are_frozen() -> None:
    step = Step(0, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.start = 3  # type: ignore[misc]
