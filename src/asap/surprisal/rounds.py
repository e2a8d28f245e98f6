"""Scoring the same text again and again while it shrinks, as `rounds` above 1 asks for.

What stands before the first step that was dropped is unchanged, so a model whose memory is keys and
values alone need not read it again. That saves the more the smaller the rounds' shares are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from asap.surprisal.scorer import ScoreRequest, StepScorer, StepScores

Shrink = Callable[[int, StepScores], ScoreRequest | None]
"""(index of the request, its scores) -> what is left of it and is to be scored next, or None."""


@runtime_checkable
class RoundScorer(Protocol):
    """A scorer that can go on from what it has read of a text before."""

    def score_rounds(self, requests: Sequence[ScoreRequest], shrink: Shrink) -> None:
        """As the function of this name."""
        ...


def score_rounds(
    scorer: StepScorer, requests: Sequence[ScoreRequest], shrink: Shrink, *, rounds: int
) -> None:
    """Score each request's surprisal, then what `shrink` makes of it, until that is None.

    Args:
        scorer: any; one that is a `RoundScorer` does it its own way.
        requests: the whole texts.
        shrink: called with a request's index and its scores, in any order of requests.
        rounds: how often a text is scored at most. If once, there is nothing to go on from, and
            all texts are scored together.
    """
    if rounds > 1 and isinstance(scorer, RoundScorer):
        scorer.score_rounds(requests, shrink)
        return
    waiting = dict(enumerate(requests))
    while waiting:
        scores = scorer.score(list(waiting.values()))
        left = {index: shrink(index, found) for index, found in zip(waiting, scores, strict=True)}
        waiting = {index: request for index, request in left.items() if request is not None}


Advance = Callable[[list[int], Any], tuple[Any, Any]]
"""(ids, cache or None) -> (one row per id that foretells the token after it, the cache)."""
Rate = Callable[[Any, list[int]], list[float]]
"""(rows, the tokens that came) -> NLL of each in nats."""


@dataclass(slots=True)
class ShrinkingText:
    """What has been read of one text up to now."""

    advance: Advance
    rate: Rate
    ids: list[int] = field(default_factory=list)
    cache: Any = None
    known: dict[int, float] = field(default_factory=dict)
    """NLL of the token after a row, by row."""

    def read(self, ids: list[int], rows: Sequence[int], targets: Sequence[int]) -> list[float]:
        """NLL of the tokens after some rows, in nats; nothing is read that was read before.

        Args:
            ids: the text's tokens now.
            rows: which of them to look at, ascending.
            targets: the token after each of those.
        """
        common = 0
        for old, new in zip(self.ids, ids, strict=False):
            if old != new:
                break
            common += 1
        # The last row in common foretells another token now.
        n_kept = max(0, common - 1)
        unknown = [row for row in rows if row >= n_kept or row not in self.known]
        n_kept = min([n_kept, *unknown])
        n_gone = len(self.ids) - n_kept
        if not n_kept:
            self.cache = None
        elif n_gone:
            self.cache.crop(-n_gone)
        foretelling, self.cache = self.advance(ids[n_kept:], self.cache)
        target = dict(zip(rows, targets, strict=True))
        values = self.rate(
            foretelling[[row - n_kept for row in unknown]], [target[row] for row in unknown]
        )
        known = {row: value for row, value in self.known.items() if row < n_kept}
        self.known = known | dict(zip(unknown, values, strict=True))
        self.ids = ids
        return [self.known[row] for row in rows]
