"""The sign that stops a whole client: once it is up, no further request is sent.

It ends waits (for a free slot, between attempts) at once in every task. Requests on the wire are
cut off only when asked for; replies that are already being paid for may otherwise still arrive.
Lives in one event loop and is not for use by several threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asap.errors import RunStopped


class StopSign:
    """Put up once, with the error that every later request ends in; the first one stands."""

    def __init__(self) -> None:
        self._error: RunStopped | None = None
        self._waits: dict[asyncio.Timeout, bool] = {}

    def check(self) -> None:
        """Raise if the sign is up."""
        if self._error is not None:
            # A copy: one exception raised in many tasks would collect all their tracebacks.
            raise type(self._error)(str(self._error))

    def put_up(self, error: RunStopped, *, cut_off: bool) -> None:
        """Stop all waits and, with `cut_off`, the requests on the wire too."""
        if self._error is not None:
            return
        self._error = error
        for wait, is_on_the_wire in self._waits.items():
            if (cut_off or not is_on_the_wire) and not wait.expired():
                wait.reschedule(0)

    @asynccontextmanager
    async def watched(
        self, timeout_s: float | None = None, *, is_on_the_wire: bool = False
    ) -> AsyncIterator[None]:
        """Limit the body to `timeout_s` and to the time until the sign goes up.

        Raises:
            RunStopped: the sign is up.
            TimeoutError: the time is up and the sign is not.
        """
        self.check()
        try:
            async with asyncio.timeout(timeout_s) as wait:
                self._waits[wait] = is_on_the_wire
                try:
                    yield
                finally:
                    del self._waits[wait]
        except TimeoutError:
            self.check()
            raise
