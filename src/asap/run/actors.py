"""What runs in actors of a cluster: a model, the router to several, and the desk that asks the LLM.

Plain classes: the executor makes actors of them, and nothing here knows by what.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

from asap.chat import ChatRequest, Usage
from asap.errors import ClusterError, ClusterLost
from asap.run.travel import Answer, Site, pack_error, try_call

Kind = Literal["scorer", "classifier"]
MAX_DEATHS = 5
"""How many models one call may see die under it."""


class Model:
    """An actor with one scorer or one classifier."""

    def __init__(self, kind: Kind, site: Site, n_threads: int | None) -> None:
        self._kind = kind
        self._site = site
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._model: Any = None
        if n_threads is not None:
            # Read when torch is imported, which is when the model is loaded.
            os.environ["OMP_NUM_THREADS"] = str(n_threads)

    def describe(self) -> Answer:
        """The model's name and, of a scorer, what it can tell, once it is loaded."""
        return try_call(lambda: (self._load().name, getattr(self._load(), "statistics", None)))

    def call(self, method: str, arguments: tuple[Any, ...]) -> Answer:
        """What a method of the model says."""
        return try_call(lambda: getattr(self._load(), method)(*arguments))

    def _load(self) -> Any:
        with self._lock:
            if self._model is None:
                self._site.enter()
                tools = self._stack.enter_context(self._site.opener(frozenset({self._kind})))
                self._model = getattr(tools, self._kind)
            return self._model


@dataclass(slots=True)
class _Ready:
    """A model that answers."""

    n_calls: int = 0


class Router:
    """An asynchronous actor that hands calls to the least busy of the models that answer.

    A model that died takes no calls until it answers again: where its machine does not come back,
    the others go on without it.

    Args:
        models: actors of `Model`.
        died: what a call of an actor that has died raises.
    """

    def __init__(self, models: Sequence[Any], died: type[Exception]) -> None:
        self._models = models
        self._died = died
        self._ready: dict[int, _Ready] = {}
        self._about: tuple[str, Any] | None = None
        self._error: Exception | None = None
        self._changed = asyncio.Condition()
        self._watches: set[asyncio.Task[None]] = set()

    async def meet(self) -> Answer:
        """What the models say of themselves, once one of them answers; to be called first."""
        for i in range(len(self._models)):
            self._watch(i)
        async with self._changed:
            await self._changed.wait_for(lambda: self._error or self._ready)
        return self._about, self._error

    async def call(self, method: str, arguments: tuple[Any, ...]) -> Answer:
        """What a method of one of the models says."""
        for _ in range(MAX_DEATHS):
            async with self._changed:
                await self._changed.wait_for(lambda: self._error or self._ready)
                if self._error is not None:
                    return None, self._error
                i = min(self._ready, key=lambda each: self._ready[each].n_calls)
                ready = self._ready[i]
                ready.n_calls += 1
            try:
                answer: Answer = await self._models[i].call.remote(method, arguments)
                return answer
            except self._died:
                if self._ready.get(i) is ready:
                    del self._ready[i]
                    self._watch(i)
            finally:
                ready.n_calls -= 1
        lost = f"{MAX_DEATHS} models died over one batch of rows: is there memory enough for it?"
        return None, ClusterLost(f"{lost} What is finished stays, the same command goes on")

    def _watch(self, i: int) -> None:
        watch = asyncio.get_running_loop().create_task(self._wait_for(i))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _wait_for(self, i: int) -> None:
        while True:
            try:
                about, error = await self._models[i].describe.remote()
                break
            except self._died:
                await asyncio.sleep(1.0)
        async with self._changed:
            if error is None and self._about is not None and self._about != about:
                error = ClusterError(
                    f"the machines have different models: {self._about[0]} and {about[0]}; "
                    "name one --dtype and give all of them the same weights"
                )
            if error is None:
                self._about = about
                self._ready[i] = _Ready()
            self._error = self._error or error
            self._changed.notify_all()


class Desk:
    """The asynchronous actor that asks the LLM for all machines: limits, cache and key are its own.

    It has one event loop, that of the actor, in which the client's coroutines run.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stack = ExitStack()
        self._chat: Any = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def open(self) -> Answer:
        """The model's name; the first call opens the client."""
        return try_call(lambda: self._open().model)

    async def ask(self, request: ChatRequest) -> Answer:
        """A reply, or the error that the request ended in."""
        task = asyncio.get_running_loop().create_task(self._ask(request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        # A caller that dies takes nothing with it: the reply is stored for who asks next.
        return await asyncio.shield(task)

    async def usage(self) -> Usage:
        """What was used on the whole cluster."""
        usage: Usage = self._open().usage
        return usage

    async def drain(self) -> None:
        """Wait for the requests under way: their replies are paid for."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _ask(self, request: ChatRequest) -> Answer:
        try:
            return await self._open().ask(request), None
        except Exception as error:
            return None, pack_error(error)

    def _open(self) -> Any:
        if self._chat is None:
            self._site.enter()
            self._chat = self._stack.enter_context(self._site.opener(frozenset({"chat"}))).chat
        return self._chat
