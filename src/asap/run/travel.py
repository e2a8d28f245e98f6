"""What goes between the machines of a cluster: where a process is to be, and how its calls end.

Errors travel as values, so that they arrive as what they were.
"""

from __future__ import annotations

import os
import pickle
import socket
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

from asap.errors import AsapError
from asap.prune import Need, Tools

Answer = tuple[Any, Exception | None]
"""What a call came to: a value, or the error that it ended in."""
Opener = Callable[[frozenset[Need]], AbstractContextManager[Tools]]
"""Opens the tools that are needed in one process; goes to the cluster's machines, so pickles."""


@dataclass(frozen=True, slots=True)
class Site:
    """What every process on the cluster is told."""

    folder: str
    """The driver's, which relative paths are relative to, where a machine has it."""
    opener: Opener
    cache: str | None = None
    """The driver's `ASAP_CACHE`: a folder of the head's. What else is in the environment stays
    where it is, keys above all.
    """

    def enter(self) -> None:
        """Go to the driver's folder."""
        with suppress(OSError):
            os.chdir(self.folder)
        if self.cache:
            os.environ["ASAP_CACHE"] = self.cache


def try_call(call: Callable[[], Any]) -> Answer:
    """A call's value or its error, fit to travel."""
    try:
        return call(), None
    except Exception as error:
        return None, pack_error(error)


def pack_error(error: Exception) -> Exception:
    """An error that pickles; a defect's carries the traceback that stays behind."""
    if not isinstance(error, AsapError):
        error.add_note(f"on {socket.gethostname()}:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        stand_in = RuntimeError(f"{type(error).__name__}: {error}")
        stand_in.add_note("\n".join(getattr(error, "__notes__", ())))
        return stand_in
    return error


def open_answer(answer: Answer) -> Any:
    """The value, or the error raised."""
    value, error = answer
    if error is not None:
        raise error
    return value
