"""Rows that share long n-grams with a benchmark's problems: found and listed, never removed.

13 words, lower case, without punctuation, as GPT-3 looked for overlap (Brown et al. 2020, appendix
C; phi-1 has 13 too, s1 and open-r1 8); shorter problems with all their words, but at least 8. Only
the statement counts, not the words our prompt puts around it. An n-gram in more than 3 problems of
a benchmark is boilerplate (3: LeetCode's come in series of one text), and so is one of numbers. A
copy and a near copy are found, a paraphrase or a translation is not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asap.bench import Question
from asap.train.rows import TrainRow

NGRAM_WORDS = 13
"""Words that a row and a problem share in a row, punctuation aside, to be listed."""
LEAST_WORDS = 8
"""A problem with fewer words cannot be looked for."""
BOILERPLATE_PROBLEMS = 3
"""An n-gram that more problems of one benchmark have says nothing about any of them."""

Where = Literal["prompt", "completion", "both"]

_WORD = re.compile(r"\w+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

_Ids = npt.NDArray[np.uint64]
_Positions = npt.NDArray[np.intp]
_Place = tuple[int, int]
"""A problem, and the word of it where an n-gram starts."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One row that holds a part of one problem."""

    row: int
    id: str
    variant: str
    where: Where
    """Which text of the row holds it."""
    benchmark: str
    problem_id: str
    shared: str
    """The longest stretch of the problem that the row holds, in normalised words."""
    coverage: float
    """The share of the problem's words that the row holds in n-grams, in (0, 1]; words that stand
    in boilerplate or runs of numbers alone do not count."""


@dataclass(frozen=True, slots=True)
class _Problem:
    benchmark: str
    id: str
    words: tuple[str, ...]
    ids: tuple[int, ...]
    n_words: int
    """Of the n-grams that are looked for."""

    def mark(self, starts: Iterable[int]) -> npt.NDArray[np.bool_]:
        """Which words lie in n-grams that start at `starts`."""
        covered = np.zeros(len(self.words), dtype=np.bool_)
        for start in starts:
            covered[start : start + self.n_words] = True
        return covered


@dataclass(frozen=True)
class _Table:
    """All n-grams of one length that are looked for."""

    n_words: int
    hashes: _Ids
    """Sorted, each once."""
    places: Mapping[int, Sequence[_Place]]
    """Where in the problems each hash comes from."""


@dataclass(frozen=True)
class ProblemIndex:
    """What rows are held against: the n-grams of the problems of some benchmarks."""

    n_problems: int
    """That can be looked for."""
    unchecked: tuple[tuple[str, str], ...]
    """Benchmark and id of those that cannot: too short, or nothing but boilerplate."""
    _problems: Sequence[_Problem]
    _n_countable: Sequence[int]
    """For each problem its words that lie in an n-gram that is looked for."""
    _vocabulary: Mapping[str, int]
    _tables: Sequence[_Table]

    def find_overlaps(self, row: TrainRow) -> list[Overlap]:
        """The problems that a row holds a part of, in the order of the benchmarks.

        Takes time linear in the row's length.
        """
        in_prompt = self._find_places(row.prompt)
        in_completion = self._find_places(row.completion)
        starts: defaultdict[int, set[int]] = defaultdict(set)
        for problem, start in in_prompt | in_completion:
            starts[problem].add(start)
        prompted = {problem for problem, _ in in_prompt}
        completed = {problem for problem, _ in in_completion}
        return [
            self._describe(
                row, problem, starts[problem], _say_where(problem in prompted, problem in completed)
            )
            for problem in sorted(starts)
        ]

    def _find_places(self, text: str) -> set[_Place]:
        ids = np.fromiter(map(self._vocabulary.get, _split(text), repeat(0)), dtype=np.uint64)
        places: set[_Place] = set()
        for table in self._tables:
            starts = _find_known(ids, table.n_words)
            hashes = _hash_ngrams(ids, table.n_words, starts)
            nearest = np.searchsorted(table.hashes, hashes)
            is_found = table.hashes[np.minimum(nearest, len(table.hashes) - 1)] == hashes
            found, at = np.unique(hashes[is_found], return_index=True)
            for hash, position in zip(found.tolist(), starts[is_found][at].tolist(), strict=True):
                ngram = tuple(ids[position : position + table.n_words].tolist())
                places.update(
                    (problem, start)
                    for problem, start in table.places[hash]
                    # Two n-grams may have one hash.
                    if self._problems[problem].ids[start : start + table.n_words] == ngram
                )
        return places

    def _describe(self, row: TrainRow, problem: int, starts: set[int], where: Where) -> Overlap:
        about = self._problems[problem]
        covered = about.mark(starts)
        first, end = _find_longest(covered)
        return Overlap(
            row.row,
            row.id,
            row.variant,
            where,
            about.benchmark,
            about.id,
            " ".join(about.words[first:end]),
            float(covered.sum()) / self._n_countable[problem],
        )


