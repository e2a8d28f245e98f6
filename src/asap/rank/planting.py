"""Plants redundant passages with known labels into a trace, so that finding them can be measured.

Ours (the paper has no such measure); `redundancy` does the measuring. Nothing is taken away:
without the planted spans the thinking is what it was, character for character, step for step.
Corruptions, repeats with another value, are planted beside: they are not redundant.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Literal, get_args

from asap.rank.openers import Opener, find_openers, strip_opener
from asap.rank.passages import withdraw_detour, withdraw_slip, write_recap
from asap.rank.rewording import alter_values, capitalise, find_values, reword
from asap.rank.unique_steps import find_prose, find_unique_steps
from asap.trace import Segmenter, Step, Trace, segment_thinking

PlantKind = Literal["verbatim", "near", "recap", "digression", "withdrawn", "corruption"]

MAX_SHARE = 0.15
"""Of the thinking's characters, for all plants of a trace together."""
MAX_PER_KIND = 3
_MAX_PLANT_SHARE = 0.03
_MAX_PLANT_FLOOR = 400
"""One plant takes at most 3 % of the thinking, or 400 characters where that is more."""
_MAX_RUN = 4
_N_PLACES_TRIED = 8
_N_SOURCES_TRIED = 12
_MAX_BORROWED = 3
_MIN_GAP = 2
"""Steps from a source to what repeats it: at least one other stands between."""
_NOT_BEFORE_RECAPS = frozenset(("alternatively", "similarly", "yes", "ah", "but"))
_SHARE_BARE = 0.2
_WORD = re.compile(r"\b[^\W\d_]{2,}\b")
_MIN_WORDS = 3
_SEPARATOR = "\n\n"
_DISTANCES = (0.0, 0.1, 0.4, 1.0)
"""Near, middle and far: how far back a source is looked for, as shares of the thinking."""


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


@dataclass(frozen=True, slots=True)
class _Draft:
    """A plant before it has a place in a text: it will stand before the original step `place`."""

    kind: PlantKind
    opener: Opener
    place: int
    texts: tuple[str, ...]
    sources: tuple[int, ...] = ()
    claims: tuple[int, ...] = ()
    """Steps that no other plant may use."""

    @property
    def text(self) -> str:
        return _SEPARATOR.join(self.texts) + _SEPARATOR


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
    drafts = _Gardener(trace, donors, random.Random(f"{seed}:{trace.row}")).draft()
    while True:
        planted, spans = _build(trace, drafts)
        cut = segment_thinking(planted.trace.thinking, segmenter)
        if cut == spans:
            return planted
        if not drafts:
            raise ValueError(f"row {trace.row} is not segmented by {segmenter}")
        # The segmenter would join a plant with its neighbour: that one is not planted.
        pairs = zip(cut, spans, strict=False)
        differing = next((index for index, (a, b) in enumerate(pairs) if a != b), len(spans) - 1)
        starts = [plant.steps[0] for plant in planted.plants]
        guilty = max(0, bisect_right(starts, differing + 1) - 1)
        drafts = [*drafts[:guilty], *drafts[guilty + 1 :]]


def _build(trace: Trace, drafts: Sequence[_Draft]) -> tuple[Planted, tuple[Step, ...]]:
    """Write the drafts, in order of place, into the thinking; and say what its steps should be."""
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
            offset += len(text) + len(_SEPARATOR)
        position = draft.place
    _append_steps(trace, position, len(trace.steps), offset, spans, origins)
    pieces.append(trace.thinking[trace.steps[position].start :] if trace.steps else "")
    where = {origin: index for index, origin in enumerate(origins) if origin is not None}
    plants = tuple(
        _finish(draft, first, start, tuple(where[source] for source in draft.sources), spans)
        for draft, first, start in zip(drafts, firsts, starts, strict=True)
    )
    steps = tuple(spans)
    planted = replace(trace, thinking="".join(pieces), steps=steps, tokens=None)
    return Planted(planted, plants, tuple(origins)), steps


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
    draft: _Draft, first: int, start: int, sources: tuple[int, ...], spans: Sequence[Step]
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


