"""The bounds that are told the labels, and who else may see them: nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.errors import RecipeError
from asap.prune import METHODS, Options, Tools, list_methods
from asap.rank import build_arms, list_free_methods
from asap.run import load_recipe, open_tools, prune_traces
from asap.surprisal import FakeCounter
from asap.trace import Budget, Kept, Trace, count_tokens, segment_trace

OPTIONS = Options(segment="paragraph", keep_headers=False)
NAMES = ["oracle", "anti-oracle"]


def make_trace(n_steps: int, row: int = 0) -> Trace:
    text = "\n\n".join(f"step {i} says it." for i in range(n_steps))
    trace = segment_trace(Trace(row, str(row), "Q?", text, "42"), "paragraph")
    return count_tokens([trace], FakeCounter())[0]


def order_of(name: str, labels: list[bool], row: int = 0, seed: int = 0) -> tuple[int, ...]:
    options = Options(segment="paragraph", keep_headers=False, seed=seed)
    tools = Tools(FakeCounter(), labels={row: labels})
    trace = make_trace(len(labels), row)
    (outcome,) = METHODS[name](options).prune([trace], Budget(ratio=0.5), tools)
    assert isinstance(outcome, Kept)
    return outcome.selection.removal_order


@given(st.lists(st.booleans(), min_size=2, max_size=12), st.integers(0, 9))
def test_one_kind_goes_before_the_other(labels: list[bool], seed: int) -> None:
    n_redundant = sum(labels)
    first = order_of("oracle", labels, seed=seed)[:n_redundant]
    assert all(labels[step] for step in first)
    last = order_of("anti-oracle", labels, seed=seed)[len(labels) - n_redundant :]
    assert all(labels[step] for step in last)


@pytest.mark.parametrize("name", NAMES)
def test_within_a_group_chance_decides(name: str) -> None:
    labels = [True, False] * 8
    orders = {order_of(name, labels, row=row) for row in range(20)}
    assert len(orders) == 20
    assert order_of(name, labels) == order_of(name, labels)
    assert order_of(name, labels) != order_of(name, labels, seed=1)


def test_half_the_tokens_are_the_redundant_ones() -> None:
    tools = Tools(FakeCounter(), labels={0: [True, False, False, True]})
    for name, kept in (("oracle", (1, 2)), ("anti-oracle", (0, 3))):
        (outcome,) = METHODS[name](OPTIONS).prune([make_trace(4)], Budget(ratio=0.5), tools)
        assert isinstance(outcome, Kept)
        assert outcome.selection.kept == kept


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "only in the lab: asap lab"),
        ({1: [True, False]}, "row 0 has 2 steps and no labels"),
        ({0: [True]}, "row 0 has 2 steps and 1 labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(name: str, labels: object, message: str) -> None:
    tools = Tools(FakeCounter(), labels=labels)
    with pytest.raises(RecipeError, match=message):
        METHODS[name](OPTIONS).prune([make_trace(2)], Budget(ratio=0.5), tools)


def test_they_ask_for_labels_alone_and_no_other_method_does() -> None:
    for name in NAMES:
        assert METHODS[name](OPTIONS).needs == {"labels"}
    assert [name for name in METHODS if "labels" in METHODS[name](OPTIONS).needs] == NAMES


def test_no_listing_offers_them() -> None:
    assert not {*NAMES} & {*list_methods(), *list_free_methods()}
    assert {*METHODS} - {*list_methods()} == {*NAMES}
    with pytest.raises(RecipeError) as refused:
        build_arms(["no-such-method"])
    assert "oracle" not in str(refused.value)
    with pytest.raises(RecipeError) as refused:
        load_recipe("default", {"method": "no-such-method"})
    assert "oracle" not in str(refused.value)


def test_labels_reach_the_two_and_nobody_else() -> None:
    labels = {0: [True]}
    with open_tools(load_recipe("default", {"method": "oracle"}), labels=labels) as tools:
        assert tools.labels == labels
    with open_tools(load_recipe("default", {"method": "random"}), labels=labels) as tools:
        assert tools.labels is None


@pytest.mark.parametrize("name", NAMES)
def test_without_labels_nothing_is_opened(name: str) -> None:
    recipe = load_recipe("default", {"method": name})
    with pytest.raises(RecipeError, match="asap lab"), open_tools(recipe):
        pass
    with pytest.raises(RecipeError, match="asap lab"):
        prune_traces([make_trace(3)], recipe)
