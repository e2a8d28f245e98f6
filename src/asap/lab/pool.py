"""Jobs side by side, each in a process of its own: models of the lab are too small for one of them
to fill several cores. A job is a function of plain values that leaves its result in a folder.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Any

from asap.run import count_cores

_LOOK_S = 2.0
"""Between two looks at how far the jobs are."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done: `run(*arguments)`, both importable by another process."""

    run: Callable[..., None]
    arguments: tuple[Any, ...]


def run_jobs(
    jobs: Sequence[Job], workers: int, on_look: Callable[[int], None] = lambda _: None
) -> None:
    """Do jobs, in any order; the first error ends the rest and is raised.

    Args:
        jobs: what is to be done.
        workers: how many at a time; the cores are shared out among them.
        on_look: called again and again with the number of jobs that are done.
    """
    workers = min(workers, len(jobs))
    threads = max(1, count_cores() // workers)
    with ThreadPoolExecutor(workers) as places:
        running = {places.submit(_run_in_process, job, threads) for job in jobs}
        try:
            while running:
                done, running = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                on_look(len(jobs) - len(running))
        except BaseException:
            begun = {future for future in running if not future.cancel()}
            # Nobody waits for what was begun: the same command goes on with what it has left.
            # Again and again, because a place may be about to start its process.
            while begun:
                for process in active_children():
                    process.terminate()
                _, begun = wait(begun, timeout=0.1)
            raise


def _run_in_process(job: Job, threads: int) -> None:
    """A process for one job, so that its peak memory is its own.

    An executor with `max_tasks_per_child=1` for all jobs would be shorter, but hangs now and then
    where workers are replaced (python/cpython#115634, in every Python that asap supports).
    """
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_begin, initargs=(os.getpid(), threads)
    ) as executor:
        executor.submit(job.run, *job.arguments).result()


def _begin(parent: int, threads: int) -> None:
    """What every worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends its workers
    os.environ["OMP_NUM_THREADS"] = str(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with(parent: int) -> None:
    """A worker whose parent was killed would otherwise finish its job for nobody."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
