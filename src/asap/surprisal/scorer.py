"""The seam between methods and models: what a scorer is asked and what it answers.

Section 3.3 of the paper: the surprisal of a step is that of its first token, given everything
before it (Eq. 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from asap.trace import Step

Statistic = Literal["surprisal", "mean_nll", "sum_nll", "first_entropy", "sum_entropy"]
ALL_STATISTICS: frozenset[Statistic] = frozenset(get_args(Statistic))
"""Everything that a scorer can be asked about a step."""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One text to score: a question (may be empty) and a thinking with its steps' spans."""

    question: str
    thinking: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class StepScores:
    """One value per step of the request; those not asked for are empty. Natural logarithms."""

    first_token_index: tuple[int, ...]
    """Index of the step's first token in the tokenized context + thinking (begin of text counts).
    """
    first_token_id: tuple[int, ...]
    first_token: tuple[str, ...]
    """The first token as text."""
    surprisal: tuple[float, ...]
    """-log p(first token | everything before it), in nats."""
    n_tokens: tuple[int, ...] = ()
    """Tokens of each step, the separator's aside: what a mean is taken over."""
    mean_nll: tuple[float, ...] = ()
    sum_nll: tuple[float, ...] = ()
    first_entropy: tuple[float, ...] = ()
    sum_entropy: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Every token of one text."""

    starts: tuple[int, ...]
    """Where each token begins, in code points."""
    ends: tuple[int, ...]
    nll: tuple[float, ...]
    """-log p(token | the tokens before it in this text), in nats. `nan` for the very first token
    where the model has no begin-of-text token to read before it.
    """


class StepScorer(Protocol):
    """Anything that can tell how surprising each step's first token is."""

    @property
    def name(self) -> str:
        """Model id or folder name, digest of the weights and number type, as in a run's record."""
        ...

    @property
    def statistics(self) -> frozenset[Statistic]:
        """What it can tell of a step: a server tells no entropies."""
        ...

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """Scores of each request, in order; how they are batched makes no difference beyond
        rounding.

        Raises:
            ModelError: one of the statistics is not among those that this scorer can tell.
        """
        ...

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Each text alone, without question or tag before it, token by token.

        A text longer than the model reads goes by windows, as a thinking does.
        """
        ...

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """How much dearer what follows becomes when a step is left out.

        Args:
            requests: as for `score`.
            suffix_tokens: tokens after the step that are looked at, at most; 0: all of them, as far
                as the model's window reaches.

        Returns:
            Per request one value per step, in nats: the summed NLL of those tokens without the step
            less the sum with it. 0 for the last step.
        """
        ...
