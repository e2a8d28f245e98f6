"""What stands in for models in a forecast: it counts what a method would have read, and answers
without a model. Values come from the public fakes; so orders are arbitrary, amounts are not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from asap.plan.shape import Reading
from asap.surprisal import (
    FakeClassifier,
    FakeScorer,
    ScoreRequest,
    Statistic,
    StepScorer,
    StepScores,
    TokenLabels,
    TokenScores,
    clip_head,
    cut_windows,
)
from asap.trace import OPENING, TokenCounter

_OVER_ALL_TOKENS: frozenset[Statistic] = frozenset(
    {"mean_nll", "sum_nll", "first_entropy", "sum_entropy"}
)


class CountingScorer:
    """A `StepScorer` that notes which readings a model would have made.

    Args:
        counter: the scorer's tokenizer.
        window: tokens that the scorer reads at once.
    """

    def __init__(self, counter: TokenCounter, window: int) -> None:
        self._counter = counter
        self._window = window
        self._fake = FakeScorer()
        self.readings: list[Reading] = []
        """All so far."""
        self.context_tokens = 0
        """Of the texts before the thinking so far, as they stand, not as windows repeat them."""

    @property
    def name(self) -> str:
        """That it is none."""
        return "forecast"

    @property
    def statistics(self) -> frozenset[Statistic]:
        """The fake scorer's: all."""
        return self._fake.statistics

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """Note the windows of each text; the output layer sees step starts, or all tokens."""
        for request, n_context, n_body in self._count(requests):
            self.context_tokens += n_context
            n_out = n_body if statistics & _OVER_ALL_TOKENS else len(request.steps)
            self._note(n_context, n_body, n_out)
        return self._fake.score(requests, statistics)

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Note each text alone."""
        for n_tokens in self._counter.count(texts):
            self._note(0, n_tokens, n_tokens)
        return self._fake.score_tokens(texts)

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """Note the text once, and for every step what is read again without it."""
        for request, n_context, n_body in self._count(requests):
            self._note(n_context, n_body, n_body)
            # By characters: close enough for what stands behind a step.
            share = n_body / max(1, len(request.thinking))
            for step in request.steps[:-1]:
                n_after = round((len(request.thinking) - step.end) * share)
                n_past = min(n_context + round(step.start * share), self._window // 2)
                n_new = min(n_after, suffix_tokens or n_after, self._window - n_past)
                if n_new > 0:
                    self.readings.append(Reading(n_past, n_new, n_new))
        return self._fake.score_left_out(requests, suffix_tokens)

    def _count(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[ScoreRequest, int, int]]:
        """Each request with the tokens of its context and of its thinking."""
        contexts = [f"{r.question}\n{OPENING}" if r.question else OPENING for r in requests]
        n_contexts = self._counter.count(contexts)
        n_bodies = self._counter.count([request.thinking for request in requests])
        return zip(requests, n_contexts, n_bodies, strict=True)

    def _note(self, n_context: int, n_body: int, n_out: int) -> None:
        """The windows of one text, the output layer's share with each."""
        n_head = len(clip_head([], [0] * n_context, n_body, self._window))
        for window in cut_windows(n_head, n_body, self._window):
            share = (window.stop - window.fresh) / max(1, n_body)
            n_new = n_head + window.stop - window.start
            self.readings.append(Reading(0, n_new, round(n_out * share)))


class CountingClassifier:
    """A `TokenClassifier` that notes what a model would have read, chunk by chunk.

    Args:
        counter: a tokenizer close to the classifier's.
        window: tokens of a chunk.
    """

    def __init__(self, counter: TokenCounter, window: int) -> None:
        self._counter = counter
        self._window = window
        self._fake = FakeClassifier()
        self.readings: list[Reading] = []
        """All so far."""

    @property
    def name(self) -> str:
        """That it is none."""
        return "forecast"

    def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
        """Note the chunks of each text; an encoder has no output layer worth counting."""
        for n_tokens in self._counter.count(texts):
            for start in range(0, n_tokens, self._window):
                self.readings.append(Reading(0, min(self._window, n_tokens - start), 0))
        return self._fake.classify(texts)


class TimedScorer:
    """A scorer with a clock round it.

    Args:
        scorer: who does the work.
    """

    def __init__(self, scorer: StepScorer) -> None:
        self._scorer = scorer
        self._lock = threading.Lock()
        self.seconds = 0.0
        """In the scorer so far, added up over threads."""

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
        """The scorer's own."""
        with self._time():
            return self._scorer.score(requests, statistics)

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """The scorer's own."""
        with self._time():
            return self._scorer.score_tokens(texts)

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """The scorer's own."""
        with self._time():
            return self._scorer.score_left_out(requests, suffix_tokens)

    @contextmanager
    def _time(self, clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
        started = clock()
        try:
            yield
        finally:
            with self._lock:
                self.seconds += clock() - started
