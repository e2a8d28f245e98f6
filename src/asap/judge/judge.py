"""Judging many solutions: several at once, verdicts in order, time-outs tried again alone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue

from asap.errors import InputError
from asap.judge.limits import Timing
from asap.judge.problem import Problem, Verdict
from asap.judge.sandbox import SandboxRecord, open_station
from asap.judge.station import Station, Stdin

_AHEAD = 16
"""Pairs taken in advance for each worker, so that one slow problem does not idle the others."""
_NOT_ENTERED = "enter the judge first: with Judge() as judge"


class Judge:
    """Runs untrusted solutions against the tests of problems.

    It withstands code that reads, writes, connects, forks, signals or forges; it does not hide
    which paths exist, and it trusts the kernel.

    Args:
        workers: problems judged at the same time, each on a core of its own.
        timing: `robust` limits CPU time; `paper` limits wall time as the paper's code does, and
            tries nothing again.
        stdin: how programs are run: as processes with a `real` stdin, or the `official` way of
            LiveCodeBench.
        unsafe: go on where the sandbox is incomplete. The layers that exist are used all the same.

    Raises:
        InputError: `workers` is less than 1.

    Example:
        with Judge(workers=8) as judge:
            for verdict in judge.judge(pairs): ...
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        timing: Timing = "robust",
        stdin: Stdin = "real",
        unsafe: bool = False,
    ) -> None:
        if workers < 1:
            raise InputError(f"workers is {workers}: give 1 or more")
        self._workers = workers
        self._timing: Timing = timing
        self._stdin: Stdin = stdin
        self._unsafe = unsafe
        self._stack = ExitStack()
        self._free: SimpleQueue[Station] = SimpleQueue()
        self._floor = _Floor()
        self._record: SandboxRecord | None = None

    def __enter__(self) -> Judge:
        """Start the processes and attack the sandbox.

        Raises:
            SandboxError: no safe sandbox can be had here, and `unsafe` is not set.
        """
        with ExitStack() as stack:
            station, self._record = open_station(
                self._workers, self._timing, self._stdin, self._unsafe
            )
            stack.callback(station.close)
            self._free.put(station)
            wrapped = "bubblewrap" in self._record.kind
            for _ in range(self._workers - 1):
                station = Station(wrapped, self._timing, self._stdin)
                stack.callback(station.close)
                self._free.put(station)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def sandbox(self) -> SandboxRecord:
        """What contains the code; known once the judge has been entered."""
        if self._record is None:
            raise RuntimeError(_NOT_ENTERED)
        return self._record

    def judge(self, pairs: Iterable[tuple[Problem, str]]) -> Iterator[Verdict]:
        """Judge solutions.

        Args:
            pairs: a problem and the text of a solution each; read as far ahead as there is work.

        Yields:
            One verdict per pair, in order.

        Raises:
            InputError: a problem itself cannot be run: its preamble or its tests fail by
                themselves.
        """
        if self._record is None:
            raise RuntimeError(_NOT_ENTERED)
        pending: deque[Future[Verdict]] = deque()
        executor = ThreadPoolExecutor(self._workers)
        try:
            for problem, solution in pairs:
                pending.append(executor.submit(self._judge_one, problem, solution))
                if len(pending) >= _AHEAD * self._workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def run(self, programs: Iterable[str]) -> Iterator[str | None]:
        """Run programs that read nothing, one after another.

        Args:
            programs: the text of each; under `stdin="official"` they run as that wraps them.

        Yields:
            What each printed, in order; None where it did not end well: an exception, a limit, too
            much output. It is the program's own word: evidence of nothing but itself.
        """
        if self._record is None:
            raise RuntimeError(_NOT_ENTERED)
        for program in programs:
            station = self._free.get()
            try:
                output = station.run(program)
            finally:
                self._free.put(station)
            yield output

    def _judge_one(self, problem: Problem, solution: str) -> Verdict:
        station = self._free.get()
        try:
            with self._floor.share():
                verdict = station.judge(problem, solution)
            if verdict.outcome == "timed_out" and self._timing == "robust":
                with self._floor.have_alone():
                    verdict = station.judge(problem, solution)
            return verdict
        finally:
            self._free.put(station)


class _Floor:
    """Many may share it, or one may have it alone; whoever wants it alone is next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n_sharing = 0
        self._n_waiting = 0
        self._is_taken = False

    @contextmanager
    def share(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._n_waiting)
            self._n_sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def have_alone(self) -> Iterator[None]:
        with self._changed:
            self._n_waiting += 1
            self._changed.wait_for(lambda: not self._n_sharing and not self._is_taken)
            self._is_taken = True
        try:
            yield
        finally:
            with self._changed:
                self._n_waiting -= 1
                self._is_taken = False
                self._changed.notify_all()
