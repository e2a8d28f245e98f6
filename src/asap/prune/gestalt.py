"""Compares an LLM's pruned thinking with the original, step by step (the paper's Algorithm 1).

Validity is the paper's: every reply step has a strictly later original step with Ratcliff/Obershelp
similarity of at least the threshold, taking the earliest each time. Attribution is ours: which
original step a reply step *is*. The earliest look-alike is often another step ("Second example:"
for "Third example:"), so it is the monotone alignment with the highest summed similarity, in which
texts that are unique on both sides are fixed points. Knows no LLM and no trace: two lists of texts
in, one verdict out.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cydifflib import SequenceMatcher
from numpy.typing import NDArray

_PLAUSIBLE = 16
"""Inexact partners compared per reply step in the alignment: those that share its rare words."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class GestaltMatch:
    """What the comparison found, one entry per reply step."""

    is_valid: bool
    """Whether every reply step has a partner, in order."""
    first_unmatched: int | None
    """The first reply step without one."""
    attribution: tuple[int | None, ...]
    """The original step that each reply step is, strictly ascending; of an invalid reply, the
    earliest partners up to the first step that has none, and None from there on."""
    ratios: tuple[float, ...]
    """Similarity to that original step, 0 where there is none."""


def match_steps(original: Sequence[str], reply: Sequence[str], similarity: float) -> GestaltMatch:
    """Match the steps of a reply with those of the original.

    Args:
        original: texts of the original steps.
        reply: texts of the reply's steps, cut by the same segmenter.
        similarity: threshold in (0, 1]; the paper's is 0.6.

    Returns:
        Validity by the greedy rule; attribution by the best alignment. Every valid reply gets a
        complete one: fixed points are taken only where the rest still fits round them, and the
        greedy partners are always candidates.
    """
    compare = _Comparison(original, reply, similarity)
    earliest = _find_earliest(compare)
    if len(earliest) < len(reply):
        n_missing = len(reply) - len(earliest)
        ratios = [compare(i, j) for j, i in enumerate(earliest)]
        attribution = (*earliest, *[None] * n_missing)
        return GestaltMatch(False, len(earliest), attribution, (*ratios, *[0.0] * n_missing))
    partners = _align(compare, earliest)
    ratios = [compare(i, j) for j, i in enumerate(partners)]
    return GestaltMatch(True, None, tuple(partners), tuple(ratios))


class _Comparison:
    """Similarity of original step `i` and reply step `j`, 0 below the threshold; remembered."""

    def __init__(self, original: Sequence[str], reply: Sequence[str], similarity: float) -> None:
        self.original = original
        self.reply = reply
        self.similarity = similarity
        self._known: dict[tuple[int, int], float] = {}
        # The ratio is not symmetric: the paper's first text is the original. autojunk would take
        # frequent letters of texts from 200 characters on for junk.
        self._matcher = SequenceMatcher(None, "", "", autojunk=False)
        self._loaded: int | None = None

    def __call__(self, i: int, j: int) -> float:
        a, b = self.original[i], self.reply[j]
        if a == b:
            return 1.0
        if 2.0 * min(len(a), len(b)) / (len(a) + len(b)) < self.similarity:
            return 0.0
        if (i, j) not in self._known:
            self._known[i, j] = self._compare(a, j)
        return self._known[i, j]

    def _compare(self, a: str, j: int) -> float:
        if self._loaded != j:
            self._matcher.set_seq2(self.reply[j])
            self._loaded = j
        self._matcher.set_seq1(a)
        if self._matcher.quick_ratio() < self.similarity:
            return 0.0
        ratio = float(self._matcher.ratio())
        return ratio if ratio >= self.similarity else 0.0


def _find_earliest(compare: _Comparison) -> list[int]:
    """The greedy partners, up to the first reply step that has none."""
    partners: list[int] = []
    i = 0
    for j in range(len(compare.reply)):
        while i < len(compare.original) and not compare(i, j):
            i += 1
        if i == len(compare.original):
            break
        partners.append(i)
        i += 1
    return partners


def _find_latest(compare: _Comparison) -> list[int]:
    """The same from the end, for a valid reply: the last partner that leaves the rest one."""
    partners = [0] * len(compare.reply)
    i = len(compare.original) - 1
    for j in range(len(compare.reply) - 1, -1, -1):
        while not compare(i, j):
            i -= 1
        partners[j] = i
        i -= 1
    return partners


def _align(compare: _Comparison, earliest: Sequence[int]) -> list[int]:
    """Partners of all reply steps: fixed points, and dynamic programming between them."""
    latest = _find_latest(compare)
    fixed = _fix_unique(compare, earliest, latest)
    floor = _fill_earliest(compare, fixed)
    words = _Words(compare.original)
    partners = list(floor)
    for first, last, end in _gaps(fixed, len(compare.reply), len(compare.original)):
        options = []
        for j in range(first, last):
            ceiling = min(latest[j], end - (last - j))
            candidates = {floor[j], *words.find_plausible(compare, j, floor[j], ceiling)}
            options.append([(i, compare(i, j)) for i in sorted(candidates)])
        partners[first:last] = _best_chain(options)
    return partners


