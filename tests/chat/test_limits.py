"""Limits, pauses and `Retry-After`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.chat import ChatLimits
from asap.chat.limits import LONGEST_WAIT_S, Pace, choose_wait_s, find_retry_after_s
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
        ("requests_per_minute", 0),
        ("tokens_per_minute", 0),
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


def test_units_are_spaced_evenly() -> None:
    pace = Pace(per_minute=30)  # two seconds each
    assert pace.find_wait_s(100.0) == 0.0
    pace.take(1, 100.0)
    assert pace.find_wait_s(100.0) == 2.0
    assert pace.find_wait_s(101.5) == 0.5
    pace.take(3, 101.0)
    assert pace.find_wait_s(101.0) == 7.0


def test_quiet_times_save_nothing_up() -> None:
    pace = Pace(per_minute=60)
    pace.take(1, 0.0)
    pace.take(1, 1000.0)
    assert pace.find_wait_s(1000.0) == 1.0


def test_what_was_taken_too_much_is_given_back() -> None:
    pace = Pace(per_minute=60)
    pace.take(10, 0.0)
    pace.take(-8, 0.0)
    assert pace.find_wait_s(0.0) == 2.0


def test_without_a_limit_there_is_no_wait() -> None:
    pace = Pace(None)
    pace.take(1e9, 0.0)
    assert pace.find_wait_s(0.0) == 0.0


@given(
    st.integers(1, 600),
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60),
)
def test_no_minute_holds_more_than_its_share(per_minute: int, pauses: list[float]) -> None:
    pace, now, taken = Pace(per_minute), 0.0, []
    for pause in pauses:
        now += pause
        now += pace.find_wait_s(now)
        pace.take(1, now)
        taken.append(now)
    for first in taken:
        in_a_minute = [moment for moment in taken if first <= moment < first + 60.0 - 1e-6]
        assert len(in_a_minute) <= per_minute
