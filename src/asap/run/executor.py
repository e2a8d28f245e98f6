"""What an executor is: it does the shards of a run that do not stand yet, wherever it does them.

Every executor reads by `Work.read_shards`, prunes by the pipeline that `Work` makes and writes by
the ledger, so the folder does not tell which one did it. None of them is in here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from asap.corpus import Corpus, Row
from asap.prune import Tools
from asap.run.ledger import Ledger
from asap.run.pipeline import Pipeline, Progress


@dataclass(frozen=True, slots=True)
class Work:
    """One run's work."""

    corpus: Corpus
    ledger: Ledger
    make_pipeline: Callable[[Tools], Pipeline]
    """What is done with the rows of a shard, by the tools that stand where it is done."""
    shard_rows: int
    limit: int | None = None

    def read_shards(self, first: int, end: int | None = None) -> Iterator[tuple[int, list[Row]]]:
        """Shards with their rows, in order, from one number up to another or to the input's end.

        Rows before the first are not parsed; the input is gone through once.
        """
        start = first * self.shard_rows
        stops = [self.limit, None if end is None else end * self.shard_rows]
        stop = min((stop for stop in stops if stop is not None), default=None)
        rows = self.corpus.rows(start)
        if stop is not None:
            rows = itertools.islice(rows, max(0, stop - start))
        for shard in itertools.count(first):
            batch = list(itertools.islice(rows, self.shard_rows))
            if not batch:
                return
            yield shard, batch

    def prune_shard(
        self,
        shard: int,
        rows: list[Row],
        pipeline: Pipeline,
        on_progress: Callable[[Progress], None],
    ) -> None:
        """Do one shard: it stands when this returns."""
        data, traces = pipeline.prune_rows(rows, on_progress)
        with pipeline.tools.clock.time("write"):
            self.ledger.write_shard(shard, data, traces)

    def count_rows(self, shards: Collection[int]) -> int:
        """Rows of shards that stand. Only the last shard of an input can be short."""
        if not shards:
            return 0
        return (len(shards) - 1) * self.shard_rows + self.ledger.count_rows(max(shards))


class Executor(Protocol):
    """Does what is missing of a run."""

    def __call__(self, work: Work, tools: Tools, on_progress: Callable[[Progress], None]) -> int:
        """Do every shard that does not stand.

        Args:
            work: what is to be done.
            tools: the run's backends, as far as they are on this machine.
            on_progress: called as rows are done, and with those of shards that stand already.

        Returns:
            How many shards were missing.
        """
        ...
