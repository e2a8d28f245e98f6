"""Other words with the same values, and the same words with another value."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.rank.rewording import alter_values, find_values, reword


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Turned round, then need to -> have to, compute -> calculate, each -> every,
        # element -> item, and `Because` (capital kept) -> Since.
        (
            "We need to compute the sum because each element counts 3 times.",
            "Since every item counts 3 times, we have to calculate the sum.",
        ),
        # `If A, B.` becomes `B if A.`; returns -> gives back.
        (
            "If the list is empty, it returns None at once.",
            "It gives back None at once if the list is empty.",
        ),
        # The article goes with the new word: an approach, a strategy.
        (
            "Maybe this is an approach for 4, but it's not correct.",
            "Perhaps this is a strategy for 4, yet it is not right.",
        ),
        # Quoted text, calls and attributes stay: 'each', find(x), s.find and each[0].
        (
            "So the value 'each' comes from find(x), s.find and each[0], which means 2 is correct.",
            "That means the value 'each' comes from find(x), s.find and each[0], meaning that 2 is "
            "right.",
        ),
    ],
)
def test_a_step_is_said_in_other_words(text: str, expected: str) -> None:
    assert reword(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Index 1 holds 4 and index 2 holds 9.",  # nothing in the table
        # One new word (element) of thirteen: too little to be called other words.
        "Position 3 of the red row in this big table has the element 12.",
    ],
)
def test_what_cannot_be_reworded_clearly_is_refused(text: str) -> None:
    assert reword(text) is None


def test_values_are_numbers_quoted_text_and_names() -> None:
    text = "So dp[i] is 12, 'ab c' goes to max_len and isinstance(x) of a list."
    expected = ["dp", "12", "'ab c'", "max_len", "isinstance", "x"]
    # `i` is a word in English as often as a name; it is not counted.
    assert sorted(find_values(text).elements()) == sorted(expected)


_PIECES = [
    "because",
    "each",
    "x_1",
    "If",
    "we need to",
    "12",
    "'a b'",
    "an",
    "approach",
    "f(x)",
    ",",
]
_PIECES += ["Maybe", "element", ".", "So the", "arr[i]", "is not", "n", "list", "3.5", "A", "[1,2]"]


@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=25))
def test_values_survive_rewording(pieces: list[str]) -> None:
    text = " ".join(pieces)
    new = reword(text)
    assert new is None or (new != text and find_values(new) == find_values(text))


@pytest.mark.parametrize("seed", range(5))
def test_one_number_is_another_wherever_it_stands(seed: int) -> None:
    # `x1`, `7-based` and `2^5` hold no number that may change; 3 is the only one left.
    text = "With 3 rows, x1 is 7-based and 2^5 big, so 3 is it."
    altered = alter_values(text, random.Random(seed))
    assert altered is not None
    new, value = altered
    assert int(value) != 3
    assert new == text.replace("3 rows", f"{value} rows").replace("so 3", f"so {value}")


def test_a_word_is_turned_round_where_there_is_no_number() -> None:
    altered = alter_values("Even lengths are fine.", random.Random(0))
    assert altered == ("Odd lengths are fine.", "'Odd'")


def test_what_has_no_value_has_no_other() -> None:
    assert alter_values("This is what was asked for.", random.Random(0)) is None
