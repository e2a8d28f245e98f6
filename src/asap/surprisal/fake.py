"""Public fakes of a scorer and a token counter: deterministic, no model, no dependency.

For tests and dry runs, and for whoever writes a method. A repeated step gets the same score each
time, so that ties can be had on purpose.
"""

from __future__ import annotations

import hashlib
import re
import threading
import zlib
from collections.abc import Callable, Sequence

from asap.surprisal.alignment import find_step_tokens
from asap.surprisal.classifier import TokenLabels
from asap.surprisal.scorer import (
    ALL_STATISTICS,
    ScoreRequest,
    Statistic,
    StepScores,
    TokenScores,
)
from asap.trace import OPENING

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])|\s+\Z")


class FakeCounter:
    """A token is a run of word characters or one other character, with the white space before it.

    Args:
        name: what stands in a run's record.
    """

    def __init__(self, name: str = "fake-counter") -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For each text the code point at which each token begins."""
        return [[match.start() for match in _TOKEN.finditer(text)] for text in texts]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return [len(starts) for starts in self.token_starts(texts)]


class FakeScorer:
    """Scores by the step's text alone, with the tokens of `FakeCounter`.

    Args:
        surprise: from a step's text to its surprisal; by default a digest's value in [0, 10).
        name: what stands in a run's record.
    """

    def __init__(
        self, surprise: Callable[[str], float] | None = None, name: str = "fake-scorer"
    ) -> None:
        self._surprise = surprise or _digest_value
        self._name = name
        self._lock = threading.Lock()
        self.n_calls = 0
        self.n_requests = 0

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    @property
    def statistics(self) -> frozenset[Statistic]:
        """All there are."""
        return ALL_STATISTICS

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """Scores of each request, in order; `n_calls` and `n_requests` count what was asked for."""
        with self._lock:
            self.n_calls += 1
            self.n_requests += len(requests)
        return [self._score(request, statistics) for request in requests]

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Each token by its own text, the white space before it aside."""
        scores = []
        for text in texts:
            matches = list(_TOKEN.finditer(text))
            scores.append(
                TokenScores(
                    starts=tuple(match.start() for match in matches),
                    ends=tuple(match.end() for match in matches),
                    nll=tuple(self._surprise(match.group().strip()) for match in matches),
                )
            )
        return scores

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """By the step's text alone; the last step's is 0."""
        rises = []
        for request in requests:
            texts = [request.thinking[step.start : step.end] for step in request.steps[:-1]]
            rises.append((*(_digest_value("rise" + text) for text in texts), 0.0))
        return rises

    def _score(self, request: ScoreRequest, statistics: frozenset[Statistic]) -> StepScores:
        context = f"{request.question}\n{OPENING}" if request.question else OPENING
        text = context + request.thinking
        matches = list(_TOKEN.finditer(text))
        starts, ends = [match.start() for match in matches], [match.end() for match in matches]
        spans = find_step_tokens(text, len(context), request.steps, starts, ends)
        first_tokens = [matches[span.first].group() for span in spans]
        texts = [request.thinking[step.start : step.end] for step in request.steps]
        means = tuple(_digest_value("mean" + step_text) for step_text in texts)
        entropies = tuple(_digest_value("entropy" + step_text) for step_text in texts)
        lengths = [span.last - span.first for span in spans]
        return StepScores(
            first_token_index=tuple(span.first for span in spans),
            first_token_id=tuple(
                zlib.crc32(token.encode("utf-8", "replace")) & 0xFFFF for token in first_tokens
            ),
            first_token=tuple(first_tokens),
            surprisal=tuple(self._surprise(step_text) for step_text in texts),
            n_tokens=tuple(lengths),
            mean_nll=means if "mean_nll" in statistics else (),
            sum_nll=_times(means, lengths) if "sum_nll" in statistics else (),
            first_entropy=entropies if "first_entropy" in statistics else (),
            sum_entropy=_times(entropies, lengths) if "sum_entropy" in statistics else (),
        )


def _times(values: Sequence[float], lengths: Sequence[int]) -> tuple[float, ...]:
    return tuple(value * length for value, length in zip(values, lengths, strict=True))


def _digest_value(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48 * 10


class FakeClassifier:
    """Tells by a word alone whether it should stay, with the tokens of `FakeCounter`.

    Args:
        keep: from a token's text, without white space, to a probability; by default a digest's
            value in [0, 1).
        name: what stands in a run's record.
    """

    def __init__(
        self, keep: Callable[[str], float] | None = None, name: str = "fake-classifier"
    ) -> None:
        self._keep = keep or (lambda word: _digest_value(word) / 10)
        self._name = name

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
        """Every token of each text."""
        labels = []
        for text in texts:
            matches = list(_TOKEN.finditer(text))
            labels.append(
                TokenLabels(
                    starts=tuple(match.start() for match in matches),
                    ends=tuple(match.end() for match in matches),
                    keep=tuple(self._keep(match.group().strip()) for match in matches),
                    chunk=(0,) * len(matches),
                )
            )
        return labels
