"""The table without training: how well a score alone tells redundant steps from essential ones.

For each trace the ROC AUC of the score against the labels, then the mean over traces. It is read
before any student is trained, since what a ranking can do in training is bounded by what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from asap.lab.task import LabTrace
from asap.statistics import Interval, paired_bootstrap
from asap.surprisal import ScoreRequest, StepScorer
from asap.trace import TokenCounter, segment_thinking

ScoreName = Literal["first-token surprisal", "mean NLL", "tokens"]

SCORES: Mapping[ScoreName, str] = MappingProxyType(
    {
        "first-token surprisal": "the lower, the more redundant: as the paper drops steps",
        "mean NLL": "the lower, the more redundant: as perplexity drops steps",
        "tokens": "the longer, the more redundant",
    }
)
"""What a step is ranked by, and which end of it is taken to be redundant."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one score tells the labels apart."""

    score: ScoreName
    auc: Interval
    """The chance that a redundant step goes before an essential one of the same trace, ties at
    half: 1 is the oracle's order, 0.5 a random one, below 0.5 the score is the wrong way round.
    Mean over traces, bootstrapped over traces (95 %).
    """
    n_traces: int
    """Traces with steps of both kinds; the others say nothing and are left out."""


def measure_separability(
    traces: Sequence[LabTrace], scorer: StepScorer, counter: TokenCounter
) -> tuple[Separation, ...]:
    """Score every step, and hold the scores against the labels.

    Args:
        traces: of one regime.
        scorer: reads question and whole thinking, as methods that score once do.
        counter: counts the tokens of each step.

    Returns:
        One entry per name of `SCORES`, in that order.

    Raises:
        ValueError: no trace has steps of both kinds.
    """
    aucs: dict[ScoreName, list[float]] = {name: [] for name in SCORES}
    for start in range(0, len(traces), _BATCH):
        for trace, scores in _score(traces[start : start + _BATCH], scorer, counter):
            if len(set(trace.is_redundant)) == 2:
                for name, values in scores.items():
                    aucs[name].append(label_auc(values, trace.is_redundant))
    if not aucs["tokens"]:
        raise ValueError("no trace has both redundant and essential steps")
    return tuple(
        Separation(name, paired_bootstrap(values), len(values)) for name, values in aucs.items()
    )


def label_auc(goes_early: Sequence[float], is_redundant: Sequence[bool]) -> float:
    """The share of pairs of a redundant and an essential step in which the redundant one has the
    higher value; equal values count half.

    Args:
        goes_early: by step, the higher the sooner it is dropped.
        is_redundant: the labels; both kinds occur.
    """
    values = np.asarray(goes_early, dtype=np.float64)
    labels = np.asarray(is_redundant, dtype=bool)
    differences: npt.NDArray[np.float64] = values[labels][:, None] - values[~labels][None, :]
    return float(((differences > 0) + 0.5 * (differences == 0)).mean())


def _score(
    traces: Sequence[LabTrace], scorer: StepScorer, counter: TokenCounter
) -> list[tuple[LabTrace, dict[ScoreName, Sequence[float]]]]:
    steps = [segment_thinking(trace.thinking) for trace in traces]
    requests = [
        ScoreRequest(trace.question, trace.thinking, own)
        for trace, own in zip(traces, steps, strict=True)
    ]
    scored = scorer.score(requests, frozenset({"surprisal", "mean_nll"}))
    texts = [
        trace.thinking[step.start : step.end]
        for trace, own in zip(traces, steps, strict=True)
        for step in own
    ]
    counts = iter(counter.count(texts))
    return [
        (
            trace,
            {
                "first-token surprisal": [-value for value in own.surprisal],
                "mean NLL": [-value for value in own.mean_nll],
                "tokens": [float(next(counts)) for _ in own.surprisal],
            },
        )
        for trace, own in zip(traces, scored, strict=True)
    ]
