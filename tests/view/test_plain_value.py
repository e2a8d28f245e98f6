"""Settings as a person would write them."""

from __future__ import annotations

from typing import Any

import pytest

from asap.view.plain_value import say_text, say_value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "yes"),
        (None, "none"),
        (1024, "1024"),
        (24_000, "24,000"),
        (8.0, "8"),
        (0.35, "0.35"),
        (5e-05, "0.00005"),
        (1e-12, "1e-12"),
        (float("inf"), "inf"),
        ([64, 96], "64, 96"),
        ([], "none"),
        ([[8.0, 0.5], [4.0, 0.2]], "8, 0.5; 4, 0.2"),
        ({"own_rate": [2, 5], "by": {"a": None}}, "own rate 2, 5; by a none"),
        ([{"accuracy": 0.925, "n": 400}], "accuracy 0.925; n 400"),
        ("bf16", "bf16"),
        ("a\u202eb", "a<U+202E>b"),
    ],
    ids=range(16),
)
def test_values(value: Any, said: str) -> None:
    assert say_value(value) == said


def test_a_seed_is_no_amount() -> None:
    assert say_value(20261121, "base.seed") == "20261121"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Difficulty(lines=(2, 5), operators=('+', '-'), functions=())", None),
        ("Rates(aside=__import__('os').getcwd())", "as it is"),
        ("Rates(8, aside=2)", "as it is"),
        ("Problem(x=1) and so on (y=2)", "as it is"),
        ("Sum(x=", "as it is"),
    ],
    ids=range(5),
)
def test_dials_as_python_shows_them(text: str, said: str | None) -> None:
    expected = text if said else "lines 2, 5; operators +, -; functions none"
    assert say_text(text) == expected
