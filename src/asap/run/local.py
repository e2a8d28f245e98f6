"""A run on this machine: rows into shards, shards through the pipeline, two at a time.

Two shards in flight let one be segmented, counted and asked about while the other is scored. Each
shard is batched alone, so what it yields does not hang on its neighbours.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from asap.chat import Usage
from asap.corpus import Corpus, Row
from asap.errors import InputError, TooManyExcluded
from asap.prune import METHODS, Method, Tools
from asap.run.card import write_card
from asap.run.executor import Executor, Work
from asap.run.ledger import DATA, Ledger
from asap.run.pipeline import Pipeline, Progress
from asap.run.recipe import Recipe
from asap.run.summary import Summary, summarise
from asap.run.versions import find_versions, say_now

SHARD_ROWS = 64
SHARDS_IN_FLIGHT = 2
# Rows that a method sees at once where no LLM is asked: enough to fill an accelerator, few enough
# for a live bar.
SCORING_BATCH_ROWS = 16
# How many rows are looked at to see which columns the input has.
SAMPLE_ROWS = 100


@dataclass(frozen=True, slots=True)
class RunResult:
    """What `prune_corpus` gives back."""

    folder: Path
    summary: Summary
    is_resumed: bool
    seconds: float
    seconds_by_stage: dict[str, float]
    llm: Usage | None
    """What this call asked of the LLM; None where none was used."""


class _Stopped(Exception):
    """Ends a shard in flight after another one failed or the run was interrupted."""


def prune_corpus(
    corpus: Corpus,
    output: str | Path,
    recipe: Recipe,
    tools: Tools,
    *,
    limit: int | None = None,
    keep_columns: Sequence[str] = (),
    max_excluded: float = 0.1,
    shard_rows: int = SHARD_ROWS,
    executor: Executor | None = None,
    on_open: Callable[[bool], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> RunResult:
    """Prune a corpus into a run folder, or finish a run that was interrupted there.

    Args:
        corpus: the input.
        output: the run folder, a path or a URL; one of the same run is finished, any other is
            refused.
        recipe: what to do.
        tools: the backends that the recipe names.
        limit: only the first rows of the input.
        keep_columns: columns of the input to carry into `data/`.
        max_excluded: share of excluded rows above which the finished run counts as failed.
        shard_rows: rows per shard.
        executor: does the shards; by default this process.
        on_open: called once the folder is known to be this run's, with whether it is a resume.
        on_progress: called after each batch and, on a resume, once with what is finished.

    Raises:
        InputError: a column to keep does not exist, or `data/` has one of that name itself.
        RunFolderError: `output` holds something else.
        StoreError: the store of `output` refuses; the same call goes on.
        RunStopped: the run stopped on purpose; `TooManyExcluded` comes after everything is written.
    """
    started = time.perf_counter()
    _check_columns(corpus, keep_columns)
    ledger = Ledger(output)
    identity = {
        **_identity(corpus, recipe, limit, keep_columns, shard_rows),
        "scorer weights": tools.scorer.name if tools.scorer else None,
        "tokenizer": tools.counter.name,
    }
    if tools.classifier is not None:
        identity["classifier weights"] = tools.classifier.name
    if tools.labels is not None:
        identity["labels"] = _digest_labels(tools.labels)
    is_resumed = ledger.open(identity)
    on_open(is_resumed)
    ledger.write_text("recipe.yaml", recipe.to_yaml())
    make_pipeline = partial(
        _make_pipeline,
        METHODS[recipe.method](recipe.options),
        recipe,
        shard_rows if "chat" in recipe.needs else min(shard_rows, SCORING_BATCH_ROWS),
        tuple(keep_columns),
    )
    work = Work(corpus, ledger, make_pipeline, shard_rows, limit)
    n_shards = (executor or run_here)(work, tools, on_progress)
    ledger.write_excluded()
    summary = summarise(ledger, recipe.budget_tokens)
    stages = {name: round(value, 3) for name, value in tools.clock.seconds.items()}
    llm = tools.chat.usage if tools.chat else None
    seconds = time.perf_counter() - started
    result = RunResult(ledger.folder, summary, is_resumed, seconds, stages, llm)
    write_card(ledger, corpus, recipe, summary)
    # A finished run that is merely looked at again keeps the timings of the call that did the work.
    if n_shards or not ledger.is_finished():
        ledger.write_report(_report(corpus, identity, result, tools))
    check_excluded(result, max_excluded)
    return result


def _make_pipeline(
    method: Method, recipe: Recipe, batch_rows: int, keep_columns: tuple[str, ...], tools: Tools
) -> Pipeline:
    return Pipeline(method, recipe.budget, recipe.segment, tools, batch_rows, keep_columns)


def _digest_labels(labels: Mapping[int, Sequence[bool]]) -> str:
    digest = hashlib.sha256()
    for row in sorted(labels):
        digest.update(f"{row} {''.join('01'[label] for label in labels[row])}\n".encode())
    return digest.hexdigest()[:12]


def check_excluded(result: RunResult, max_excluded: float) -> None:
    """Whether a finished run counts as a success.

    Args:
        result: of the run.
        max_excluded: share of excluded rows that is still one.

    Raises:
        TooManyExcluded: there are more.
    """
    summary = result.summary
    if summary.rows_excluded > max_excluded * summary.rows_in:
        reasons = ", ".join(f"{name} {count}" for name, count in summary.excluded_by_reason.items())
        raise TooManyExcluded(
            f"{summary.rows_excluded} of {summary.rows_in} rows were excluded ({reasons}), more "
            f"than --max-excluded {max_excluded:g} allows; everything is written to "
            f"{result.folder}, each of them with its reason in excluded.jsonl"
        )


def _report(
    corpus: Corpus, identity: dict[str, Any], result: RunResult, tools: Tools
) -> dict[str, Any]:
    """What `report.json` says of a run that came to its end."""
    llm = None
    if tools.chat and result.llm:
        llm = {"model": tools.chat.model, **asdict(result.llm)}
    return {
        "status": "finished",
        "identity": identity,
        "layout": corpus.layout.describe(),
        "files": list(corpus.files),
        "counts": result.summary.to_dict(),
        "llm": llm,
        "versions": find_versions(),
        "timings": {
            "finished": say_now(),
            "seconds": round(result.seconds, 3),
            "by_stage_s": result.seconds_by_stage,
        },
    }


def check_run(
    corpus: Corpus,
    output: str | Path,
    recipe: Recipe,
    *,
    limit: int | None = None,
    keep_columns: Sequence[str] = (),
    shard_rows: int = SHARD_ROWS,
) -> None:
    """Refuse what `prune_corpus` would refuse, as far as that can be told before a model is loaded.

    Args:
        corpus: as for `prune_corpus`, and so are the rest.
        output: the run folder.
        recipe: what to do.
        limit: only the first rows of the input.
        keep_columns: columns of the input to carry into `data/`.
        shard_rows: rows per shard.

    Raises:
        InputError: a column to keep does not exist, or `data/` has one of that name itself.
        RunFolderError: `output` holds something else.
        StoreError: the store of `output` refuses.
    """
    _check_columns(corpus, keep_columns)
    Ledger(output).check(_identity(corpus, recipe, limit, keep_columns, shard_rows))


def _check_columns(corpus: Corpus, keep_columns: Sequence[str]) -> None:
    """Refuse columns that the head of the input does not have, before anything is written."""
    if not keep_columns:
        return
    for column in keep_columns:
        if column in DATA.names or list(keep_columns).count(column) > 1:
            raise InputError(f"--keep-columns: data/ has a column '{column}' already")
    head = itertools.islice(corpus.rows(), SAMPLE_ROWS)
    known = sorted({name for row in head for name in row.columns})
    for column in keep_columns:
        if column not in known:
            there = ", ".join(f"'{name}'" for name in known)
            raise InputError(f"there is no column '{column}' (--keep-columns); there are {there}")


def run_here(work: Work, tools: Tools, on_progress: Callable[[Progress], None]) -> int:
    """The executor of one machine: see `Executor`.

    The pool is kept busy, with no more than the shards in flight and the next one in memory. An
    error or an interrupt does not wait for the shards in flight: they end after their batch,
    unwritten.
    """
    n_shards = 0
    running: set[Future[None]] = set()
    has_stopped = threading.Event()
    pipeline = work.make_pipeline(tools)

    def report(step: Progress) -> None:
        if has_stopped.is_set():
            raise _Stopped
        on_progress(step)

    pool = ThreadPoolExecutor(SHARDS_IN_FLIGHT)
    try:
        for shard, rows in _missing_shards(work, report):
            n_shards += 1
            running.add(pool.submit(work.prune_shard, shard, rows, pipeline, report))
            if len(running) > SHARDS_IN_FLIGHT:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        for future in running:
            future.result()
        return n_shards
    except BaseException:
        has_stopped.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _missing_shards(
    work: Work, on_progress: Callable[[Progress], None]
) -> Iterator[tuple[int, list[Row]]]:
    """Shards that do not stand yet, with their rows; finished ones at the head are not read."""
    finished = set(work.ledger.finished_shards())
    first = next(shard for shard in itertools.count() if shard not in finished)
    if first:
        on_progress(Progress(work.count_rows(range(first)), 0, 0))
    for shard, rows in work.read_shards(first):
        if shard in finished:
            on_progress(Progress(len(rows), 0, 0))
        else:
            yield shard, rows


def _identity(
    corpus: Corpus,
    recipe: Recipe,
    limit: int | None,
    keep_columns: Sequence[str],
    shard_rows: int,
) -> dict[str, Any]:
    """What makes two runs the same run, weights and tokenizer apart."""
    return {
        **{f"recipe.{name}": value for name, value in recipe.model_dump().items()},
        "input": corpus.fingerprint,
        "layout": corpus.layout.describe(),
        "limit": limit,
        "keep_columns": list(keep_columns),
        "shard_rows": shard_rows,
    }