def _fix_unique(
    compare: _Comparison, earliest: Sequence[int], latest: Sequence[int]
) -> dict[int, int]:
    """The fixed points, original step by reply step.

    Of the exact matches only those whose text is unique on both sides are beyond doubt; of a text
    that comes again, the alignment round it has to say which one is meant. Kept are the longest
    chain of them that ascends, and of that, from the left, what leaves partners for every step
    before (`position`) and after it (`latest`).
    """
    originals = _unique(compare.original)
    pairs = [
        (j, originals[text]) for text, j in _unique(compare.reply).items() if text in originals
    ]
    pairs = [(j, i) for j, i in sorted(pairs) if earliest[j] <= i <= latest[j]]
    chain = _longest_ascending(pairs)
    fixed: dict[int, int] = {}
    position = -1
    for j in range(len(compare.reply)):
        if chain.get(j, -1) > position:
            position = fixed[j] = chain[j]
        else:
            position = _next_match(compare, position, j)
    return fixed


def _fill_earliest(compare: _Comparison, fixed: Mapping[int, int]) -> list[int]:
    """The greedy partners round the fixed points."""
    partners: list[int] = []
    position = -1
    for j in range(len(compare.reply)):
        position = fixed[j] if j in fixed else _next_match(compare, position, j)
        partners.append(position)
    return partners


def _next_match(compare: _Comparison, position: int, j: int) -> int:
    """The first partner after `position`; the caller knows that there is one."""
    position += 1
    while not compare(position, j):
        position += 1
    return position


def _unique(texts: Sequence[str]) -> dict[str, int]:
    """Position by text, of the texts that come once."""
    counts = Counter(texts)
    return {text: position for position, text in enumerate(texts) if counts[text] == 1}


def _longest_ascending(pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The longest chain of pairs ascending in the second member; they ascend in the first."""
    tails: list[int] = []
    at_tail: list[int] = []
    before: list[int] = []
    for index, (_, i) in enumerate(pairs):
        length = bisect_left(tails, i)
        before.append(at_tail[length - 1] if length else -1)
        if length == len(tails):
            tails.append(i)
            at_tail.append(index)
        else:
            tails[length], at_tail[length] = i, index
    chain: dict[int, int] = {}
    index = at_tail[-1] if at_tail else -1
    while index >= 0:
        chain[pairs[index][0]] = pairs[index][1]
        index = before[index]
    return chain


def _gaps(
    fixed: Mapping[int, int], n_reply: int, n_original: int
) -> Iterator[tuple[int, int, int]]:
    """Reply steps between fixed points: first, last + 1, original step that bounds them."""
    first = 0
    for j, i in [*sorted(fixed.items()), (n_reply, n_original)]:
        if j > first:
            yield first, j, i
        first = j + 1


def _best_chain(options: Sequence[Sequence[tuple[int, float]]]) -> list[int]:
    """One candidate per reply step, ascending, with the highest sum; the earliest of equals.

    Each step's candidates are sorted, so one pass over two neighbouring steps' lists finds the best
    predecessors.
    """
    sums: list[tuple[int, float]] = [(-1, 0.0)]
    trail: list[list[int]] = []
    for candidates in options:
        reached: list[tuple[int, float]] = []
        pointers: list[int] = []
        best, best_sum, cursor = -1, -math.inf, 0
        for i, ratio in candidates:
            while cursor < len(sums) and sums[cursor][0] < i:
                if sums[cursor][1] > best_sum:
                    best, best_sum = cursor, sums[cursor][1]
                cursor += 1
            reached.append((i, best_sum + ratio if ratio else -math.inf))
            pointers.append(best)
        sums = reached
        trail.append(pointers)
    index = max(range(len(sums)), key=lambda k: sums[k][1])
    chain: list[int] = []
    for candidates, pointers in zip(reversed(options), reversed(trail), strict=True):
        chain.append(candidates[index][0])
        index = pointers[index]
    return chain[::-1]


class _Words:
    """Which original steps are worth comparing with a reply step."""

    def __init__(self, original: Sequence[str]) -> None:
        self._same: dict[str, list[int]] = defaultdict(list)
        for i, text in enumerate(original):
            self._same[text].append(i)
        self._original = original
        self._index: tuple[dict[str, NDArray[np.intp]], dict[str, float], NDArray[np.float64]]
        self._is_built = False

    def find_plausible(self, compare: _Comparison, j: int, low: int, high: int) -> list[int]:
        """Original steps in `[low, high]` that may be reply step `j`."""
        text = compare.reply[j]
        same = self._same.get(text, [])
        equals = same[bisect_left(same, low) : bisect_left(same, high + 1)]
        others = range(low, high + 1) if high - low < _PLAUSIBLE else self._nearest(text, low, high)
        return [*equals, *(i for i in others if compare(i, j))]

    def _nearest(self, text: str, low: int, high: int) -> list[int]:
        """By Dice's coefficient over words, each weighted by its rarity in the original."""
        if not self._is_built:
            self._index, self._is_built = self._build(), True
        positions, weights, totals = self._index
        words = {word for word in _TOKEN.findall(text) if word in weights}
        shared = np.zeros(len(totals))
        for word in words:
            shared[positions[word]] += weights[word]
        dice = (shared / (totals + sum(weights[word] for word in words) + 1e-9))[low : high + 1]
        nearest = np.argsort(-dice, kind="stable")[:_PLAUSIBLE]
        return [low + int(k) for k in nearest if dice[k] > 0]

    def _build(
        self,
    ) -> tuple[dict[str, NDArray[np.intp]], dict[str, float], NDArray[np.float64]]:
        bags = [set(_TOKEN.findall(text)) for text in self._original]
        places: dict[str, list[int]] = defaultdict(list)
        for i, bag in enumerate(bags):
            for word in bag:
                places[word].append(i)
        weights = {word: math.log1p(len(bags) / len(at)) for word, at in places.items()}
        totals = np.array([math.fsum(weights[word] for word in bag) for bag in bags])
        return {word: np.array(at) for word, at in places.items()}, weights, totals
