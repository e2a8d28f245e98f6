"""Limits, pauses and `Retry-After`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.chat import ChatLimits
from asap.chat.limits import LONGEST_WAIT_S, choose_wait_s, find_retry_after_s
from asap.errors import RecipeError

# Fri, 20 Nov 2026 12:00:00 GMT
NOON = 1795176000.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("concurrency", 0),
        ("attempts", 0),
        ("timeout_s", 0.0),
        ("timeout_s", float("inf")),
        ("timeout_s", float("nan")),
        ("max_tokens", 0),
        ("token_limit", -1),
    ],
)
def test_a_limit_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(RecipeError, match=f"{field} is .*: give"):
        ChatLimits(**{field: value})  # type: ignore[arg-type]


def test_no_limit_is_a_limit_too() -> None:
    assert ChatLimits(max_tokens=None, token_limit=None).max_tokens is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("-3", None),
        ("soon", None),
        ("nan", None),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 12:00:30 -0000", 30.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(header: str | None, seconds: float | None) -> None:
    assert find_retry_after_s(header, NOON) == seconds


@given(st.text())
def test_no_retry_after_header_breaks_anything(header: str) -> None:
    seconds = find_retry_after_s(header, NOON)
    assert seconds is None or seconds >= 0


def test_pauses_double_with_jitter_over_the_upper_half() -> None:
    source = random.Random(0)
    for attempt, longest in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0)]:
        waits = [choose_wait_s(attempt, None, source) for _ in range(200)]
        assert longest / 2 <= min(waits) < 0.6 * longest
        assert 0.9 * longest < max(waits) <= longest


@given(
    attempt=st.integers(1, 10_000),
    asked=st.none() | st.floats(0, 1e12),
    seed=st.integers(0, 1000),
)
def test_no_pause_is_longer_than_the_cap_or_shorter_than_asked(
    attempt: int, asked: float | None, seed: int
) -> None:
    wait_s = choose_wait_s(attempt, asked, random.Random(seed))
    assert min(asked or 0.0, LONGEST_WAIT_S) <= wait_s <= LONGEST_WAIT_S


def test_the_seed_decides_the_jitter() -> None:
    first = [choose_wait_s(n, None, random.Random(5)) for n in range(1, 5)]
    assert first == [choose_wait_s(n, None, random.Random(5)) for n in range(1, 5)]
