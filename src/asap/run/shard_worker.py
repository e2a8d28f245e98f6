"""What a worker of a cluster does with a run: reads shards of its input, prunes one and writes it.

A shard goes from reader to worker, and the news of it back, as a table of one row.
"""

from __future__ import annotations

import pickle
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa

from asap.corpus import Row
from asap.errors import ClusterError
from asap.prune import Tools
from asap.run.executor import Work
from asap.run.pipeline import Pipeline, Progress
from asap.run.travel import Answer, Site, pack_error, try_call

READERS = 4
"""Readers at most. Each goes through its part of the input once; one that begins in the middle of
JSON lines skips those before it, unparsed.
"""
SHARDS_PER_READER = 8


@dataclass(frozen=True, slots=True)
class Job:
    """One run's work with all that it needs on a worker."""

    site: Site = field(compare=False)
    work: Work = field(compare=False)
    finished: frozenset[int] = field(compare=False)
    counter_name: str = field(compare=False)
    scorer: Any = field(compare=False)
    chat: Any = field(compare=False)
    classifier: Any = field(compare=False)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that stands."""

    shard: int
    progress: Progress
    seconds: dict[str, float]
    host: str


def cut_work(work: Work, finished: frozenset[int]) -> list[tuple[int, int | None]]:
    """The input in pieces of about as many missing shards; the last one is open, since the number
    of rows may be a guess.
    """
    n_rows = work.corpus.n_rows_hint
    if work.limit is not None:
        n_rows = work.limit if n_rows is None else min(n_rows, work.limit)
    n_shards = -(-(n_rows or 0) // work.shard_rows)
    missing = [shard for shard in range(n_shards) if shard not in finished]
    n_pieces = max(1, min(READERS, len(missing) // SHARDS_PER_READER))
    firsts = [missing[len(missing) * i // n_pieces] for i in range(n_pieces) if missing]
    if not firsts:
        firsts = [max(finished, default=-1) + 1]
    return list(zip(firsts, [*firsts[1:], None], strict=True))


def read_piece(job: Job, first: int, end: int | None) -> Iterator[pa.Table]:
    """One missing shard at a time, number and rows, or the error that the reading ended in."""
    job.site.enter()
    try:
        for shard, rows in job.work.read_shards(first, end):
            if shard not in job.finished:
                yield seal(((shard, rows), None))
    except Exception as error:
        yield seal((None, pack_error(error)))


def prune_block(block: pa.Table, job: Job) -> pa.Table:
    """From a shard's rows to the news that it stands, or to an error."""
    ((read, error),) = unseal(block)
    return seal((None, error) if error is not None else try_call(lambda: _prune_shard(job, *read)))


def _prune_shard(job: Job, shard: int, rows: list[Row]) -> Done:
    host = socket.gethostname()
    job.site.enter()
    if job.work.ledger.is_shard_finished(shard):
        # It was done on a machine that was lost before it could say so.
        return Done(shard, Progress(len(rows), 0, 0), {}, host)
    pipeline = _open_pipeline(job)
    pipeline.tools.clock.seconds.clear()
    steps: list[Progress] = []
    job.work.prune_shard(shard, rows, pipeline, steps.append)
    before, after = sum(s.tokens_before for s in steps), sum(s.tokens_after for s in steps)
    seconds = dict(pipeline.tools.clock.seconds)
    return Done(shard, Progress(len(rows), before, after), seconds, host)


@lru_cache(maxsize=1)
def _open_pipeline(job: Job) -> Pipeline:
    """The pipeline of this process, which does one shard at a time; kept from shard to shard."""
    counter = ExitStack().enter_context(job.site.opener(frozenset())).counter
    if counter.name != job.counter_name:
        raise ClusterError(
            f"{socket.gethostname()} has the tokenizer {counter.name}, the driver "
            f"{job.counter_name}: give all machines the same one"
        )
    return job.work.make_pipeline(Tools(counter, job.scorer, job.chat, job.classifier))


def seal(answer: Answer) -> pa.Table:
    """An answer as a block of Ray Data's: one row, so that no two shards share a block."""
    return pa.table({"answer": pa.array([pickle.dumps(answer)], pa.large_binary())})


def unseal(block: pa.Table) -> list[Answer]:
    """The answers in a block."""
    return [pickle.loads(answer) for answer in block["answer"].to_pylist()]
