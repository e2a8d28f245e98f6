"""What every method has in common that gives each step one score: drop the lowest until the budget
holds.

The methods themselves are functions from traces to scores, each in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asap.prune.drop import Fitted, Order, fit_to_budget, order_by_score
from asap.prune.method import Need, Options, Tools
from asap.prune.passage import governed_by_header
from asap.surprisal import ScoreRequest
from asap.trace import Budget, Evidence, Excluded, Kept, Outcome, Trace

ScoreSteps = Callable[[Sequence[Trace], Options, Tools], list[Sequence[float]]]
"""Traces with token counts -> one value per step of each; the lowest goes first."""


@dataclass(frozen=True, slots=True)
class StepLevel:
    """A `Method` made of one score per step.

    With `keep_headers` a header is not ranked: it goes with the last step that it governs.
    """

    options: Options
    score_name: str
    """What stands beside the scores in a run's record."""
    score_steps: ScoreSteps
    needs: frozenset[Need] = frozenset()
    has_budget: bool = True

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Prune a batch of traces; see `Method.prune`."""
        options = self.options
        with tools.clock.time("score"):
            scores = self.score_steps(batch, options, tools)
        orders = [
            self._order(trace, values, budget) for trace, values in zip(batch, scores, strict=True)
        ]
        with tools.clock.time("fit to budget"):
            fitted = fit_to_budget(
                orders, tools.counter, options.render, options.on_step_over_budget
            )
        return [
            self._outcome(trace, values, result)
            for trace, values, result in zip(batch, scores, fitted, strict=True)
        ]

    def _order(self, trace: Trace, values: Sequence[float], budget: Budget) -> Order:
        assert trace.tokens is not None
        headers = governed_by_header(trace) if self.options.keep_headers else {}
        groups = order_by_score(dict(enumerate(values)), headers, self.options.ties)
        return Order(trace, tuple(groups), 0, 0, budget.limit(trace.tokens.total))

    def _outcome(self, trace: Trace, values: Sequence[float], result: Fitted | Excluded) -> Outcome:
        if isinstance(result, Excluded):
            return result
        evidence = Evidence(score_name=self.score_name, score=tuple(values))
        return Kept(trace, result.selection, result.thinking, result.n_tokens, evidence)


def request_whole(trace: Trace) -> ScoreRequest:
    """The whole thinking, as a scorer is asked about it."""
    return ScoreRequest(trace.question, trace.thinking, trace.steps)