def index_problems(questions: Mapping[str, Iterable[Question]]) -> ProblemIndex:
    """Read the problems that rows are to be held against; each once.

    Args:
        questions: by the benchmark's name, as `Dataset.name` has it.
    """
    vocabulary: dict[str, int] = {}
    problems: list[_Problem] = []
    unchecked: list[tuple[str, str]] = []
    for benchmark, asked in questions.items():
        for question in asked:
            words = tuple(_split(question.statement))
            if len(words) < LEAST_WORDS:
                unchecked.append((benchmark, question.id))
                continue
            ids = tuple(vocabulary.setdefault(word, len(vocabulary) + 1) for word in words)
            n_words = min(NGRAM_WORDS, len(words))
            problems.append(_Problem(benchmark, question.id, words, ids, n_words))
    tables = [_build_table(problems, n_words) for n_words in sorted({p.n_words for p in problems})]
    starts: defaultdict[int, set[int]] = defaultdict(set)
    for table in tables:
        for places in table.places.values():
            for problem, start in places:
                starts[problem].add(start)
    unchecked += [(p.benchmark, p.id) for i, p in enumerate(problems) if i not in starts]
    return ProblemIndex(
        n_problems=len(starts),
        unchecked=tuple(unchecked),
        _problems=problems,
        _n_countable=[int(p.mark(starts[i]).sum()) for i, p in enumerate(problems)],
        _vocabulary=vocabulary,
        _tables=[table for table in tables if len(table.hashes)],
    )


def find_overlaps(rows: Iterable[TrainRow], index: ProblemIndex) -> Iterator[Overlap]:
    """The rows that hold a part of a problem, as they are read; one row is held at a time.

    Args:
        rows: what is to be trained on.
        index: the problems that must not be among it.

    Yields:
        One overlap for each pair of row and problem, in the order of the rows.
    """
    for row in rows:
        yield from index.find_overlaps(row)


def _build_table(problems: Sequence[_Problem], n_words: int) -> _Table:
    hashes = [_hash_all(problem, n_words) for problem in problems]
    n_problems: Counter[tuple[str, int]] = Counter()
    for problem, own in zip(problems, hashes, strict=True):
        n_problems.update((problem.benchmark, hash) for hash in set(own))
    places: defaultdict[int, list[_Place]] = defaultdict(list)
    for index, (problem, own) in enumerate(zip(problems, hashes, strict=True)):
        if problem.n_words == n_words:
            for start, hash in enumerate(own):
                if n_problems[problem.benchmark, hash] <= BOILERPLATE_PROBLEMS and _says_something(
                    problem.words[start : start + n_words]
                ):
                    places[hash].append((index, start))
    return _Table(n_words, np.array(sorted(places), dtype=np.uint64), places)


def _hash_all(problem: _Problem, n_words: int) -> list[int]:
    ids = np.array(problem.ids, dtype=np.uint64)
    hashes: list[int] = _hash_ngrams(ids, n_words, _find_known(ids, n_words)).tolist()
    return hashes


def _split(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _find_known(ids: _Ids, n_words: int) -> _Positions:
    """Where n-grams start all of whose words are in the vocabulary: few of a text's."""
    if len(ids) < n_words:
        return np.zeros(0, dtype=np.intp)
    n_unknown = np.concatenate(([0], np.cumsum(ids == 0)))
    return np.flatnonzero(n_unknown[n_words:] == n_unknown[:-n_words])


def _hash_ngrams(ids: _Ids, n_words: int, starts: _Positions) -> _Ids:
    hashes = np.zeros(len(starts), dtype=np.uint64)
    for offset in range(n_words):
        # Wraps round at 2**64.
        hashes = hashes * _FACTOR + ids[starts + offset]
    return hashes


def _says_something(words: Sequence[str]) -> bool:
    return 3 * len({word for word in words if not word.isdecimal()}) >= len(words)


def _find_longest(covered: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """The longest stretch of True, as a half-open span; the first of several."""
    edges: npt.NDArray[Any] = np.flatnonzero(np.diff(covered, prepend=False, append=False))
    spans = edges.reshape(-1, 2)
    first, end = spans[np.argmax(spans[:, 1] - spans[:, 0])]
    return int(first), int(end)


def _say_where(is_in_prompt: bool, is_in_completion: bool) -> Where:
    if is_in_prompt and is_in_completion:
        return "both"
    return "prompt" if is_in_prompt else "completion"
