"""Which rows of the input are looked at: a seeded draw, spread over the input where that is cheap.

Text files must be read from their beginning to reach a row, so of long ones the head stands for
the rest; Parquet and Arrow files are entered in the middle.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal

from asap.corpus import Corpus, Row
from asap.errors import InputError

SAMPLE_ROWS = 200
"""Rows that are looked at, at most."""
_TEXT_ROWS = 5_000
"""Up to so many rows of text files are read through for a sample spread over them."""
_BLOCK_ROWS = 8
"""Consecutive rows taken at each place of a columnar file: each place costs a read."""

Spread = Literal["all rows", "spread over the input", "head of the input"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of an input."""

    rows: tuple[Row, ...]
    n_rows: int
    """Of the whole."""
    spread: Spread
    read_s: float
    """Seconds that reading one row took, parsing included."""


def draw_sample(
    corpus: Corpus, limit: int | None = None, n_sample: int = SAMPLE_ROWS, seed: int = 0
) -> Sample:
    """Draw rows: one at random out of each of equal stretches of the input.

    Args:
        corpus: the input.
        limit: only the first rows count.
        n_sample: rows to draw.
        seed: of the draw.

    Raises:
        InputError: the input does not say how long it is and there is no limit, or it has no rows.
    """
    n_rows = _count_rows(corpus, limit)
    started = time.perf_counter()
    if n_rows <= n_sample:
        rows, spread, n_read = list(islice(corpus.rows(), n_rows)), "all rows", n_rows
    elif all(name.lower().endswith((".parquet", ".arrow")) for name in corpus.files):
        starts = _draw(n_rows, n_sample // _BLOCK_ROWS, _BLOCK_ROWS, seed)
        rows = [row for start in starts for row in islice(corpus.rows(start), _BLOCK_ROWS)]
        spread, n_read = "spread over the input", 0
    elif n_rows <= _TEXT_ROWS:
        wanted = set(_draw(n_rows, n_sample, 1, seed))
        rows = [row for row in islice(corpus.rows(), n_rows) if row.row in wanted]
        spread, n_read = "spread over the input", n_rows
    else:
        rows, spread, n_read = list(islice(corpus.rows(), n_sample)), "head of the input", n_sample
    if not rows:
        raise InputError("the input has no rows")
    # Entering a columnar file costs more than reading on: what a row costs is measured apart.
    read_s = (time.perf_counter() - started) / n_read if n_read else _time_reading(corpus)
    # A count that was an estimate, and too high: what is there is all there is.
    n_rows = len(rows) if spread == "all rows" else n_rows
    return Sample(tuple(rows), n_rows, spread, read_s)  # type: ignore[arg-type]


def _count_rows(corpus: Corpus, limit: int | None) -> int:
    hint = corpus.n_rows_hint
    if hint is None and limit is None:
        raise InputError("the input does not say how many rows it has; say so with --limit")
    return min(n for n in (hint, limit) if n is not None)


def _draw(n_rows: int, n_blocks: int, block_rows: int, seed: int) -> list[int]:
    """Where the blocks begin, one in each of equal stretches."""
    source = random.Random(seed)
    bounds = [n_rows * i // n_blocks for i in range(n_blocks + 1)]
    return [
        source.randrange(low, max(low + 1, high - block_rows + 1)) for low, high in pairwise(bounds)
    ]


def _time_reading(corpus: Corpus) -> float:
    started = time.perf_counter()
    n_read = sum(1 for _ in islice(corpus.rows(), 64))
    return (time.perf_counter() - started) / max(1, n_read)
