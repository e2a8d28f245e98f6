"""Decides what is planted into a trace and where: places, sources, openers, passages of each kind.

Ours. It writes nothing into the trace (`planting` does). All chance comes from one generator, and a
trace takes time linear in its length.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal, get_args

from asap.rank.openers import Opener, find_openers, strip_opener
from asap.rank.passages import withdraw_detour, withdraw_slip, write_recap
from asap.rank.rewording import alter_values, capitalise, find_values, reword
from asap.rank.unique_steps import find_prose, find_unique_steps
from asap.trace import Trace

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
SEPARATOR = "\n\n"
_DISTANCES = (0.0, 0.1, 0.4, 1.0)
"""Near, middle and far: how far back a source is looked for, as shares of the thinking."""


@dataclass(frozen=True, slots=True)
class Draft:
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
        """What is put into the thinking: its steps, and a blank line behind each."""
        return SEPARATOR.join(self.texts) + SEPARATOR


class Gardener:
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
        self._makers: dict[PlantKind, Callable[[int], Draft | None]] = {
            "verbatim": self._repeat,
            "near": self._reword,
            "recap": self._recap,
            "digression": self._digress,
            "withdrawn": self._go_wrong,
            "corruption": self._corrupt,
        }

    def draft(self) -> list[Draft]:
        """The plants, in order of place."""
        kinds = list(get_args(PlantKind))
        self._random.shuffle(kinds)
        room = int(MAX_SHARE * len(self._trace.thinking))
        largest = max(_MAX_PLANT_FLOOR, int(_MAX_PLANT_SHARE * len(self._trace.thinking)))
        drafts: list[Draft] = []
        for kind in kinds * MAX_PER_KIND:
            draft = self._try(kind, min(room, largest))
            if draft is not None:
                room -= len(draft.text)
                self._taken.append(draft.place)
                self._claimed.update(draft.claims)
                drafts.append(draft)
        return sorted(drafts, key=lambda draft: draft.place)

    def _try(self, kind: PlantKind, largest: int) -> Draft | None:
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
        """One of the trace's own, as often as it uses it, or none."""
        if not self._openers or self._random.random() < _SHARE_BARE:
            return Opener("")
        opener = self._random.choice(self._openers)
        return Opener("") if opener.family in unfit else opener

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

    def _repeat(self, place: int) -> Draft | None:
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
        return Draft("verbatim", opener, place, tuple(texts), tuple(run), tuple(run))

    def _reword(self, place: int) -> Draft | None:
        for source in self._draw_sources(place):
            new = reword(strip_opener(self._trace.text(source).strip()))
            if new is not None:
                opener = self._draw_opener()
                text = opener.begin(capitalise(new))
                return Draft("near", opener, place, (text,), (source,), (source,))
        return None

    def _recap(self, place: int) -> Draft | None:
        n_sources = self._random.randint(2, _MAX_RUN)
        sources = sorted(set(islice(self._draw_sources(place), n_sources)))
        if len(sources) < 2:
            return None
        recap = write_recap([self._trace.text(source) for source in sources], self._random)
        if recap is None:
            return None
        opener = self._draw_opener(_NOT_BEFORE_RECAPS)
        texts = (opener.begin(recap),)
        return Draft("recap", opener, place, texts, tuple(sources), tuple(sources))

    def _digress(self, place: int) -> Draft | None:
        texts = self._borrow(self._random.randint(1, _MAX_BORROWED))
        if not texts:
            return None
        opener = self._draw_opener()
        return Draft("digression", opener, place, (opener.begin(texts[0]), *texts[1:]))

    def _go_wrong(self, place: int) -> Draft | None:
        """A slip just before the step that says it right, or a detour; each taken back at once."""
        opener = self._draw_opener()
        if self._random.random() < 0.5:
            borrowed = self._borrow(1)
            if borrowed:
                texts = (opener.begin(borrowed[0]), withdraw_detour(self._random))
                return Draft("withdrawn", opener, place, texts)
        if place not in self._is_source or place in self._claimed:
            return None
        altered = alter_values(self._trace.text(place).strip(), self._random)
        if altered is None:
            return None
        texts = (opener.begin(altered[0]), withdraw_slip(altered[1], self._random))
        return Draft("withdrawn", opener, place, texts, (), (place,))

    def _corrupt(self, place: int) -> Draft | None:
        for source in self._draw_sources(place):
            altered = alter_values(self._trace.text(source).strip(), self._random)
            if altered is not None:
                opener = self._draw_opener()
                text = opener.begin(altered[0])
                return Draft("corruption", opener, place, (text,), (source,), (source,))
        return None

    def _draw_sources(self, place: int) -> Iterator[int]:
        for _ in range(_N_SOURCES_TRIED):
            source = self._draw_source(place)
            if source is not None:
                yield source

    def _borrow(self, n_steps: int) -> list[str]:
        """Up to so many consecutive steps of another's trace, none twice, never its first."""
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
    is_part = text.endswith((":", ",")) or text[1:2] in {".", ")"}
    return text[0].isalpha() and not is_part and len(_WORD.findall(text)) >= _MIN_WORDS
