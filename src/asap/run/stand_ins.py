"""Stand-ins for a run's backends that are on other machines: a scorer, a classifier, an LLM."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from asap.chat import ChatRequest, LoopThread, Reply, Usage
from asap.run.travel import open_answer
from asap.surprisal import ScoreRequest, Statistic, StepScores, TokenLabels, TokenScores

T = TypeVar("T")


class Wire(Protocol):
    """The way to an actor; it pickles."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the actor and wait for what it returns."""
        ...

    async def wait_for(self, method: str, *arguments: Any) -> Any:
        """The same, in an event loop."""
        ...


class _Remote:
    """A stand-in for a model behind a router."""

    def __init__(self, name: str, wire: Wire) -> None:
        self._name = name
        self._wire = wire

    @property
    def name(self) -> str:
        """As the model says."""
        return self._name

    def _call(self, method: str, *arguments: Any) -> Any:
        return open_answer(self._wire.call("call", method, arguments))


class RemoteScorer(_Remote):
    """A `StepScorer` that is somewhere on the cluster."""

    def __init__(self, name: str, statistics: frozenset[Statistic], wire: Wire) -> None:
        super().__init__(name, wire)
        self._statistics = statistics

    @property
    def statistics(self) -> frozenset[Statistic]:
        """See `StepScorer`."""
        return self._statistics

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """See `StepScorer`."""
        scores: list[StepScores] = self._call("score", requests, statistics)
        return scores

    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """See `StepScorer`."""
        scores: list[TokenScores] = self._call("score_tokens", texts)
        return scores

    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """See `StepScorer`."""
        rises: list[tuple[float, ...]] = self._call("score_left_out", requests, suffix_tokens)
        return rises


class RemoteClassifier(_Remote):
    """A `TokenClassifier` that is somewhere on the cluster."""

    def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
        """See `TokenClassifier`."""
        labels: list[TokenLabels] = self._call("classify", texts)
        return labels


class RemoteChat:
    """A `Chat` whose client is the desk."""

    def __init__(self, model: str, wire: Wire) -> None:
        self._model = model
        self._wire = wire
        self._loop = LoopThread("asap-remote-chat")

    def __reduce__(self) -> tuple[type[RemoteChat], tuple[str, Wire]]:
        """Without the loop: each process has its own."""
        return RemoteChat, (self._model, self._wire)

    @property
    def model(self) -> str:
        """As the client says."""
        return self._model

    @property
    def usage(self) -> Usage:
        """Of the whole cluster."""
        usage: Usage = self._wire.call("usage")
        return usage

    async def ask(self, request: ChatRequest) -> Reply:
        """See `Chat`."""
        reply: Reply = open_answer(await self._wire.wait_for("ask", request))
        return reply

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """See `Chat`; the loop is this process's own, the limits are the cluster's."""
        return self._loop.run(work)

    def close(self) -> None:
        """End the loop; the client is the cluster's."""
        self._loop.close()
