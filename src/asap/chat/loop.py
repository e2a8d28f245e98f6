"""One event loop in a thread of its own, shared by all threads that have work for a client.

One loop per client makes its limit on concurrency hold over all worker threads. The thread starts
with the first piece of work and ends with `close`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from asap.errors import RunStopped

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for any thread.

    Args:
        name: the thread's name.
        on_close: awaited in the loop when it ends, after all work in it was cancelled.
    """

    def __init__(self, name: str, on_close: Callable[[], Awaitable[None]] | None = None) -> None:
        self._name = name
        self._on_close = on_close
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for its end; interrupting the wait cancels it."""
        try:
            future = self._submit(work)
        except RuntimeError:
            work.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._is_closed:
                raise RunStopped("the LLM client was closed with requests under way") from None
            raise
        finally:
            future.cancel()

    def close(self) -> None:
        """Cancel what runs, then end the loop and its thread."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("close() was called from inside the client's own event loop")
        with self._lock:
            loop, thread = self._loop, self._thread
            was_closed, self._is_closed = self._is_closed, True
        if was_closed or loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._wind_up(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        # Under the lock, so that nothing is handed to a loop that `close` has already wound up: it
        # would never be run, and its caller would wait for ever.
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the LLM client is closed")
            if threading.current_thread() is self._thread:
                raise RuntimeError(
                    "run() was called from inside the client's own event loop: await instead"
                )
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name=self._name, daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _wind_up(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._on_close is not None:
            await self._on_close()
        await asyncio.get_running_loop().shutdown_asyncgens()
