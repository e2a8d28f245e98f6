"""Methods that give each step one score: orders worked out by hand, and laws."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.prune import METHODS, Options, Tools
from asap.surprisal import FakeCounter, FakeScorer, ScoreRequest, StepScores, TokenScores
from asap.trace import Budget, Kept, Trace, count_tokens, segment_trace

STEP_LEVEL = ["spirit", "spirit-fast", "step-entropy", "random", "head", "tail", "longest-first"]
PLAIN = Options(segment="paragraph", keep_headers=False)


def make_trace(thinking: str, row: int = 0, id: str = "a") -> Trace:
    trace = segment_trace(Trace(row, id, "Q?", thinking, "42"), "paragraph")
    return count_tokens([trace], FakeCounter())[0]


@dataclass
class SetScorer:
    """Says what it is told to, whatever the text."""

    sum_nll: tuple[float, ...] = ()
    n_tokens: tuple[int, ...] = ()
    sum_entropy: tuple[float, ...] = ()
    rises: tuple[float, ...] = ()
    suffix: int | None = None
    name: str = "set"

    def score(self, requests: Sequence[ScoreRequest], statistics: Any = None) -> list[StepScores]:
        n = len(requests[0].steps)
        nothing: Any = (0,) * n
        mean = [s / k for s, k in zip(self.sum_nll, self.n_tokens, strict=True)]
        scores = StepScores(
            nothing,
            nothing,
            nothing,
            nothing,
            n_tokens=self.n_tokens,
            mean_nll=tuple(mean),
            sum_nll=self.sum_nll,
            sum_entropy=self.sum_entropy,
        )
        return [scores for _ in requests]

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        raise AssertionError("not for steps")

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        self.suffix = suffix_tokens
        return [self.rises for _ in requests]


def prune_one(
    name: str, trace: Trace, tools: Tools, options: Options = PLAIN, **budget: Any
) -> Any:
    (outcome,) = METHODS[name](options).prune([trace], Budget(**budget or {"ratio": 0.5}), tools)
    return outcome


FOUR = make_trace("one two three\n\nfour five\n\nsix\n\nseven eight nine ten")


def test_spirit_drops_the_step_without_which_the_rest_is_least_perplexing() -> None:
    # 10 tokens and 20 nats in all. Without step 0: (20 - 9 + 1) / (10 - 3) = 12/7; without 1:
    # (20 - 2 + 6) / 8 = 3; without 2: (20 - 1 + 0) / 9 = 19/9; without 3: (20 - 8 + 0) / 6 = 2.
    scorer = SetScorer(
        sum_nll=(9.0, 2.0, 1.0, 8.0), n_tokens=(3, 2, 1, 4), rises=(1.0, 6.0, 0.0, 0.0)
    )
    outcome = prune_one("spirit", FOUR, Tools(FakeCounter(), scorer))
    assert outcome.selection.removal_order == (0, 3, 2, 1)
    expected = [math.exp(x) for x in (12 / 7, 3, 19 / 9, 2)]
    assert outcome.evidence.score == pytest.approx(expected)
    assert scorer.suffix == 512


def test_spirit_looks_as_far_as_it_is_told() -> None:
    scorer = SetScorer(sum_nll=(1.0,) * 4, n_tokens=(1,) * 4, rises=(0.0,) * 4)
    options = Options(segment="paragraph", keep_headers=False, suffix_tokens=0)
    prune_one("spirit", FOUR, Tools(FakeCounter(), scorer), options)
    assert scorer.suffix == 0


def test_spirit_fast_goes_by_the_mean_nll_of_a_step() -> None:
    # Per token: 3, 1, 1.5, 2.
    scorer = SetScorer(sum_nll=(9.0, 2.0, 1.5, 8.0), n_tokens=(3, 2, 1, 4))
    outcome = prune_one("spirit-fast", FOUR, Tools(FakeCounter(), scorer))
    assert outcome.selection.removal_order == (1, 2, 3, 0)
    assert outcome.evidence.score == pytest.approx([math.exp(x) for x in (3, 1, 1.5, 2)])


def test_step_entropy_goes_by_the_sum_so_that_short_steps_go_first() -> None:
    scorer = SetScorer(sum_nll=(0.0,) * 4, n_tokens=(1,) * 4, sum_entropy=(2.0, 1.0, 0.5, 4.0))
    outcome = prune_one("step-entropy", FOUR, Tools(FakeCounter(), scorer))
    assert outcome.selection.removal_order == (2, 1, 0, 3)


def test_head_tail_and_longest_first() -> None:
    tools = Tools(FakeCounter())
    # 10 tokens, half of them: the head's 3 + 2 fit with the 1; the tail's 4 + 1.
    assert prune_one("head", FOUR, tools).thinking == "one two three\n\nfour five"
    assert prune_one("tail", FOUR, tools).thinking == "six\n\nseven eight nine ten"
    assert prune_one("longest-first", FOUR, tools).thinking == "four five\n\nsix"


def test_random_is_drawn_by_seed_row_and_id() -> None:
    thinking = "\n\n".join(f"Step {n}." for n in range(30))
    tools = Tools(FakeCounter())

    def order(seed: int, row: int) -> Any:
        options = Options(segment="paragraph", keep_headers=False, seed=seed)
        return prune_one(
            "random", make_trace(thinking, row), tools, options
        ).selection.removal_order

    assert order(0, 0) == order(0, 0)
    assert len({order(0, 0), order(1, 0), order(0, 1)}) == 3
    # No place is favoured: over 300 rows the first step goes in the middle of the order on average,
    # give or take five times the standard error (30 / sqrt(12) / sqrt(300) = 0.5).
    places = [order(0, row).index(0) for row in range(300)]
    assert abs(sum(places) / 300 - 14.5) < 2.5


def test_a_header_goes_with_the_last_step_it_governs() -> None:
    trace = make_trace("First example:\n\nn is 3 here.\n\nThe sum is 6.\n\nDone with this now.")
    outcome = prune_one("tail", trace, Tools(FakeCounter()), Options(segment="paragraph"))
    # The header governs all three that follow; alone it would be the first to go.
    assert outcome.selection.removal_order == (1, 2, 3, 0)


def test_ablations_are_asap_with_a_stage_switched_off() -> None:
    thinking = "\n\n".join(f"Step {n} has the value {n * 7}." for n in range(20))
    trace = make_trace(thinking)
    tools = Tools(FakeCounter(), FakeScorer())
    options = Options(segment="paragraph")
    without1 = prune_one("asap-no-stage1", trace, tools, options)
    assert "stage1" not in without1.selection.fates
    by_surprisal = sorted(range(20), key=lambda i: (without1.evidence.surprisal[i], -i))
    assert list(without1.selection.removal_order) == by_surprisal
    without2 = prune_one("asap-no-stage2", trace, Tools(FakeCounter()), options, tokens=1)
    assert set(without2.selection.fates) == {"kept", "stage1"}
    original = prune_one("original", trace, Tools(FakeCounter()), options, tokens=1)
    assert original.thinking == thinking
    assert METHODS["asap-no-stage2"](options).needs == frozenset()
    assert METHODS["asap-no-stage1"](options).needs == {"scorer"}


words = st.lists(st.sampled_from(["a", "bb", "ccc ddd", "e f g", "h. i"]), min_size=1, max_size=12)


@given(words, st.floats(0.05, 1.0), st.sampled_from(STEP_LEVEL), st.integers(0, 3))
def test_laws_of_step_level_methods(steps: list[str], ratio: float, name: str, seed: int) -> None:
    trace = make_trace("\n\n".join(steps))
    others = [make_trace("x\n\ny z\n\nw", row) for row in (1, 2)]
    tools = Tools(FakeCounter(), FakeScorer())
    method = METHODS[name](Options(segment="paragraph", seed=seed))
    budget = Budget(ratio=ratio)
    batch = [trace, *others]
    outcomes = method.prune(batch, budget, tools)
    assert outcomes == method.prune(batch, budget, tools)
    shuffled = random.Random(seed).sample(range(3), 3)
    again = method.prune([batch[i] for i in shuffled], budget, tools)
    assert [again[shuffled.index(i)] for i in range(3)] == outcomes
    outcome = outcomes[0]
    assert trace.tokens is not None
    if isinstance(outcome, Kept):
        assert sorted(outcome.selection.removal_order) == list(range(len(trace.steps)))
        assert outcome.n_tokens <= budget.limit(trace.tokens.total)
        assert outcome.thinking.split("\n\n") == [trace.text(i) for i in outcome.selection.kept]
    else:
        assert outcome.reason == "step_over_budget"
