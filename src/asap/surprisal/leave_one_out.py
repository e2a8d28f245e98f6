"""What follows a step, with and without it: the passes behind leave-one-out perplexity.

A window is walked step by step through the model's cache; where a step is left out, a copy of the
cache as it was before the step reads what comes after. So the text before a step is read once for
all steps of a window, whatever the model remembers by (keys and values, convolution states). Token
ids are those of the whole text: nothing is tokenized again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from asap.surprisal.window import cut_windows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Cut:
    """One step to leave out of a reading: tokens `[start, stop)`, then what is looked at, up to
    `end`.
    """

    step_index: int
    start: int
    stop: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One window: head and a part of the body, and the steps that are left out of it."""

    ids: list[int]
    cuts: list[Cut]


def plan_readings(
    head: list[int], body: Sequence[int], firsts: Sequence[int], window: int, suffix_tokens: int
) -> list[Reading]:
    """Choose the window of each step: the first that holds the step and all that is looked at after
    it, else the last that holds the step's beginning.

    Args:
        head: tokens at the beginning of every window.
        body: tokens of the thinking.
        firsts: each step's first token in the body, ascending.
        window: tokens that the model reads at once.
        suffix_tokens: tokens to look at after a step; 0: all.

    Returns:
        Readings with at least one cut. Steps after which nothing can be looked at (the last one,
        and one that fills a window to its end) are in none.
    """
    windows = cut_windows(len(head), len(body), window)
    cuts: list[list[Cut]] = [[] for _ in windows]
    for step_index, (start, stop) in enumerate(zip(firsts, [*firsts[1:], len(body)], strict=True)):
        end = min(len(body), stop + suffix_tokens) if suffix_tokens else len(body)
        holding = [n for n, w in enumerate(windows) if w.start <= start < w.stop]
        whole = [n for n in holding if windows[n].stop >= end]
        chosen = (whole or holding[-1:])[0]
        shift = len(head) - windows[chosen].start
        end = min(end, windows[chosen].stop)
        if stop < end:
            cuts[chosen].append(Cut(step_index, start + shift, stop + shift, end + shift))
    return [
        Reading(head + list(body[w.start : w.start + max(c.end for c in found) - len(head)]), found)
        for w, found in zip(windows, cuts, strict=True)
        if found
    ]


Advance = Callable[[list[int], Any], "tuple[Tensor, Any]"]
"""(ids, cache or None) -> (rows (ids, width) that foretell the token after each, the cache after
them).
"""
Rate = Callable[["Tensor", list[int]], list[float]]
"""(rows, the tokens that came) -> NLL of each in nats."""


def measure_rises(reading: Reading, advance: Advance, rate: Rate) -> dict[int, float]:
    """Summed NLL after each cut without the step, less the sum with it, by step index."""
    state = _State()
    nll: list[float] = []
    without: list[tuple[Cut, float]] = []
    for cut in sorted(reading.cuts, key=lambda cut: cut.start):
        nll += state.read(reading.ids[len(nll) : cut.start], advance, rate)
        branch = _State(copy.deepcopy(state.cache), state.last)
        without.append((cut, sum(branch.read(reading.ids[cut.stop : cut.end], advance, rate))))
    nll += state.read(reading.ids[len(nll) :], advance, rate)
    sums = list(accumulate(nll, initial=0.0))
    return {cut.step_index: total - (sums[cut.end] - sums[cut.stop]) for cut, total in without}


@dataclass(slots=True)
class _State:
    """How far a model has read."""

    cache: Any = None
    last: Tensor | None = field(default=None, repr=False)
    """(1, width): foretells the next token; None before the first."""

    def read(self, ids: list[int], advance: Advance, rate: Rate) -> list[float]:
        """Read on; NLL of each token, 0 for one that nothing stands before."""
        if not ids:
            return []
        rows, self.cache = advance(ids, self.cache)
        if self.last is None:
            values = [0.0, *rate(rows[:-1], ids[1:])] if len(ids) > 1 else [0.0]
        else:
            import torch

            values = rate(torch.cat([self.last, rows[:-1]]), ids)
        self.last = rows[-1:]
        return values
