"""What a pruning method is: the protocol, what it may use, and the options that recipes set.

A method turns traces into outcomes. It makes no backend of its own (a run passes them in), reads
no file and writes none. To add one: a file with a class that has `prune`, and a line in the table
of `prune/__init__.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from asap.chat import Chat
from asap.errors import RecipeError
from asap.surprisal import StepScorer, TokenClassifier
from asap.trace import Budget, Outcome, Render, Segmenter, TokenCounter, Trace

Stage1Mode = Literal["extract", "select", "rewrite", "none"]
Stage2Mode = Literal["first-token", "none"]
Wording = Literal["original", "reply"]
Ties = Literal["later", "earlier"]
OnFailure = Literal["extract", "exclude"]
OnOverBudget = Literal["exclude", "keep"]
Unit = Literal["token", "phrase", "sentence"]
Cut = Literal["budget", "percentile"]
WordProbability = Literal["mean", "first"]
Need = Literal["scorer", "entropies", "chat", "classifier", "labels"]
"""`entropies` are the scorer's; a scorer behind a server has none."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a recipe sets of a method; the names are the recipe's."""

    segment: Segmenter = "block"
    stage1: Stage1Mode = "extract"
    stage2: Stage2Mode = "first-token"
    wording: Wording = "original"
    stage1_ratio: float = 0.5
    stage1_attempts: int = 8
    similarity: float = 0.6
    rounds: int = 1
    render: Render = "original"
    ties: Ties = "later"
    keep_headers: bool = True
    on_stage1_failure: OnFailure = "extract"
    on_step_over_budget: OnOverBudget = "exclude"
    seed: int = 0
    suffix_tokens: int = 512
    unit: Unit = "phrase"
    cut: Cut = "budget"
    preserve_whitespace: bool = True
    force_tokens: tuple[str, ...] = ()
    force_digits: bool = False
    drop_consecutive: bool = False
    word_probability: WordProbability = "mean"
    drawn_ratios: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    delimiter: str = "<|eot_id|>"
    level_tokens: tuple[int, ...] = (512, 2048, 8192)


class StageClock:
    """Seconds per stage, added up over batches and threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of the block to `stage`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                elapsed = time.perf_counter() - started
                self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what another clock has measured, by stage."""
        with self._lock:
            for stage, more in seconds.items():
                self.seconds[stage] = self.seconds.get(stage, 0.0) + more


@dataclass(frozen=True, slots=True)
class Tools:
    """The backends of a run. `counter` counts tokens for the budget; the others are there if the
    method needs them.
    """

    counter: TokenCounter
    scorer: StepScorer | None = None
    chat: Chat | None = None
    classifier: TokenClassifier | None = None
    clock: StageClock = field(default_factory=StageClock)
    labels: Mapping[int, Sequence[bool]] | None = None
    """By row, whether each step is redundant: of made-up traces alone, and for two methods alone.
    """

    def need_scorer(self) -> StepScorer:
        """The scorer.

        Raises:
            RecipeError: the run has none.
        """
        if self.scorer is None:
            raise RecipeError("this method scores steps: name a scorer (--scorer builtin)")
        return self.scorer

    def need_chat(self) -> Chat:
        """The LLM.

        Raises:
            RecipeError: the run has none.
        """
        if self.chat is None:
            raise RecipeError("this method asks an LLM: name one (--llm MODEL --llm-url URL)")
        return self.chat

    def need_classifier(self) -> TokenClassifier:
        """The token classifier.

        Raises:
            RecipeError: the run has none.
        """
        if self.classifier is None:
            raise RecipeError(
                "this method asks a token classifier: name one (--classifier FOLDER or a Hub id)"
            )
        return self.classifier

    def need_labels(self, trace: Trace) -> Sequence[bool]:
        """Whether each step of a trace is redundant.

        Raises:
            RecipeError: the run has no labels, none of this row, or those of other steps.
        """
        if self.labels is None:
            raise RecipeError("labels of redundant steps exist only in the lab: asap lab")
        labels = self.labels.get(trace.row)
        if labels is None or len(labels) != len(trace.steps):
            n_labels = "no" if labels is None else len(labels)
            raise RecipeError(
                f"row {trace.row} has {len(trace.steps)} steps and {n_labels} labels: give one "
                "per step, cut as the recipe's 'segment' says"
            )
        return labels


class Method(Protocol):
    """A pruning method."""

    @property
    def needs(self) -> frozenset[Need]:
        """Which backends it uses; a run opens these and no others."""
        ...

    @property
    def has_budget(self) -> bool:
        """Whether it prunes down to the budget; else it decides by itself how much goes."""
        ...

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Prune a batch.

        Args:
            batch: traces with steps and token counts.
            budget: what each pruned thinking may cost.
            tools: the run's backends.

        Returns:
            One outcome per trace, in order, each independent of the rest of the batch.
        """
        ...
