"""What a method did with planted passages: how much of each is gone, and how early each goes.

Ours (the paper has no such measure). It sees a planted trace (`planting`) and what a method left of
it or the order in which it removes steps; it runs no method. Corruptions are never mixed with the
rest: a good method is in no hurry to remove them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from asap.rank.gardener import PlantKind
from asap.rank.kept import KeptText
from asap.rank.planting import Planted
from asap.rank.unique_steps import find_unique_steps
from asap.trace import Trace

Grouping = Literal["all", "kind", "opener", "distance"]

_NEAR_CHARACTERS = 1000
_MIDDLE_CHARACTERS = 8000


@dataclass(frozen=True, slots=True)
class Recall:
    """How much of one trace's planted redundancy is gone, beside what chance would take."""

    removed: float
    """Mean over the redundant plants of the share of each that is gone."""
    expected: float
    """The same of random removal at equal tokens: the share of all tokens that is gone."""

    @property
    def lift(self) -> float | None:
        """How many times as much as chance; at most `1 / expected`. None where nothing is gone."""
        return self.removed / self.expected if self.expected > 0 else None

    @property
    def excess(self) -> float:
        """How much more than chance, as a difference of shares."""
        return self.removed - self.expected


@dataclass(frozen=True, slots=True)
class PlantValue:
    """What became of one plant under one method at one target."""

    row: int
    kind: PlantKind
    opener: str
    distance_characters: int | None
    n_characters: int
    """Of its steps, separators not counted."""
    removed: float | None
    """The share of them that is gone; None: the text is new, nothing can be said."""
    auc: float | None
    """As `rank_auc` has it; None for a method without an order."""

    @property
    def is_redundant(self) -> bool:
        """Whether a good method removes it first."""
        return self.kind != "corruption"

    @property
    def distance(self) -> str:
        """`near` (under 1,000 characters), `middle` (under 8,000), `far`; `none`: no repeat."""
        if self.distance_characters is None:
            return "none"
        if self.distance_characters < _NEAR_CHARACTERS:
            return "near"
        return "middle" if self.distance_characters < _MIDDLE_CHARACTERS else "far"


@dataclass(frozen=True, slots=True)
class PlantMeans:
    """Means over the plants of one group in one trace; None where no plant of it has the value."""

    n_plants: int
    removed: float | None
    auc: float | None


def measure_removal(planted: Planted, kept: KeptText) -> tuple[float, ...] | None:
    """The share of each plant's characters that a method has removed.

    Args:
        planted: a planted trace.
        kept: what a method left of `planted.trace`; whole steps or single words.

    Returns:
        One share per plant, over the characters of its steps; None where the text is new.
    """
    if kept.spans is None:
        return None
    shares = []
    for plant in planted.plants:
        steps = [planted.trace.steps[index] for index in plant.steps]
        n_kept = sum(
            kept.share_kept(step.start, step.end) * (step.end - step.start) for step in steps
        )
        shares.append(1 - n_kept / sum(step.end - step.start for step in steps))
    return tuple(shares)


def measure_recall(planted: Planted, kept: KeptText, share_removed: float) -> Recall | None:
    """Recall of planted redundancy, beside that of random removal at equal tokens.

    Random removal takes every step with one probability, so the share it takes of any plant is, in
    the mean, the share of the tokens it takes of the whole thinking, plants included. Every plant
    counts the same, however long.

    Args:
        planted: a planted trace.
        kept: what a method left of it.
        share_removed: share of the planted thinking's tokens that the method removed, in [0, 1].

    Returns:
        None where the text is new or nothing redundant is planted.
    """
    removal = measure_removal(planted, kept)
    if removal is None:
        return None
    redundant = [
        share for plant, share in zip(planted.plants, removal, strict=True) if plant.is_redundant
    ]
    return Recall(fmean(redundant), share_removed) if redundant else None


def rank_auc(
    plain_order: Sequence[int], planted_order: Sequence[int], planted: Planted, plain: Trace
) -> tuple[float, ...] | None:
    """ROC AUC of a removal order, plant by plant: how surely it goes before a unique step.

    The two orders have no common score, so the place of a step is the number of original steps that
    have gone before it in its own run. A plant before which m of them went stands before the
    unique step that is number m (from 0) in the plain run, and behind number m - 1: no ties. An
    order that takes all plants first has 1.0, a random one 0.5, one that takes them last 0.0.

    Args:
        plain_order: complete removal order of the steps of `plain`, first to go first.
        planted_order: the same method's order of the steps of `planted.trace`.
        planted: what was planted into `plain`.
        plain: the trace before planting, segmented.

    Returns:
        For each plant the share of unique steps (`find_unique_steps`) that go after it, the mean
        over the plant's steps; None where the trace has no unique step. O(n log n).
    """
    place_of = {step: place for place, step in enumerate(plain_order)}
    unique = sorted(place_of[step] for step in find_unique_steps(plain))
    if not unique:
        return None
    n_gone = 0
    n_before: dict[int, int] = {}
    for step in planted_order:
        n_before[step] = n_gone
        n_gone += planted.origins[step] is not None
    return tuple(
        fmean(1 - bisect_left(unique, n_before[step]) / len(unique) for step in plant.steps)
        for plant in planted.plants
    )


def value_plants(
    planted: Planted, removal: Sequence[float] | None, auc: Sequence[float] | None
) -> tuple[PlantValue, ...]:
    """Both measures joined with what they are reported by.

    Args:
        planted: a planted trace.
        removal: as `measure_removal` returns it.
        auc: as `rank_auc` returns it.
    """
    return tuple(
        PlantValue(
            planted.trace.row,
            plant.kind,
            plant.opener,
            plant.distance_characters,
            sum(len(planted.trace.text(step)) for step in plant.steps),
            None if removal is None else removal[index],
            None if auc is None else auc[index],
        )
        for index, plant in enumerate(planted.plants)
    )


def average_plants(values: Iterable[PlantValue], by: Grouping) -> dict[int, dict[str, PlantMeans]]:
    """Means by trace, then by group, so that traces can be averaged and compared in pairs.

    Args:
        values: of any number of traces, under one method at one target.
        by: `kind` has corruptions as a group of their own; `all` (one group, `redundant`),
            `opener` and `distance` leave them out.

    Returns:
        For each row the groups that occur in it.
    """
    groups: dict[int, dict[str, list[PlantValue]]] = defaultdict(lambda: defaultdict(list))
    for value in values:
        if value.is_redundant or by == "kind":
            group = "redundant" if by == "all" else getattr(value, by)
            groups[value.row][group].append(value)
    return {
        row: {group: _average(members) for group, members in by_group.items()}
        for row, by_group in groups.items()
    }


def _average(values: Sequence[PlantValue]) -> PlantMeans:
    removed = [value.removed for value in values if value.removed is not None]
    auc = [value.auc for value in values if value.auc is not None]
    return PlantMeans(len(values), fmean(removed) if removed else None, fmean(auc) if auc else None)
