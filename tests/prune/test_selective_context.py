"""Selective Context on texts whose self-information is set by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.prune import METHODS, Options, SelectiveContext, Tools
from asap.prune.selective_context import average_by_unit, cut_phrases
from asap.surprisal import FakeCounter, FakeScorer, TokenScores
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

CODE = """Okay, so here it is:

def solve(n):
    if n == 0:
        return 1

    return n * solve(n - 1)

Is that right? Yes."""

AFTER = """, so here it is

solve(n)
    n == 0
        1

    n * solve(n - 1)

Is that right? Yes."""


def make(*thinkings: str) -> list[Trace]:
    traces = [Trace(i, str(i), "", thinking, "x") for i, thinking in enumerate(thinkings)]
    return count_tokens([segment_trace(trace, "block") for trace in traces], FakeCounter())


def tools_with(surprise: dict[str, float] | Callable[[str], float] | None = None) -> Tools:
    scorer = FakeScorer(surprise.__getitem__ if isinstance(surprise, dict) else surprise)
    return Tools(FakeCounter(), scorer)


def variant(outcome: Outcome) -> Variant:
    assert isinstance(outcome, Rewritten)
    (only,) = outcome.variants
    assert (only.name, only.prompt_suffix) == ("", "")
    return only


def prune(thinking: str, ratio: float, surprise: dict[str, float], **options: object) -> Variant:
    method = SelectiveContext(Options(**options))  # type: ignore[arg-type]
    (outcome,) = method.prune(make(thinking), Budget(ratio=ratio), tools_with(surprise))
    return variant(outcome)


def test_it_is_a_method_that_needs_a_scorer_alone() -> None:
    assert METHODS["selective-context"](Options()).needs == {"scorer"}
    assert METHODS["selective-context"](Options()).has_budget
    assert not METHODS["selective-context"](Options(cut="percentile")).has_budget


# "n is 4. So what?" has 7 tokens: n is 4 . So what ?
SMALL = {"n": 5.0, "is": 1.0, "4": 6.0, ".": 0.5, "So": 0.25, "what": 4.0, "?": 3.0}


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        # int(0.8 * 7) = 5 of 7 tokens: "So" (0.25) and "." (0.5) go.
        (0.8, "n is 4 what?"),
        # 3 of 7: "is" (1) and "?" (3) go too; 4, 5 and 6 stay.
        (0.45, "n 4 what"),
        # 1 of 7: the highest, whose blank goes with the text before it.
        (0.15, "4"),
        (1.0, "n is 4. So what?"),
    ],
)
def test_tokens_go_from_the_lowest_until_the_budget_holds(ratio: float, expected: str) -> None:
    assert prune("n is 4. So what?", ratio, SMALL, unit="token").thinking == expected


def test_the_percentile_is_of_the_whole_trace_and_what_equals_it_stays() -> None:
    # Sorted: 0.25 0.5 1 3 4 5 6. The median is 3: four stay at a ratio of a half, though seven
    # tokens have a budget of three.
    kept = prune("n is 4. So what?", 0.5, SMALL, unit="token", cut="percentile")
    assert kept.thinking == "n 4 what?"
    # At 0.7 the 30th percentile lies 0.3 * 6 = 1.8 steps up: 0.5 + 0.8 * (1 - 0.5) = 0.9.
    kept = prune("n is 4. So what?", 0.7, SMALL, unit="token", cut="percentile")
    assert kept.thinking == "n is 4 what?"


def test_a_budget_in_tokens_is_a_share_to_the_percentile() -> None:
    # 3.5 of 7 cannot be had; 7 of 7 keeps everything.
    (outcome,) = SelectiveContext(Options(cut="percentile", unit="token")).prune(
        make("n is 4. So what?"), Budget(tokens=9), tools_with(SMALL)
    )
    assert variant(outcome).thinking == "n is 4. So what?"


def test_a_sentence_has_the_mean_of_its_tokens() -> None:
    # "n is 4." (5 + 1 + 6 + 0.5) / 4 = 3.125; "So what?" (0.25 + 4 + 3) / 3 = 2.42: the second
    # goes although its best token is above the first's mean.
    kept = prune("n is 4. So what?", 0.6, SMALL, unit="sentence")
    assert (kept.thinking, kept.spans) == ("n is 4.", ((0, 7),))


def test_equal_units_go_from_the_end() -> None:
    # Three tokens alike, a budget of two.
    assert prune("a a a", 0.7, {"a": 1.0}, unit="token").thinking == "a a"


def test_a_sentence_ends_neither_behind_ie_nor_behind_mr() -> None:
    values = dict.fromkeys(("See", "i", ".", "e", "Mr", "Fox"), 1.0) | {"Low": 0.0}
    # Low is a sentence of its own, "See i.e. Mr. Fox." another: were there an end behind "i.e." or
    # "Mr.", "Fox." would be cut off: int(0.85 * 11) = 9 tokens are just "See i.e. Mr. Fox.".
    kept = prune("See i.e. Mr. Fox. Low.", 0.85, values, unit="sentence")
    assert kept.thinking == "See i.e. Mr. Fox."


def test_phrases_by_hand() -> None:
    text = "We check the first example input, and n's value (that's 3) in some_list."
    phrases = [text[start:end] for start, end in cut_phrases(text)]
    # Function words alone; a determiner takes the content words behind it; signs alone.
    # "that's" is no word of the list, so it is content.
    assert phrases == [
        "We",
        "check",
        "the first example input",
        ",",
        "and",
        "n's value",
        "(",
        "that's 3",
        ")",
        "in",
        "some_list",
        ".",
    ]


def test_a_phrase_has_the_mean_of_its_tokens() -> None:
    values = {"Check": 2.0, "the": 0.0, "first": 1.0, "sum": 8.0, "in": 2.5}
    # "Check" 2, "the first sum" (0 + 1 + 8) / 3 = 3, "in" 2.5, "Check" 2. Of 6 tokens 4 may stay:
    # the later "Check" goes, then the other one.
    assert prune("Check the first sum in Check", 0.7, values).thinking == "the first sum in"


def test_a_token_over_the_ends_of_two_units_gives_half_to_each() -> None:
    # Units "ab", ")", "cd"; tokens "a" 1, "b)" 4, "c" 6, "d" nan.
    # "b)" reaches over the ends of "ab" and ")": 2 each. "ab": (1 + 2) / 2, ")": 2, "cd": 6.
    scores = TokenScores((0, 1, 3, 4), (1, 3, 4, 5), (1.0, 4.0, 6.0, math.nan))
    assert average_by_unit("ab)cd", [(0, 2), (2, 3), (3, 5)], scores) == [1.5, 2.0, 6.0]


def test_a_token_that_ends_inside_a_unit_counts_for_the_one_it_closes_alone() -> None:
    # Units "(", "ab"; tokens "(a" 3 and "b" 5: all of the 3 to "(", the 5 to "ab".
    scores = TokenScores((0, 2), (2, 3), (3.0, 5.0))
    assert average_by_unit("(ab", [(0, 1), (1, 3)], scores) == [3.0, 5.0]
    # White space alone gives nothing, and an unknown token neither.
    scores = TokenScores((0, 1, 2), (1, 2, 3), (math.nan, 7.0, 5.0))
    found = average_by_unit("a b", [(0, 1), (2, 3)], scores)
    assert math.isnan(found[0])
    assert found[1] == 5.0


class NanFirst(FakeScorer):
    """As a model without a begin-of-text token: nothing is known of the very first token."""

    def score_tokens(self, texts: object) -> list[TokenScores]:
        return [
            TokenScores(scores.starts, scores.ends, (math.nan, *scores.nll[1:]))
            for scores in super().score_tokens(texts)  # type: ignore[arg-type]
        ]


@pytest.mark.parametrize("cut", ["budget", "percentile"])
def test_what_is_unknown_stays(cut: str) -> None:
    tools = Tools(FakeCounter(), NanFirst({"a": 0.0, "b": 1.0, "c": 2.0}.__getitem__))
    method = SelectiveContext(Options(unit="token", cut=cut))  # type: ignore[arg-type]
    # Known are 0 for the second "a", 1 and 2: the percentile at 0.6 is 0.8 (40 % of two steps).
    (outcome, single) = method.prune(make("a a b c", "a"), Budget(ratio=0.75), tools)
    assert variant(outcome).thinking == "a b c"
    assert variant(single).thinking == "a"


def test_lines_and_indentation_stay_where_the_head_of_a_line_goes() -> None:
    low = {"if", "return", "Okay", "def", ":"}
    # Okay, three colons, def, if and two of return: eight tokens, and eight go.
    (trace,) = make(CODE)
    assert trace.tokens is not None
    method = SelectiveContext(Options(unit="token"))
    budget = Budget(tokens=trace.tokens.total - 8)
    tools = tools_with(lambda word: 0.0 if word in low else 1.0)
    (outcome,) = method.prune([trace], budget, tools)
    assert variant(outcome).thinking == AFTER


def test_words_do_not_run_together_where_what_stood_between_goes() -> None:
    values = {"prints": 5.0, "'": 0.0, "A": 5.0, "now": 5.0}
    assert prune("prints 'A' now", 0.6, values, unit="token").thinking == "prints A now"
    # As published the blank before the quote goes with it.
    collapsed = prune("prints 'A' now", 0.6, values, unit="token", preserve_whitespace=False)
    assert collapsed.thinking == "printsA now"


def test_collapsed_white_space_has_its_places_in_the_thinking() -> None:
    values = {"x": 5.0, "low": 0.0, "y": 5.0}
    kept = prune("x\n\n  low\n   y", 0.7, values, unit="token", preserve_whitespace=False)
    assert (kept.thinking, kept.spans) == ("x y", ((0, 1), (8, 13)))


def test_blank_lines_at_the_head_go_and_its_indentation_stays() -> None:
    values = {"low": 0.0, "x": 5.0, "y": 5.0}
    assert prune("low\n\n    x\n    y", 0.7, values, unit="token").thinking == "    x\n    y"


def test_a_last_unit_over_the_budget() -> None:
    traces = make("one two three four")
    tools = tools_with(lambda _: 1.0)
    by_sentence = Options(unit="sentence")
    (outcome,) = SelectiveContext(by_sentence).prune(traces, Budget(tokens=3), tools)
    assert outcome == Excluded("step_over_budget", "the last unit has 4 tokens, the budget is 3")
    keeping = Options(unit="sentence", on_step_over_budget="keep")
    (outcome,) = SelectiveContext(keeping).prune(traces, Budget(tokens=3), tools)
    assert variant(outcome).thinking == "one two three four"


class MergingCounter(FakeCounter):
    """A tokenizer for which two tokens that follow each other cost one more when they meet anew."""

    def count(self, texts: object) -> list[int]:
        return [n + text.count("a d") for n, text in zip(super().count(texts), texts, strict=True)]  # type: ignore[arg-type, call-overload]


def test_where_the_text_itself_is_over_the_budget_more_goes() -> None:
    values = {"a": 5.0, "b": 1.0, "c": 2.0, "d": 3.0}
    # Of 4 tokens 2 may stay: "a d" has 2 by the local count, 3 in fact; so "d" goes too.
    method = SelectiveContext(Options(unit="token"))
    tools = Tools(MergingCounter(), FakeScorer(values.__getitem__))
    (outcome,) = method.prune(make("a b c d"), Budget(ratio=0.5), tools)
    assert variant(outcome).thinking == "a"


WORDS = ["a", "bc", "the", "x1", ".", "?", "(", "''", "é", "🙂", "n's"]
GAPS = [" ", "\n", "\n\n", "\n    ", "", "  ", "\t"]
pairs = st.sampled_from([word + gap for word in WORDS for gap in GAPS])
texts = st.lists(pairs, min_size=1, max_size=20).map("".join)
options = st.builds(
    Options,
    unit=st.sampled_from(["token", "phrase", "sentence"]),
    cut=st.sampled_from(["budget", "percentile"]),
    preserve_whitespace=st.booleans(),
    on_step_over_budget=st.just("keep"),
)


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(sign in rest for sign in part)


@given(thinkings=st.lists(texts, min_size=1, max_size=3), options=options, ratio=st.floats(0.05, 1))
def test_laws(thinkings: list[str], options: Options, ratio: float) -> None:
    traces = make(*thinkings)
    method, budget = SelectiveContext(options), Budget(ratio=ratio)
    together = method.prune(traces, budget, tools_with())
    assert together == method.prune(traces[::-1], budget, tools_with())[::-1]
    for trace, outcome in zip(traces, together, strict=True):
        assert method.prune([trace], budget, tools_with()) == [outcome]
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
        if options.cut == "budget" and options.unit == "token":
            assert n_tokens <= budget.limit(trace.tokens.total)


@given(thinking=texts)
def test_phrases_hold_every_sign_that_is_not_white_space(thinking: str) -> None:
    phrases = [thinking[start:end] for start, end in cut_phrases(thinking)]
    assert all(phrase == phrase.strip() for phrase in phrases)
    assert "".join("".join(phrases).split()) == "".join(thinking.split())
