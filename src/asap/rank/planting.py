"""Plants redundant passages with known labels into a trace, so that finding them can be measured.

Ours (the paper has no such measure); `redundancy` does the measuring. Nothing is taken away:
without the planted spans the thinking is what it was, character for character, step for step.
Corruptions, repeats with another value, are planted beside: they are not redundant.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asap.rank.gardener import SEPARATOR, Draft, Gardener, PlantKind
from asap.trace import Segmenter, Step, Trace, segment_thinking


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted passage: whole steps of the planted trace."""

    kind: PlantKind
    opener: str
    """What it begins with, lower case, without punctuation; empty: no opener was put before it."""
    steps: tuple[int, ...]
    """Consecutive step indices of the planted trace."""
    start: int
    end: int
    """Its half-open span in the planted thinking with the separator behind, in code points:
    without the spans of all plants the thinking is the original again.
    """
    sources: tuple[int, ...]
    """Step indices, in the planted trace, of what it repeats; none for what repeats nothing."""
    distance_characters: int | None
    """From the beginning of the first source to its own, in the planted thinking."""
    distance_steps: int | None

    @property
    def is_redundant(self) -> bool:
        """Whether a good method removes it first: not so a repeat with another value."""
        return self.kind != "corruption"


@dataclass(frozen=True, slots=True)
class Planted:
    """A trace with planted passages, segmented, without token counts."""

    trace: Trace
    plants: tuple[Plant, ...]
    """In the order in which they stand; none where the trace is too short for any."""
    origins: tuple[int | None, ...]
    """For each step of the planted trace its index in the original; None where it is planted."""


def plant_redundancy(
    trace: Trace, donors: Sequence[Trace], seed: int, segmenter: Segmenter
) -> Planted:
    """Plant passages of every kind, at most 15 % of the thinking in all, spread over the trace.

    Args:
        trace: a segmented trace.
        donors: segmented traces of the same corpus, where digressions come from; one of the same
            id is never used.
        seed: the result depends on it, on `trace.row` and on the texts, on nothing else.
        segmenter: the one that cut `trace`.

    Returns:
        The planted trace (same row, id, question and answer) and what was planted. Up to three
        plants of each kind; a short trace gets fewer, or none.

    Raises:
        ValueError: the trace was not cut by that segmenter.
    """
    if segment_thinking(trace.thinking, segmenter) != trace.steps:
        raise ValueError(f"row {trace.row} is not segmented by {segmenter}")
    drafts = Gardener(trace, donors, random.Random(f"{seed}:{trace.row}")).draft()
    planted = _build(trace, drafts)
    # A plant that the segmenter joins with its neighbour has not been met; the trace goes without.
    is_whole = segment_thinking(planted.trace.thinking, segmenter) == planted.trace.steps
    return planted if is_whole else _build(trace, [])


def _build(trace: Trace, drafts: Sequence[Draft]) -> Planted:
    """Write the drafts, in order of place, into the thinking, with the steps it should have."""
    pieces: list[str] = []
    spans: list[Step] = []
    origins: list[int | None] = []
    firsts: list[int] = []
    starts: list[int] = []
    position = 0
    offset = 0
    for draft in drafts:
        _append_steps(trace, position, draft.place, offset, spans, origins)
        begin = trace.steps[draft.place].start
        pieces += [trace.thinking[trace.steps[position].start : begin], draft.text]
        firsts.append(len(spans))
        starts.append(begin + offset)
        for text in draft.texts:
            spans.append(Step(begin + offset, begin + offset + len(text)))
            origins.append(None)
            offset += len(text) + len(SEPARATOR)
        position = draft.place
    _append_steps(trace, position, len(trace.steps), offset, spans, origins)
    pieces.append(trace.thinking[trace.steps[position].start :])
    where = {origin: index for index, origin in enumerate(origins) if origin is not None}
    plants = tuple(
        _finish(draft, first, start, tuple(where[source] for source in draft.sources), spans)
        for draft, first, start in zip(drafts, firsts, starts, strict=True)
    )
    planted = replace(trace, thinking="".join(pieces), steps=tuple(spans), tokens=None)
    return Planted(planted, plants, tuple(origins))


def _append_steps(
    trace: Trace,
    first: int,
    stop: int,
    offset: int,
    spans: list[Step],
    origins: list[int | None],
) -> None:
    for index in range(first, stop):
        step = trace.steps[index]
        spans.append(Step(step.start + offset, step.end + offset))
        origins.append(index)


def _finish(
    draft: Draft, first: int, start: int, sources: tuple[int, ...], spans: Sequence[Step]
) -> Plant:
    return Plant(
        draft.kind,
        draft.opener.family,
        tuple(range(first, first + len(draft.texts))),
        start,
        start + len(draft.text),
        sources,
        start - spans[sources[0]].start if sources else None,
        first - sources[0] if sources else None,
    )
