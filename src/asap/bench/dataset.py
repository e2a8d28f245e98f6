"""An opened benchmark: its questions in memory, its problems streamed.

LiveCodeBench's tests are gigabytes, so a problem exists only while it is judged. Every row of a
benchmark counts: one that cannot be read is an error, not an exclusion, since a score over fewer
problems is another score.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from asap.bench.benchmark import Benchmark, Question, Row
from asap.bench.cruxeval import CRUXEVAL
from asap.bench.humaneval import HUMANEVAL
from asap.bench.humaneval_plus import HUMANEVAL_PLUS
from asap.bench.leetcode_dataset import LEETCODE_DATASET
from asap.bench.livecodebench import LIVECODEBENCH
from asap.bench.source import DataFile, find_files, read_rows
from asap.errors import InputError
from asap.judge import Problem

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (HUMANEVAL, HUMANEVAL_PLUS, LIVECODEBENCH, LEETCODE_DATASET, CRUXEVAL)
}
"""Every benchmark by the name that commands use."""

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Dataset:
    """A benchmark, or a part of it, with its data at hand."""

    benchmark: Benchmark
    part: str | None
    files: tuple[DataFile, ...]

    @property
    def name(self) -> str:
        """`livecodebench:v4_v5`."""
        return ":".join(filter(None, (self.benchmark.name, self.part)))

    @cached_property
    def questions(self) -> dict[str, Question]:
        """Every question by its id, in the order of the files.

        Raises:
            InputError: a row cannot be read, an id comes twice, or there is no row.
        """
        questions: dict[str, Question] = {}
        for place, row in self._rows():
            question = _read(self.benchmark.read_question, place, row)
            if question.id in questions:
                raise InputError(f"{place}: the id {question.id} has been there before")
            questions[question.id] = question
        if not questions:
            raise InputError(f"{self.name} has no problems in {self.files[0].path}")
        return questions

    def problems(self, ids: Container[str] | None = None) -> Iterator[Problem]:
        """Problems, one at a time, in the order of the questions.

        Args:
            ids: which; None: all.

        Raises:
            InputError: a row cannot be read.
        """
        wanted = self.questions if ids is None else ids
        for (place, row), id in zip(self._rows(), self.questions, strict=True):
            if id in wanted:
                yield _read(self.benchmark.build_problem, place, row)

    def _rows(self) -> Iterator[tuple[str, Row]]:
        column = self.benchmark.part_column
        for file in self.files:
            for place, row in read_rows(file.path):
                if column is None or self.part is None or row.get(column) == self.part:
                    yield place, row


def open_benchmark(name: str, path: Path | None = None, revision: str | None = None) -> Dataset:
    """Open a benchmark by name.

    Args:
        name: `humaneval`, or with a part: `livecodebench:v4_v5`, `cruxeval:test`.
        path: a local file, or a folder with the files as they are called on the Hub; None: the Hub.
        revision: on the Hub; None: the newest.

    Raises:
        InputError: no such benchmark, part or file.
        MissingExtraError: the Hub's library is not installed.
    """
    base, _, part = name.partition(":")
    if base not in BENCHMARKS:
        raise InputError(f"there is no benchmark '{base}'; choose from {', '.join(BENCHMARKS)}")
    benchmark = BENCHMARKS[base]
    return Dataset(benchmark, part or None, find_files(benchmark, part or None, path, revision))


def _read(read: Callable[[Row], _Read], place: str, row: Row) -> _Read:
    """One row, with its place in what is said of a bad one."""
    try:
        return read(row)
    except (ValueError, SyntaxError) as error:
        if isinstance(error, ValidationError):  # its own text spans lines, and names a web page
            first = error.errors()[0]
            error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{place} is no row of this benchmark: {reason}") from error
