"""The seam between token-level methods and token classifiers: which tokens should stay.

LLMLingua-2 (arXiv 2403.12968, section 4): an encoder labels each token `preserve` or `discard`.
What is made of the probabilities is the method's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TokenLabels:
    """Every token of one text, by the classifier's own tokenizer; no special tokens."""

    starts: tuple[int, ...]
    """Where each token begins, in code points."""
    ends: tuple[int, ...]
    keep: tuple[float, ...]
    """Probability that the token should stay."""
    chunk: tuple[int, ...]
    """Number of the chunk in which the token was read: a long text does not fit at once."""


class TokenClassifier(Protocol):
    """Anything that can tell which tokens of a text should stay."""

    @property
    def name(self) -> str:
        """Model id or folder name with a digest of the weights, as in a run's record."""
        ...

    def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
        """Labels of each text, in order; how they are batched makes no difference beyond
        rounding.
        """
        ...
