"""Windows: by hand, and that every position is answered for exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asap.surprisal.window import Window, clip_head, cut_windows


def test_what_fits_is_one_window() -> None:
    assert cut_windows(6, 10, 16) == [Window(0, 10, 0)]
    assert clip_head([0], [1, 2, 3, 4, 5], 10, 16) == [0, 1, 2, 3, 4, 5]


def test_by_hand() -> None:
    # a window of 16 with 4 at the head holds 12 of the body and moves on by 8
    assert cut_windows(4, 30, 16) == [
        Window(0, 12, 0),
        Window(8, 20, 12),
        Window(16, 28, 20),
        Window(24, 30, 28),
    ]


def test_a_long_context_is_clipped_to_its_end_and_keeps_the_begin() -> None:
    # a quarter of 16 is 4: the begin and the last three
    assert clip_head([0], [1, 2, 3, 4, 5, 6], 10, 16) == [0, 4, 5, 6]
    assert clip_head([], [1, 2, 3, 4, 5, 6], 11, 16) == [3, 4, 5, 6]


@given(st.integers(16, 200), st.integers(0, 400), st.integers(1, 2000), st.booleans())
def test_each_position_comes_from_the_first_window_that_contains_it(
    size: int, n_context: int, n_body: int, has_bos: bool
) -> None:
    head = clip_head([0] * has_bos, list(range(n_context)), n_body, size)
    windows = cut_windows(len(head), n_body, size)
    answered = [position for window in windows for position in range(window.fresh, window.stop)]
    assert answered == list(range(n_body))
    for index, window in enumerate(windows):
        assert len(head) + window.stop - window.start <= size
        assert index == 0 or window.start == index * (size // 2)
        assert index == 0 or window.fresh - window.start >= size // 4 - 1
