"""Token counts by step and budgets, worked out by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.errors import RecipeError
from asap.trace import (
    Budget,
    StepTokens,
    Trace,
    count_step_tokens,
    count_tokens,
    render_steps,
    segment_trace,
)


class PieceCounter:
    """Words with the space before them, other signs with the line breaks after them, line breaks.

    The shape of the real vocabularies' split patterns: a token may straddle a step's end.
    """

    name = "pieces"
    _PIECE = re.compile(r" ?\w+| ?[^\w\s]+\n*|\n+|\s")

    def __init__(self) -> None:
        self.n_calls = 0

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        self.n_calls += 1
        return [[match.start() for match in self._PIECE.finditer(text)] for text in texts]

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(starts) for starts in self.token_starts(texts)]


def trace_of(thinking: str) -> Trace:
    return segment_trace(Trace(0, "a", "", thinking, ""), "paragraph")


def test_counts_worked_out_by_hand() -> None:
    # one| two|.\n\n || three|\n\n || four|!\n
    trace = trace_of("one two.\n\nthree\n\nfour!\n")
    [counted] = count_tokens([trace], PieceCounter())
    assert counted.tokens == StepTokens(total=7, inner=(3, 2, 2), last=(3, 1, 2))


def test_a_token_belongs_to_the_step_in_whose_stretch_it_begins() -> None:
    trace = trace_of("ab\n\ncd")
    # A token that begins in the separator is the first step's, but not when that step is last.
    assert count_step_tokens(trace, [0, 2, 4, 5]) == StepTokens(4, inner=(2, 2), last=(1, 2))
    # One that reaches into the second step belongs to it if it brings nothing but white space ...
    assert count_step_tokens(trace, [0, 3]) == StepTokens(2, inner=(1, 1), last=(1, 1))
    # ... and to the first one if it holds some of that.
    assert count_step_tokens(trace, [0, 1]) == StepTokens(2, inner=(2, 0), last=(2, 0))
    # Bytes of one character share their start.
    assert count_step_tokens(trace, [0, 0, 4, 4]) == StepTokens(4, inner=(2, 2), last=(2, 2))
    assert count_step_tokens(trace, []) == StepTokens(0, inner=(0, 0), last=(0, 0))


def test_trap_22_all_traces_are_tokenized_once_and_in_one_call() -> None:
    counter = PieceCounter()
    traces = count_tokens([trace_of("a\n\nb"), trace_of("c")], counter)
    assert counter.n_calls == 1
    assert [trace.tokens for trace in traces] == [
        StepTokens(3, (2, 1), (1, 1)),
        StepTokens(1, (1,), (1,)),
    ]


words = st.text("ab. ", min_size=1, max_size=8).filter(lambda text: bool(text.strip()))


@given(st.lists(words, min_size=1, max_size=8), st.data())
def test_local_counts_are_those_of_the_rendered_text(
    paragraphs: list[str], data: st.DataObject
) -> None:
    trace = trace_of("\n\n".join(paragraph.strip() for paragraph in paragraphs))
    counter = PieceCounter()
    [counted] = count_tokens([trace], counter)
    tokens = counted.tokens
    assert tokens is not None
    assert sum(tokens.inner) == tokens.total == counter.count([trace.thinking])[0]
    kept = sorted(data.draw(st.sets(st.integers(0, len(trace.steps) - 1), min_size=1)))
    local = sum(tokens.inner[i] for i in kept[:-1]) + tokens.last[kept[-1]]
    assert local == counter.count([render_steps(counted, kept)])[0]


def test_a_budget_in_tokens_is_the_limit() -> None:
    assert Budget(tokens=4096).limit(10) == 4096


@pytest.mark.parametrize(
    ("ratio", "n_tokens", "limit"),
    [(0.5, 10, 5), (0.5, 11, 5), (0.29, 100, 29), (0.7, 10, 7), (1.0, 7, 7), (0.01, 10, 1)],
)
def test_a_ratio_is_rounded_down_to_at_least_one_token(
    ratio: float, n_tokens: int, limit: int
) -> None:
    assert Budget(ratio=ratio).limit(n_tokens) == limit


@pytest.mark.parametrize("tokens", [0, -1])
def test_a_budget_below_one_token_is_refused(tokens: int) -> None:
    with pytest.raises(RecipeError, match=f"budget_tokens is {tokens}; it must be at least 1"):
        Budget(tokens=tokens)


@pytest.mark.parametrize("ratio", [0.0, -0.5, 1.01, math.nan, math.inf])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(RecipeError, match="it must be above 0 and at most 1"):
        Budget(ratio=ratio)


def test_exactly_one_kind_of_budget_is_given() -> None:
    with pytest.raises(RecipeError, match="either budget_tokens or ratio"):
        Budget()
    with pytest.raises(RecipeError, match="either budget_tokens or ratio"):
        Budget(tokens=5, ratio=0.5)
