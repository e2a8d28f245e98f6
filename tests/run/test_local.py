"""The local executor: shards in flight, memory, errors, interrupts."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asap
from asap.corpus import Corpus, Row
from asap.prune import Tools
from asap.run import Progress
from asap.run.local import SHARDS_IN_FLIGHT
from asap.surprisal import FakeCounter, FakeScorer

Prune = Callable[..., tuple[Any, Any]]
SHARD_ROWS = 50
N_ROWS = 2000


class CountingCorpus(Corpus):
    """A corpus of many rows that are made as they are read; it knows how many are alive."""

    def watch(self) -> CountingCorpus:
        object.__setattr__(self, "alive", weakref.WeakSet())
        object.__setattr__(self, "n_read", 0)
        return self

    def rows(self, start: int = 0) -> Iterator[Row]:
        for position in range(start, N_ROWS):
            steps = [f"Step {i} of {position} adds {i * position}." for i in range(6)]
            trace = asap.Trace(position, str(position), "Add.", "\n\n".join(steps), "5")
            row = Row(position, str(position), trace, {})
            self.alive.add(_Key(row))  # type: ignore[attr-defined]
            object.__setattr__(self, "n_read", position + 1)
            yield row


class _Key:
    """Rows compare by value, which would be slow to hash: this one lives as long as its row."""

    def __init__(self, row: Row) -> None:
        object.__setattr__(row, "key", self)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "", "generation": "<think>a</think>b"}\n')
    opened = asap.open_corpus([str(tmp_path / "in.jsonl")])
    corpus = CountingCorpus(opened.sources, opened.layout, opened.require).watch()
    lock = threading.Lock()
    done, most_alive, most_ahead = 0, 0, 0

    def on_progress(step: Progress) -> None:
        nonlocal done, most_alive, most_ahead
        with lock:
            most_ahead = max(most_ahead, corpus.n_read - done)  # type: ignore[attr-defined]
            most_alive = max(most_alive, len(corpus.alive))  # type: ignore[attr-defined]
            done += step.n_rows

    result = asap.prune_corpus(
        corpus,
        tmp_path / "run",
        asap.load_recipe("default", {"stage1": "none"}),
        Tools(FakeCounter(), FakeScorer()),
        shard_rows=SHARD_ROWS,
        on_progress=on_progress,
    )
    assert result.summary.rows_out == N_ROWS == done
    # Those in flight and the next one; what was just finished may still be on its way out.
    assert most_ahead <= (SHARDS_IN_FLIGHT + 1) * SHARD_ROWS
    assert most_alive <= (SHARDS_IN_FLIGHT + 3) * SHARD_ROWS


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl(tmp_path / "in.jsonl", make_rows(40))


def test_a_defect_in_a_shard_is_not_swallowed(prune: Prune, source: Path) -> None:
    def fail(text: str) -> float:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        prune(source, tools=Tools(FakeCounter(), FakeScorer(fail)), shard_rows=8)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_does_not_wait_for_the_shards_in_flight(
    prune: Prune, source: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    release, is_scoring = threading.Event(), threading.Event()

    class StalledScorer(FakeScorer):
        def score(self, *args: Any) -> Any:
            is_scoring.set()
            release.wait(30)
            return super().score(*args)

    class InterruptedCorpus(CountingCorpus):
        def rows(self, start: int = 0) -> Iterator[Row]:
            for row in asap.open_corpus([str(source)]).rows(start):
                if row.row == 16:
                    is_scoring.wait(30)
                    raise error
                yield row

    opened = asap.open_corpus([str(source)])
    corpus = InterruptedCorpus(opened.sources, opened.layout, opened.require)
    stalled = Tools(FakeCounter(), StalledScorer())
    try:
        with pytest.raises(error):
            asap.prune_corpus(corpus, tmp_path / "run", asap.load_recipe(), stalled, shard_rows=8)
        assert not release.is_set()
    finally:
        release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(30)
    # The shards that were in flight ended unwritten, and the run can be finished.
    assert list((tmp_path / "run" / "traces").iterdir()) == []
    result, run = prune(source, shard_rows=8)
    assert result.is_resumed
    assert len(run.data) == 40


def test_progress_adds_up(prune: Prune, source: Path) -> None:
    steps: list[Progress] = []
    result, _ = prune(source, on_progress=steps.append, shard_rows=16)
    assert sum(step.n_rows for step in steps) == 40
    assert sum(step.tokens_before for step in steps) == result.summary.tokens_before
    assert sum(step.tokens_after for step in steps) == result.summary.tokens_after
