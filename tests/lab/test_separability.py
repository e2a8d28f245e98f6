"""The table without training, on scores whose AUC is known."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.lab import HABIT_OPENERS, TINY, draw_traces, label_auc, measure_separability
from asap.surprisal import FakeCounter, FakeScorer

ONE_STEP = next(draw_traces(TINY, "shared", "train", 1, 1))


def is_habit_opener(step: str) -> bool:
    return step.split()[0].rstrip(",") in HABIT_OPENERS


def test_auc_by_hand() -> None:
    # Pairs redundant over essential: 3>2 3>1, 1<2 1=1: (1 + 1 + 0 + 0.5) / 4
    assert label_auc([3, 2, 1, 1], [True, False, False, True]) == 0.625
    assert label_auc([9, 1], [True, False]) == 1.0
    assert label_auc([1, 9], [True, False]) == 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=12))
def test_auc_counts_pairs(steps: list[tuple[int, bool]]) -> None:
    redundant = [value for value, label in steps if label]
    essential = [value for value, label in steps if not label]
    if not redundant or not essential:
        return
    wins = sum((a > b) + (a == b) / 2 for a, b in product(redundant, essential))
    values, labels = zip(*steps, strict=True)
    assert label_auc(values, labels) == pytest.approx(wins / (len(redundant) * len(essential)))
    assert label_auc([-v for v in values], labels) == pytest.approx(1 - label_auc(values, labels))


def test_a_scorer_that_knows_the_openers_separates_distinct_but_not_shared() -> None:
    scorer = FakeScorer(lambda step: 0.0 if is_habit_opener(step) else 1.0)
    tables = {}
    for regime in ("distinct", "shared"):
        traces = list(draw_traces(TINY, regime, "validation", 300, 1))
        table = measure_separability(traces, scorer, FakeCounter())
        assert [each.score for each in table] == ["first-token surprisal", "mean NLL", "tokens"]
        assert [each.n_traces for each in table] == [300] * 3
        tables[regime] = {each.score: each.auc for each in table}
    surprisal = {regime: table["first-token surprisal"] for regime, table in tables.items()}
    assert (surprisal["distinct"].low, surprisal["distinct"].high) == (1.0, 1.0)
    assert surprisal["shared"].estimate == pytest.approx(0.5, abs=0.03)


def test_length_is_measured_in_the_counter_s_tokens() -> None:
    trace = ONE_STEP
    (_, _, tokens) = measure_separability([trace], FakeScorer(), FakeCounter())
    lengths = FakeCounter().count(trace.thinking.split("\n\n"))
    assert tokens.auc.estimate == pytest.approx(label_auc(lengths, trace.is_redundant))


def test_nothing_to_tell_apart_is_an_error() -> None:
    with pytest.raises(ValueError, match="both redundant and essential"):
        measure_separability([], FakeScorer(), FakeCounter())
