"""How long this machine takes: some of the sampled rows go through the real pipeline, as many at a
time as a run would have, and the clock is read.

With the real scorer it is the forecast of a run on this machine's CPU, whose roofline nobody knows;
with a stand-in it is the pipeline's own part of a run that scores on an accelerator. No file is
written: what a run would write goes to memory.
"""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow.parquet as pq

from asap.chat import ScriptedChat
from asap.corpus import Row
from asap.plan.sample import Sample
from asap.plan.stand_in import TimedScorer
from asap.plan.workload import RowWork, make_script
from asap.prune import METHODS, Tools
from asap.run import Pipeline, Recipe
from asap.surprisal import FakeScorer, StepScorer, TokenClassifier
from asap.trace import TokenCounter, Trace, segment_trace

MEASURE_S = 12.0
"""Seconds after which no further rows are begun."""
_CHUNK_TOKENS = 24_000
_MOST_CHUNK_ROWS = 16
"""What a run hands to a method at once."""
_SHARD_ROWS = 64
_THREADS = 2
"""Shards that a run has in flight."""
_WARM_UP_TOKENS = 3_000

Weigh = Callable[[RowWork], float]


@dataclass(frozen=True, slots=True)
class Timing:
    """What was measured."""

    n_rows: int
    seconds: float
    """Of the clock on the wall, as if all threads had been busy to the end."""
    cpu_s: float
    """Of all cores in this process: another program's load does not lengthen it, or hardly."""
    scoring_share: float
    """Of the time, in the model."""
    operations: float
    """Of the model."""
    tokens: float
    """Thinking tokens that went in."""

    @property
    def scoring_share_per_operation(self) -> float:
        """What one operation of the model is of all that was measured."""
        return self.scoring_share / self.operations if self.operations else 0.0

    @property
    def own_share_per_token(self) -> float:
        """The same of one thinking token outside the model."""
        return (1 - self.scoring_share) / self.tokens if self.tokens else 0.0


def measure_timing(
    sample: Sample,
    works: Sequence[RowWork],
    recipe: Recipe,
    counter: TokenCounter,
    scorer: StepScorer | None,
    classifier: TokenClassifier | None,
    weigh: Weigh,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Timing:
    """Prune some of the rows against the clock.

    Args:
        sample: the rows, of which some are pruned.
        works: what each of them comes to.
        recipe: what the run is to do.
        counter: counts for the budget.
        scorer: the real one, or a stand-in.
        classifier: the same.
        weigh: operations of the model for a row.
        on_progress: called with the number of rows of each chunk.
    """
    usable = [
        (row, work)
        for row, work in zip(sample.rows, works, strict=True)
        if isinstance(row.outcome, Trace)
    ]
    if not usable:
        return Timing(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    timed = TimedScorer(scorer or FakeScorer())
    tools = Tools(counter, timed if scorer else None, None, classifier)
    # A model's first reading is slower than all that follow.
    short = min(usable, key=lambda pair: abs(pair[1].thinking_tokens - _WARM_UP_TOKENS))
    _prune_chunk([short], recipe, tools)
    timed.seconds = 0.0
    chunks = _cut_chunks(usable)
    lock, done, started = threading.Lock(), [], time.perf_counter()
    cpu_started = time.process_time()

    def work_on() -> float:
        seconds = 0.0
        while True:
            with lock:
                is_late = time.perf_counter() - started > MEASURE_S
                chunk = None if is_late else next(chunks, None)
            if chunk is None:
                return seconds
            begun = time.perf_counter()
            _prune_chunk(chunk, recipe, tools)
            seconds += time.perf_counter() - begun
            with lock:
                done.extend(chunk)
            on_progress(len(chunk))

    # A run of one shard has one thread.
    n_threads = _THREADS if sample.n_rows > _SHARD_ROWS else 1
    with ThreadPoolExecutor(n_threads) as pool:
        busy = sum(future.result() for future in [pool.submit(work_on) for _ in range(n_threads)])
    return Timing(
        len(done),
        busy / n_threads,
        time.process_time() - cpu_started,
        min(1.0, timed.seconds / busy),
        sum(weigh(work) for _, work in done),
        float(sum(work.thinking_tokens for _, work in done)),
    )


Pair = tuple[Row, RowWork]


def _cut_chunks(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Chunks of like make-up: rows by length, dealt out in strides, so that the first few chunks
    hold short and long ones as the whole sample does.
    """
    mean = sum(work.thinking_tokens for _, work in pairs) / len(pairs)
    size = max(2, min(_MOST_CHUNK_ROWS, round(_CHUNK_TOKENS / max(1.0, mean))))
    ordered = sorted(pairs, key=lambda pair: pair[1].thinking_tokens)
    n_chunks = -(-len(ordered) // size)
    # Strides from both ends and the middle first: a stride of its own is a fair sample by itself.
    order = sorted(range(n_chunks), key=lambda i: abs(2 * i + 1 - n_chunks))
    return itertools.chain([ordered[i::n_chunks] for i in order])


def _prune_chunk(chunk: Sequence[Pair], recipe: Recipe, tools: Tools) -> None:
    """One batch as a run does it, and its files to memory."""
    rows = [row for row, _ in chunk]
    current = [
        segment_trace(row.outcome, recipe.segment)
        for row in rows
        if isinstance(row.outcome, Trace) and "chat" in recipe.needs
    ]
    with ScriptedChat(make_script(recipe, current)) as chat:
        own = Tools(
            tools.counter,
            tools.scorer,
            chat if "chat" in recipe.needs else None,
            tools.classifier,
        )
        method = METHODS[recipe.method](recipe.options)
        pipeline = Pipeline(method, recipe.budget, recipe.segment, own, len(rows))
        for table in pipeline.prune_rows(rows):
            pq.write_table(table, io.BytesIO(), compression="zstd")
