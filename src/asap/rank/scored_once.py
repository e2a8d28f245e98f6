"""A scorer that reads each text once, however many methods ask about it.

All statistics that it can tell are taken in that one pass. Values live in memory; a comparison is
about hundreds of traces.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import TypeVar

from asap.surprisal import ScoreRequest, Statistic, StepScorer, StepScores, TokenScores

_K = TypeVar("_K", bound=Hashable)


class ScoredOnce:
    """A `StepScorer` that remembers.

    Args:
        scorer: the one that reads.
    """

    def __init__(self, scorer: StepScorer) -> None:
        self._scorer = scorer
        self._scores: dict[ScoreRequest, StepScores] = {}
        self._tokens: dict[str, TokenScores] = {}
        self._rises: dict[tuple[ScoreRequest, int], tuple[float, ...]] = {}

    @property
    def name(self) -> str:
        """The scorer's."""
        return self._scorer.name

    @property
    def statistics(self) -> frozenset[Statistic]:
        """The scorer's."""
        return self._scorer.statistics

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """Scores of each request; with all that the scorer can tell, whichever are asked for."""
        if new := _missing(requests, self._scores):
            self._scores |= zip(new, self._scorer.score(new, self._scorer.statistics), strict=True)
        return [self._scores[request] for request in requests]

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Each text by itself."""
        if new := _missing(texts, self._tokens):
            self._tokens |= zip(new, self._scorer.score_tokens(new), strict=True)
        return [self._tokens[text] for text in texts]

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """What leaving out each step does to what follows."""
        keys = [(request, suffix_tokens) for request in requests]
        if new := _missing(keys, self._rises):
            rises = self._scorer.score_left_out([request for request, _ in new], suffix_tokens)
            self._rises |= zip(new, rises, strict=True)
        return [self._rises[key] for key in keys]


def _missing(keys: Sequence[_K], known: Container[_K]) -> list[_K]:
    """Those not known yet, each once."""
    return [key for key in dict.fromkeys(keys) if key not in known]
