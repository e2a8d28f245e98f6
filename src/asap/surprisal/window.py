"""Cuts a text that is longer than a model's window into windows, with the question at their heads.

Windows begin every half window; a position takes its value from the first window that contains it,
so that it has at least a quarter of a window of the text before it, and the question, to go by.
Pure arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """One reading of the model: the head, then the tokens `[start, stop)` of the body.

    It answers for the tokens `[fresh, stop)`; those before were answered for by the windows before
    it.
    """

    start: int
    stop: int
    fresh: int


def clip_head(prefix: list[int], context: list[int], n_body: int, window: int) -> list[int]:
    """The tokens at the head of every window.

    Args:
        prefix: what the model wants at the very beginning (a begin-of-text token), or nothing.
        context: the tokens before the thinking.
        n_body: tokens of the thinking.
        window: tokens that the model reads at once.

    Returns:
        Prefix and context; where all does not fit at once, the context's last tokens so that both
        fill at most a quarter of the window.
    """
    if len(prefix) + len(context) + n_body <= window:
        return prefix + context
    room = max(1, window // 4 - len(prefix))
    return prefix + context[-room:]


def cut_windows(n_head: int, n_body: int, window: int) -> list[Window]:
    """The windows over a body of `n_body` tokens; one alone where head and body fit."""
    if n_head + n_body <= window:
        return [Window(0, n_body, 0)]
    windows: list[Window] = []
    start = stop = 0
    while stop < n_body:
        fresh, stop = stop, min(start + window - n_head, n_body)
        windows.append(Window(start, stop, fresh))
        start += window // 2
    return windows
