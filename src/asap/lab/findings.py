"""What an experiment leaves for its report, as plain values: one record per trained student, what
each arm's data was, what was measured without training, and how the base came about.

Nothing is worked out here; `measure` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from asap.bench import Graded
from asap.statistics import Interval

ProtocolName = Literal["matched", "paper"]
"""`matched`: equal tokens per trace in every arm; `paper`: each method as the paper runs it."""

FIRST_TOKEN_SCORE = "first-token surprisal"
"""The score whose AUC the accuracies are read against; as a `ScoreAuc` names it."""


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """What training one student took."""

    n_rows: int
    n_steps: int
    tokens_per_sample: float
    """Mean tokens of the full training sequence: prompt, thinking, answer."""
    seconds_per_step: float
    seconds: float
    peak_memory_mib: float | None
    """None where it was not measured."""


@dataclass(frozen=True, slots=True)
class StudentRun:
    """A student and its graded completions under the cap."""

    regime: str
    protocol: ProtocolName | None
    """None: the arm is the same under both (the base untrained, the original traces)."""
    student: str
    """The architecture."""
    arm: str
    seed: int
    graded: tuple[Graded, ...]
    """One greedy completion per problem; cut off counts as wrong."""
    seconds_generating: float
    training: TrainingFigures | None
    """None for the base as it is."""


@dataclass(frozen=True, slots=True)
class ArmData:
    """What an arm trains on."""

    regime: str
    protocol: ProtocolName | None
    arm: str
    n_rows: int
    tokens_before: float
    """Mean tokens of the thinking per row, before pruning."""
    tokens_after: float
    redundant_removed: float | None
    """Share of the tokens of redundant steps that is gone; None where it cannot be said."""
    essential_removed: float | None
    """The same of essential steps."""


@dataclass(frozen=True, slots=True)
class ScoreAuc:
    """How well a score tells redundant steps from essential ones; no training in it."""

    regime: str
    score: str
    auc: Interval
    """1: the score has every redundant step go before every essential one; 0.5: chance."""
    n_traces: int


@dataclass(frozen=True, slots=True)
class GateTrial:
    """One setting of the difficulty that was tried for the base."""

    setting: str
    accuracy: float
    """Greedy, on validation, in [0, 1]."""
    n_problems: int


@dataclass(frozen=True, slots=True)
class GatedBase:
    """A base and how it came through the gate."""

    regime: str
    student: str
    accuracy: Interval
    """Greedy, on validation, in [0, 1]."""
    truncation: float
    """Share of the validation completions that were cut off."""
    n_problems: int
    trials: tuple[GateTrial, ...]
    """Every setting tried, the last one taken."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a report is made of."""

    size: str
    command: str
    """How to run it again."""
    settings: Mapping[str, str]
    """What was fixed before any arm ran, by name."""
    budgets: tuple[int, ...]
    """In tokens, ascending; the last is the cap that the students wrote under."""
    runs: tuple[StudentRun, ...]
    data: tuple[ArmData, ...]
    separability: tuple[ScoreAuc, ...]
    bases: tuple[GatedBase, ...]
