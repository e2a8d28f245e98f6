"""TokenSkip: a ratio for each row, written behind its question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from asap.prune import METHODS, LLMLingua2, Options, TokenSkip, Tools, ratio_suffix
from asap.surprisal import FakeClassifier, FakeCounter, TokenLabels
from asap.trace import Budget, Excluded, Rewritten, Trace, Variant, count_tokens, segment_trace

TOOLS = Tools(FakeCounter(), classifier=FakeClassifier())
THINKING = "So the sum is 5, and\n    x = 7.\n\nWait, is that right? Yes."
HALF = Budget(ratio=0.5)


def make(n_rows: int) -> list[Trace]:
    traces = [Trace(row, str(row), "q", THINKING, "a") for row in range(n_rows)]
    return count_tokens([segment_trace(trace, "block") for trace in traces], FakeCounter())


def variants(traces: list[Trace], options: Options, budget: Budget = HALF) -> list[Variant]:
    outcomes = TokenSkip(options).prune(traces, budget, TOOLS)
    assert all(isinstance(outcome, Rewritten) for outcome in outcomes)
    return [outcome.variants[0] for outcome in outcomes if isinstance(outcome, Rewritten)]


def test_it_is_a_method_that_needs_a_classifier_alone() -> None:
    assert METHODS["tokenskip"](Options()).needs == {"classifier"}
    assert not METHODS["tokenskip"](Options()).has_budget


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(0.5, "<|eot_id|>0.5<|eot_id|>"), (0.75, "<|eot_id|>0.75<|eot_id|>"), (1.0, "")],
)
def test_the_suffix(ratio: float, expected: str) -> None:
    assert ratio_suffix(ratio) == expected


def test_the_suffix_has_the_delimiter_given() -> None:
    assert ratio_suffix(0.9, "##") == "##0.9##"


def test_at_one_nothing_changes() -> None:
    (kept,) = variants(make(1), Options(drawn_ratios=(1.0,), preserve_whitespace=False))
    assert (kept.thinking, kept.prompt_suffix) == (THINKING, "")
    assert kept.spans == ((0, len(THINKING)),)


def test_below_one_it_is_llmlingua2_at_that_ratio() -> None:
    traces = make(3)
    options = Options(drawn_ratios=(0.6,), force_tokens=("sum",))
    found = variants(traces, options)
    (plain, *_) = LLMLingua2(options).prune(traces, Budget(ratio=0.6), TOOLS)
    assert isinstance(plain, Rewritten)
    expected = replace(plain.variants[0], prompt_suffix="<|eot_id|>0.6<|eot_id|>")
    assert found == [expected] * 3
    assert expected.thinking != THINKING


def test_the_budget_is_not_looked_at() -> None:
    traces = make(8)
    assert variants(traces, Options()) == variants(traces, Options(), Budget(tokens=1))


def test_every_ratio_is_drawn_about_as_often() -> None:
    found = Counter(kept.prompt_suffix for kept in variants(make(600), Options()))
    assert set(found) == {ratio_suffix(ratio) for ratio in Options().drawn_ratios}
    # 100 each is expected; four standard deviations (9.1) either way.
    assert all(64 <= n <= 136 for n in found.values())


def test_the_draw_hangs_on_seed_and_row_alone() -> None:
    traces = make(40)
    together = variants(traces, Options())
    assert variants(traces[::-1], Options()) == together[::-1]
    assert [variants([trace], Options())[0] for trace in traces] == together
    assert variants(traces, Options(seed=1)) != together
    renamed = [replace(trace, question="other", id="same") for trace in traces]
    assert variants(renamed, Options()) == together


def test_a_row_that_cannot_be_compressed_is_excluded() -> None:
    # One word of three tokens (n ' s); half of them is one.
    trace = segment_trace(Trace(0, "0", "", "n's", "a"), "block")
    traces = count_tokens([trace], FakeCounter())

    class OneWord(FakeClassifier):
        def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
            return [TokenLabels((0,), (3,), (0.5,), (0,))]

    tools = Tools(FakeCounter(), classifier=OneWord())
    (outcome,) = TokenSkip(Options(drawn_ratios=(0.5,))).prune(traces, HALF, tools)
    assert outcome == Excluded("step_over_budget", "the last unit has 3 tokens, the budget is 1")
