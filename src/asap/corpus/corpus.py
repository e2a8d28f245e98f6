"""The rows of a corpus: sources in path order, read through one layout, in constant memory, from
any row on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain, islice

from asap.corpus.input import find_sources
from asap.corpus.layout import Columns, Layout, Sample, recognise_layout
from asap.corpus.record import Record, Source
from asap.corpus.row import Row, read_row
from asap.errors import InputError
from asap.trace import Excluded, Require, Trace

_SAMPLE_ROWS = 100
_SAMPLE_RECORDS = 1000


@dataclass(frozen=True)
class Corpus:
    """What the inputs are and how they are read; `rows` reads them."""

    sources: tuple[Source, ...]
    layout: Layout
    require: Require

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files and data sets, in the order in which they are read."""
        return tuple(source.name for source in self.sources)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of what is read and how: names inside the input, contents, layout, requirement.

        It stays the same when the input moves to another folder. Of a file of 64 MB or more 16
        samples stand for the content.
        """
        read = {
            "sources": [(source.name, *source.identity) for source in self.sources],
            "layout": asdict(self.layout),
            "require": self.require,
        }
        return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()

    @cached_property
    def licence(self) -> str | None:
        """The licences that the inputs' data cards name, or None where a card is missing."""
        licences = {source.licence for source in self.sources}
        return None if None in licences else ", ".join(sorted(name for name in licences if name))

    @cached_property
    def n_rows_hint(self) -> int | None:
        """About how many rows there are (exact but for JSON lines above 64 MB), or None."""
        estimates = [source.estimate() for source in self.sources]
        return None if None in estimates else sum(n for n in estimates if n is not None)

    def rows(self, start: int = 0) -> Iterator[Row]:
        """The rows from position `start` on.

        Args:
            start: rows before it are skipped without being parsed, whole files and row groups
                without being read.

        Raises:
            InputError: a file turns out to be damaged.
        """
        position = 0
        for source in self.sources:
            skip = max(0, start - position)
            if skip and source is not self.sources[-1]:
                n_rows = source.count()
                if n_rows <= skip:
                    position += n_rows
                    continue
            position += skip
            for record in source.read(skip):
                yield read_row(position, record, self.layout, self.require)
                position += 1


def open_corpus(
    inputs: Sequence[str], columns: Columns | None = None, require: Require = "answer"
) -> Corpus:
    """Find the inputs and recognise their layout.

    Args:
        inputs: paths of files and folders, globs, data sets saved to disk, or Hub ids
            (`owner/name[@revision][:config[:split]]`).
        columns: columns that the user named.
        require: what must follow the thinking, as in `trace.parse_trace`.

    Raises:
        InputError: an input cannot be read, holds no rows, or has a layout that is not recognised.
    """
    sources = find_sources(inputs)
    sample = _take_sample(sources, inputs)

    def count_usable(layout: Layout, rows: Sample) -> int:
        outcomes = (
            read_row(i, Record("", row), layout, require).outcome for i, row in enumerate(rows)
        )
        return sum(isinstance(outcome, Trace) for outcome in outcomes)

    return Corpus(
        sources, recognise_layout(sample, columns or Columns(), require, count_usable), require
    )


def _take_sample(sources: Sequence[Source], inputs: Sequence[str]) -> Sample:
    """The first rows that are rows at all."""
    sample = []
    first_fault: tuple[str, Excluded] | None = None
    records = chain.from_iterable(source.read() for source in sources)
    for record in islice(records, _SAMPLE_RECORDS):
        if isinstance(record.columns, Excluded):
            first_fault = first_fault or (record.where, record.columns)
        else:
            sample.append(record.columns)
        if len(sample) == _SAMPLE_ROWS:
            break
    if sample:
        return sample
    if first_fault is None:
        raise InputError(f"{', '.join(inputs)}: there are no rows in it")
    where, fault = first_fault
    raise InputError(
        f"{where}: {fault.reason} ({fault.detail or 'no detail'}), and no good row after it; JSON "
        "lines have one object per line, and a document over several lines is called .json"
    )
