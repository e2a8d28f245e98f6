"""Progress bars: of a run (rows, tokens in and out, LLM tokens, time left), of an evaluation, of a
training. Only on a terminal, only on stderr.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from asap.chat import Chat
from asap.cli.terminal import Terminal
from asap.run import Progress


class _Bars:
    """Bars on stderr, a no-op where that is no terminal, and lines above them.

    Args:
        columns: what stands in a bar before its times.
        is_quiet: never show one, and say nothing.
    """

    def __init__(self, *columns: ProgressColumn, is_quiet: bool) -> None:
        self._console = Terminal(stderr=True)
        self._bar = Bar(
            *columns,
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=is_quiet or not self._console.is_terminal,
        )
        self._is_quiet = is_quiet

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, *lines: str) -> None:
        """Print lines on stderr, above the bars where there are some."""
        if not self._is_quiet:
            self._console.say(*lines)


class RunBar(_Bars):
    """A bar for one run; a no-op where stderr is no terminal.

    Args:
        total: rows to come, where that is known.
        is_quiet: never show it, and say nothing.
        verb: what is being done.
        unit: what is counted.
    """

    def __init__(
        self,
        total: int | None,
        is_quiet: bool = False,
        verb: str = "pruning",
        unit: str = "rows",
    ) -> None:
        super().__init__(
            TextColumn(verb),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit + "{task.fields[tokens]}"),
            is_quiet=is_quiet,
        )
        self._task = self._bar.add_task("", total=total, tokens="")
        self._before = self._after = 0
        self._lock = threading.Lock()

    def advance(self, step: Progress, chat: Chat | None = None) -> None:
        """Add what one batch has done."""
        with self._lock:
            self._before += step.tokens_before
            self._after += step.tokens_after
            text = ""
            if self._before:
                text = f" · {_short(self._before)} → {_short(self._after)} tokens"
        if chat is not None:
            text += f" · LLM {_short(chat.usage.total_tokens)} tokens"
        self._bar.update(self._task, advance=step.n_rows, tokens=text)


class EvalBar(_Bars):
    """One bar for each thing that a command does; where stderr is no terminal, a line for each
    tenth of it.

    Args:
        is_quiet: never show it, and say nothing.
    """

    def __init__(self, is_quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), is_quiet=is_quiet
        )
        self._tasks: dict[tuple[str, int], TaskID] = {}
        self._tenths: dict[TaskID, int] = {}
        self._lock = threading.Lock()

    def advance(self, stage: str, benchmark: str, n_done: int, n_all: int) -> None:
        """Say how far one thing has come."""
        with self._lock:
            key = (f"{stage} {benchmark}", n_all)
            if key not in self._tasks:
                self._tasks[key] = self._bar.add_task(key[0], total=n_all)
            task = self._tasks[key]
            tenths = n_done * 10 // n_all if n_all else 10
            is_news = tenths > self._tenths.get(task, -1)
            self._tenths[task] = tenths
        self._bar.update(task, completed=n_done)
        if is_news and self._bar.disable:
            self.say(f"{key[0].strip()}: {n_done:,} of {n_all:,}")


class TrainBar(_Bars):
    """A bar for rows read and one for steps with the loss; where stderr is no terminal, a line for
    each entry of the log.

    Args:
        is_quiet: never show anything.
    """

    def __init__(self, is_quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            is_quiet=is_quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def read(self, n_rows: int) -> None:
        """Add rows that were read."""
        self._bar.advance(self._find_task("reading rows", None), n_rows)

    def log(self, line: Mapping[str, Any], n_steps: int) -> None:
        """Take an entry of the log: its step, and a loss or one on rows held out."""
        name = "loss" if "loss" in line else "eval_loss"
        loss = f"{'held-out loss' if name == 'eval_loss' else 'loss'} {line[name]:.3f}"
        task = self._find_task("training", n_steps)
        self._bar.update(task, completed=line["step"], loss=loss)
        if self._bar.disable:
            self.say(f"step {line['step']:,} of {n_steps:,}: {loss}")

    def _find_task(self, description: str, total: int | None) -> TaskID:
        if description not in self._tasks:
            self._tasks[description] = self._bar.add_task(description, total=total, loss="")
        return self._tasks[description]


def _short(count: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)
