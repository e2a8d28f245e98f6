"""LLMLingua-2 on pieces whose probabilities are set by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.errors import RecipeError
from asap.prune import METHODS, LLMLingua2, Options, Tools
from asap.prune.llmlingua2 import make_words
from asap.surprisal import FakeClassifier, FakeCounter, TokenLabels
from asap.trace import (
    Budget,
    Excluded,
    Outcome,
    Rewritten,
    Trace,
    Variant,
    count_tokens,
    segment_trace,
)


def make(*thinkings: str) -> list[Trace]:
    traces = [Trace(i, str(i), "", thinking, "x") for i, thinking in enumerate(thinkings)]
    return count_tokens([segment_trace(trace, "block") for trace in traces], FakeCounter())


def tools_with(keep: dict[str, float] | Callable[[str], float] | None = None) -> Tools:
    classifier = FakeClassifier(keep.__getitem__ if isinstance(keep, dict) else keep)
    return Tools(FakeCounter(), classifier=classifier)


def variant(outcome: Outcome) -> Variant:
    assert isinstance(outcome, Rewritten)
    (only,) = outcome.variants
    assert only.name == ""
    return only


def prune(thinking: str, ratio: float, keep: dict[str, float], **options: Any) -> Variant:
    method = LLMLingua2(Options(**options))
    (outcome,) = method.prune(make(thinking), Budget(ratio=ratio), tools_with(keep))
    assert variant(outcome).prompt_suffix == ""
    return variant(outcome)


def labels_of(*pieces: tuple[int, int, float] | tuple[int, int, float, int]) -> TokenLabels:
    """From (start, end, probability[, chunk])."""
    full = [(*piece, 0)[:4] for piece in pieces]
    starts, ends, keep, chunk = zip(*full, strict=True)
    return TokenLabels(starts, ends, keep, chunk)


def words_of(text: str, labels: TokenLabels, **options: Any) -> list[tuple[str, float]]:
    units = make_words(Trace(0, "0", "", text, "x"), labels, Options(**options)).units
    return [
        (text[start:end], score)
        for (start, end), score in zip(units.spans, units.scores, strict=True)
    ]


def test_it_is_a_method_that_needs_a_classifier_alone() -> None:
    assert METHODS["llmlingua2"](Options()).needs == {"classifier"}
    assert METHODS["llmlingua2"](Options()).has_budget
    assert not METHODS["llmlingua2"](Options(cut="percentile")).has_budget


# " resolve(n)": pieces "▁re" .2, "solve" .6, "(" .9, "n" .5, ")" .3.
PIECES = labels_of((0, 3, 0.2), (3, 8, 0.6), (8, 9, 0.9), (9, 10, 0.5), (10, 11, 0.3))


def test_pieces_make_words_by_the_mean() -> None:
    # "(" and ")" begin words; "n" has no white space before it and is no punctuation, so it goes to
    # "(": (0.9 + 0.5) / 2.
    assert words_of(" resolve(n)", PIECES) == [
        ("resolve", pytest.approx(0.4)),
        ("(n", pytest.approx(0.7)),
        (")", 0.3),
    ]


def test_pieces_make_words_by_the_first() -> None:
    found = words_of(" resolve(n)", PIECES, word_probability="first")
    assert found == [("resolve", 0.2), ("(n", 0.9), (")", 0.3)]


def test_force_tokens_are_words_of_their_own_and_stay() -> None:
    found = words_of(" resolve(n)", PIECES, force_tokens=("n", "solve"))
    # "n" is one; "solve" is only a part of a longer word.
    assert found == [("resolve", pytest.approx(0.4)), ("(", 0.9), ("n", 1.0), (")", 0.3)]


def test_a_force_token_of_several_pieces_is_one_word() -> None:
    labels = labels_of((0, 1, 0.1), (1, 2, 0.2), (2, 5, 0.3), (5, 6, 0.4))
    assert words_of("=>abc.", labels, force_tokens=("=>",)) == [
        ("=>", 1.0),
        ("abc", 0.3),
        (".", 0.4),
    ]


def test_words_with_a_digit_stay_where_that_is_asked_for() -> None:
    labels = labels_of((0, 1, 0.1), (1, 2, 0.3), (2, 5, 0.5))
    assert words_of("x1 yz", labels, force_digits=True) == [("x1", 1.0), ("yz", 0.5)]
    assert words_of("x1 yz", labels) == [("x1", 0.2), ("yz", 0.5)]


def test_white_space_alone_counts_with_the_word_behind_it() -> None:
    # As SentencePiece's mark on its own: (0.8 + 0.2) / 2 for "b"; not for the full stop.
    labels = labels_of((0, 1, 0.4), (1, 2, 0.8), (2, 3, 0.2), (3, 4, 0.9), (4, 5, 0.3))
    assert words_of("a b .", labels) == [("a", 0.4), ("b", 0.5), (".", 0.3)]
    assert words_of("a b .", labels, word_probability="first")[1] == ("b", 0.8)


def test_a_chunk_begins_a_word() -> None:
    labels = labels_of((0, 1, 0.4), (1, 2, 0.2), (2, 3, 0.6, 1))
    assert words_of("abc", labels) == [("ab", pytest.approx(0.3)), ("c", 0.6)]


def test_parts_of_one_sign_are_one_word() -> None:
    # Three pieces of an emoji share its span.
    labels = labels_of((0, 1, 0.3), (0, 1, 0.6), (0, 1, 0.9), (1, 3, 0.1))
    assert words_of("🙂 a", labels) == [("🙂", pytest.approx(0.6)), ("a", 0.1)]


SMALL = {"So": 0.1, "the": 0.2, "sum": 0.9, "is": 0.3, "5": 0.8, ".": 0.7}


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        # 6 tokens; 4 may stay at 0.7, 3 at 0.5, 1 at 0.2.
        (0.7, "sum is 5."),
        (0.5, "sum 5."),
        (0.2, "sum"),
        (1.0, "So the sum is 5."),
    ],
)
def test_one_threshold_lets_the_budget_hold(ratio: float, expected: str) -> None:
    assert prune("So the sum is 5.", ratio, SMALL).thinking == expected


def test_the_percentile_as_published() -> None:
    # 0.1 0.2 0.3 0.7 0.8 0.9, each once. At 0.5 it is the 51st percentile: 0.51 * 5 = 2.55 steps,
    # 0.3 + 0.55 * 0.4 = 0.52: three stay. At 0.8 the 20th (20.99... cut off) lies just at 1.0
    # steps, 0.2, and what equals the threshold goes.
    assert prune("So the sum is 5.", 0.5, SMALL, cut="percentile").thinking == "sum 5."
    assert prune("So the sum is 5.", 0.8, SMALL, cut="percentile").thinking == "sum is 5."
    assert prune("So the sum is 5.", 1.0, SMALL, cut="percentile").thinking == "So the sum is 5."


class TwoTokens(FakeCounter):
    """A tokenizer that has two tokens for `sum`."""

    def count(self, texts: Sequence[str]) -> list[int]:
        return [n + text.count("sum") for n, text in zip(super().count(texts), texts, strict=True)]


def test_the_percentile_weighs_words_by_the_student_s_tokens() -> None:
    # "a" 0.2, "b" 0.4, "sum" 0.9 with two tokens: 0.2 0.4 0.9 0.9. The 51st percentile lies 1.53
    # steps up: 0.4 + 0.53 * 0.5 = 0.665. Of three tokens it would lie 1.02 steps up, 0.41; with
    # equal words at 0.35, the 36th percentile, 0.4 would stay: 0.2 + 0.72 * 0.2 = 0.344.
    keep = {"a": 0.2, "b": 0.4, "sum": 0.9}
    tools = Tools(TwoTokens(), classifier=FakeClassifier(keep.__getitem__))
    method = LLMLingua2(Options(cut="percentile"))
    # The 36th percentile of four values lies 1.08 steps up: 0.4 + 0.08 * 0.5 = 0.44, so "b" goes.
    (outcome,) = method.prune(make("a b sum"), Budget(ratio=0.65), tools)
    assert variant(outcome).thinking == "sum"
    (outcome,) = method.prune(make("a b sum"), Budget(ratio=0.65), tools_with(keep))
    assert variant(outcome).thinking == "b sum"


class TwoChunks(FakeClassifier):
    """Reads everything from the third piece on in a second chunk."""

    def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
        return [
            TokenLabels(
                labels.starts,
                labels.ends,
                labels.keep,
                tuple(int(i >= 2) for i in range(len(labels.keep))),
            )
            for labels in super().classify(texts)
        ]


def test_percentiles_are_by_chunk_and_the_budget_is_not() -> None:
    keep = {"a": 0.1, "b": 0.2, "c": 0.8, "d": 0.9}
    tools = Tools(FakeCounter(), classifier=TwoChunks(keep.__getitem__))
    # Half of each chunk as published, though all of the second is above all of the first.
    (outcome,) = LLMLingua2(Options(cut="percentile")).prune(
        make("a b c d"), Budget(ratio=0.5), tools
    )
    assert variant(outcome).thinking == "b d"
    (outcome,) = LLMLingua2(Options()).prune(make("a b c d"), Budget(ratio=0.5), tools)
    assert variant(outcome).thinking == "c d"


def test_forced_words_stay_even_where_the_threshold_is_one() -> None:
    # Both are 1.0, and so is the 51st percentile.
    options = {"force_tokens": ("a", "b"), "cut": "percentile"}
    assert prune("a b", 0.5, {"a": 0.0, "b": 0.0}, **options).thinking == "a b"


def test_something_stays_where_all_words_are_alike() -> None:
    # Nothing is above the percentile of equal values.
    assert prune("a b", 0.5, {"a": 0.5, "b": 0.5}, cut="percentile").thinking == "a"


def test_a_forced_word_does_not_stay_twice_in_a_row() -> None:
    keep = {"Step": 0.0, "x": 0.9, "low": 0.1}
    text = "Step low Step x Step"
    forced = {"force_tokens": ("Step",)}
    assert prune(text, 0.9, keep, **forced).thinking == "Step Step x Step"
    assert prune(text, 0.9, keep, drop_consecutive=True, **forced).thinking == "Step x Step"
    published = prune(text, 0.9, keep, drop_consecutive=True, cut="percentile", **forced)
    # 0.1 0.9 1 1 1, the 10th percentile: 0.1 + 0.4 * 0.8 = 0.42.
    assert published.thinking == "Step x Step"


@pytest.mark.parametrize("token", ["", "\n", " Step"])
def test_white_space_is_no_force_token(token: str) -> None:
    with pytest.raises(RecipeError, match="force token"):
        LLMLingua2(Options(force_tokens=(token,)))


CODE = "def f(n):\n    if n:\n        return 1\n\n    return 2"


def test_lines_and_indentation_stay() -> None:
    # 14 tokens: def f ( n ) : if n : return 1 return 2 is 13; the two "return" are the lowest.
    keep = {word: 0.9 for word in ("def", "f", "(", "n", ")", ":", "if", "1", "2")}
    kept = prune(CODE, 0.85, {**keep, "return": 0.1})
    assert kept.thinking == "def f(n):\n    if n:\n        1\n\n    2"
    collapsed = prune(CODE, 0.85, {**keep, "return": 0.1}, preserve_whitespace=False)
    assert collapsed.thinking == "def f(n): if n: 1 2"


def test_a_last_word_over_the_budget() -> None:
    tools = Tools(TwoTokens(), classifier=FakeClassifier(lambda _: 0.5))
    (outcome,) = LLMLingua2(Options()).prune(make("sum"), Budget(tokens=1), tools)
    # Two tokens by the count of the text; the thinking's own starts say one.
    assert outcome == Excluded("step_over_budget", "the last unit has 2 tokens, the budget is 1")


WORDS = ["a", "bc", "Step", "x1", ".", "?", "(", "''", "é", "🙂", "n's"]
GAPS = [" ", "\n", "\n\n", "\n    ", "", "  ", "\t"]
pairs = st.sampled_from([word + gap for word in WORDS for gap in GAPS])
texts = st.lists(pairs, min_size=1, max_size=20).map("".join)
all_options = st.builds(
    Options,
    cut=st.sampled_from(["budget", "percentile"]),
    preserve_whitespace=st.booleans(),
    force_tokens=st.sampled_from([(), ("Step", ".")]),
    force_digits=st.booleans(),
    drop_consecutive=st.booleans(),
    word_probability=st.sampled_from(["mean", "first"]),
    on_step_over_budget=st.just("keep"),
)


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(sign in rest for sign in part)


@given(
    thinkings=st.lists(texts, min_size=1, max_size=3),
    options=all_options,
    ratio=st.floats(0.05, 1),
)
def test_laws(thinkings: list[str], options: Options, ratio: float) -> None:
    traces = make(*thinkings)
    method, budget, tools = LLMLingua2(options), Budget(ratio=ratio), tools_with()
    together = method.prune(traces, budget, tools)
    assert together == method.prune(traces[::-1], budget, tools)[::-1]
    for trace, outcome in zip(traces, together, strict=True):
        assert method.prune([trace], budget, tools) == [outcome]
        kept = variant(outcome)
        assert kept.spans is not None
        joined = "".join(trace.thinking[start:end] for start, end in kept.spans)
        assert kept.thinking.strip()
        assert is_subsequence("".join(kept.thinking.split()), trace.thinking)
        flat = [place for span in kept.spans for place in span]
        assert flat == sorted(set(flat))
        if options.preserve_whitespace:
            assert joined == kept.thinking
        else:
            assert " ".join(joined.split()) == kept.thinking
        assert trace.tokens is not None
        (n_tokens,) = FakeCounter().count([kept.thinking])
        limit = budget.limit(trace.tokens.total)
        # A word of several tokens (n's) may be over the smallest budgets.
        assert options.cut == "percentile" or n_tokens <= max(limit, 4)