class _Gardener:
    """Decides what is planted where."""

    def __init__(self, trace: Trace, donors: Sequence[Trace], source: random.Random) -> None:
        self._trace = trace
        self._donors = [donor for donor in donors if donor.id != trace.id]
        self._random = source
        self._prose = find_prose(trace)
        self._sources = [
            step for step in find_unique_steps(trace) if _reads_alone(trace.text(step))
        ]
        self._is_source = frozenset(self._sources)
        self._openers = find_openers(trace)
        self._places = [place for place in range(1, len(trace.steps)) if self._is_place(place)]
        self._starts = [step.start for step in trace.steps]
        self._taken = [0, len(trace.steps)]
        self._claimed: set[int] = set()
        self._borrowed: set[tuple[int, int]] = set()
        self._makers: dict[PlantKind, Callable[[int], _Draft | None]] = {
            "verbatim": self._repeat,
            "near": self._reword,
            "recap": self._recap,
            "digression": self._digress,
            "withdrawn": self._go_wrong,
            "corruption": self._corrupt,
        }

    def draft(self) -> list[_Draft]:
        """The plants, in order of place."""
        kinds = list(get_args(PlantKind))
        self._random.shuffle(kinds)
        room = int(MAX_SHARE * len(self._trace.thinking))
        largest = max(_MAX_PLANT_FLOOR, int(_MAX_PLANT_SHARE * len(self._trace.thinking)))
        drafts: list[_Draft] = []
        for kind in kinds * MAX_PER_KIND:
            draft = self._try(kind, min(room, largest))
            if draft is not None:
                room -= len(draft.text)
                self._taken.append(draft.place)
                self._claimed.update(draft.claims)
                drafts.append(draft)
        return sorted(drafts, key=lambda draft: draft.place)

    def _try(self, kind: PlantKind, largest: int) -> _Draft | None:
        """A plant at the first of some free places where one of the kind can be made."""
        for place in self._draw_places():
            draft = self._makers[kind](place)
            if draft is not None and len(draft.text) <= largest:
                return draft
        return None

    def _draw_places(self) -> list[int]:
        """Some free places, the one farthest from all other plants first: so they spread."""
        if not self._places:
            return []
        drawn = [self._random.choice(self._places) for _ in range(_N_PLACES_TRIED)]
        gaps = {place: min(abs(place - at) for at in self._taken) for place in drawn}
        return sorted((place for place in gaps if gaps[place] > 1), key=lambda place: -gaps[place])

    def _is_place(self, place: int) -> bool:
        """Whether a passage may stand before this step without tearing apart what belongs together:
        a program, a list, a header and what it heads.
        """
        return (
            self._trace.separator(place - 1).count("\n") > 1
            and not self._trace.text(place - 1).rstrip().endswith((":", ","))
            and self._prose[place]
            and self._trace.text(place)[0].isupper()
        )

    def _draw_opener(self, unfit: frozenset[str] = frozenset()) -> Opener:
        opener = self._random.choice(self._openers)
        is_bare = self._random.random() < _SHARE_BARE or opener.family in unfit
        return Opener("") if is_bare else opener

    def _draw_source(self, place: int) -> int | None:
        """A step before the place that no plant uses, near, at middle distance or far."""
        here = self._starts[max(0, place - _MIN_GAP)] + 1
        length = len(self._trace.thinking)
        bands = list(pairwise(_DISTANCES))
        self._random.shuffle(bands)
        for nearest, farthest in bands:
            low = bisect_left(self._sources, here - farthest * length, key=self._starts.__getitem__)
            high = bisect_left(self._sources, here - nearest * length, key=self._starts.__getitem__)
            if low < high:
                source = self._sources[self._random.randrange(low, high)]
                if source not in self._claimed:
                    return source
        return None

    def _repeat(self, place: int) -> _Draft | None:
        first = self._draw_source(place)
        if first is None:
            return None
        run = [first]
        for step in range(first + 1, min(place - 1, first + self._random.randint(1, _MAX_RUN))):
            if step in self._claimed or step not in self._is_source:
                break
            run.append(step)
        opener = self._draw_opener()
        texts = [self._trace.text(step).strip() for step in run]
        texts[0] = opener.begin(texts[0])
        return _Draft("verbatim", opener, place, tuple(texts), tuple(run), tuple(run))

    def _reword(self, place: int) -> _Draft | None:
        for source in self._draw_sources(place):
            new = reword(strip_opener(self._trace.text(source).strip()))
            if new is not None:
                opener = self._draw_opener()
                text = opener.begin(capitalise(new))
                return _Draft("near", opener, place, (text,), (source,), (source,))
        return None

    def _recap(self, place: int) -> _Draft | None:
        n_sources = self._random.randint(2, _MAX_RUN)
        sources = sorted(set(islice(self._draw_sources(place), n_sources)))
        if len(sources) < 2:
            return None
        recap = write_recap([self._trace.text(source) for source in sources], self._random)
        if recap is None:
            return None
        opener = self._draw_opener(_NOT_BEFORE_RECAPS)
        texts = (opener.begin(recap),)
        return _Draft("recap", opener, place, texts, tuple(sources), tuple(sources))

    def _digress(self, place: int) -> _Draft | None:
        texts = self._borrow(self._random.randint(1, _MAX_BORROWED))
        if not texts:
            return None
        opener = self._draw_opener()
        return _Draft("digression", opener, place, (opener.begin(texts[0]), *texts[1:]))

    def _go_wrong(self, place: int) -> _Draft | None:
        """A slip just before the step that says it right, or a detour; each taken back at once."""
        opener = self._draw_opener()
        if self._random.random() < 0.5:
            borrowed = self._borrow(1)
            if borrowed:
                texts = (opener.begin(borrowed[0]), withdraw_detour(self._random))
                return _Draft("withdrawn", opener, place, texts)
        if place not in self._is_source or place in self._claimed:
            return None
        altered = alter_values(self._trace.text(place).strip(), self._random)
        if altered is None:
            return None
        texts = (opener.begin(altered[0]), withdraw_slip(altered[1], self._random))
        return _Draft("withdrawn", opener, place, texts, (), (place,))

    def _corrupt(self, place: int) -> _Draft | None:
        for source in self._draw_sources(place):
            altered = alter_values(self._trace.text(source).strip(), self._random)
            if altered is not None:
                opener = self._draw_opener()
                text = opener.begin(altered[0])
                return _Draft("corruption", opener, place, (text,), (source,), (source,))
        return None

    def _draw_sources(self, place: int) -> Iterator[int]:
        for _ in range(_N_SOURCES_TRIED):
            source = self._draw_source(place)
            if source is not None:
                yield source

    def _borrow(self, n_steps: int) -> list[str]:
        """Up to so many consecutive steps of another problem's trace, none twice, never the first."""
        if not self._donors:
            return []
        donor = self._random.choice(self._donors)
        unique = [step for step in find_unique_steps(donor) if step > 0]
        if not unique:
            return []
        at = self._random.randrange(len(unique))
        run: list[str] = []
        for position, step in enumerate(unique[at : at + n_steps]):
            text = donor.text(step).strip()
            # Without a value it might be as true of this problem as of its own.
            is_fit = _reads_alone(text) and bool(find_values(text))
            if step != unique[at] + position or not is_fit or (donor.row, step) in self._borrowed:
                break
            self._borrowed.add((donor.row, step))
            run.append(text)
        return run


def _reads_alone(text: str) -> bool:
    """Whether a step is a passage of its own: no list item, no header, no mere data."""
    text = text.strip()
    is_open = text.endswith((":", ","))
    return text[0].isalpha() and not is_open and len(_WORD.findall(text)) >= _MIN_WORDS
