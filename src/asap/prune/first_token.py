"""Stage 2: order the steps by first-token surprisal (section 3.3 and Algorithm 2 of the paper).

S_i = -log p(first token of step i | question, the steps before i that survived stage 1), Eq. 2.
The lowest goes first. With `rounds = 1` every step is scored once, as in the paper; with more,
what is left is scored again on the way down. The model is behind `StepScorer`; the bookkeeping of
budgets is in `drop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asap.prune.drop import Group, drop_until, order_by_score, round_limits
from asap.prune.method import Ties
from asap.prune.passage import governed_by_header
from asap.surprisal import ScoreRequest, StepScorer, StepScores
from asap.trace import StepTokens, Trace, keep_steps


@dataclass(frozen=True, slots=True)
class Ranking:
    """Stage 2's order for one trace and what it was made from, by step index (None: dropped before
    it was scored).
    """

    groups: tuple[Group, ...]
    surprisal: tuple[float | None, ...]
    first_token: tuple[str | None, ...]


def rank_by_surprisal(
    traces: Sequence[Trace],
    survivors: Sequence[tuple[int, ...]],
    limits: Sequence[int],
    scorer: StepScorer,
    *,
    rounds: int = 1,
    ties: Ties = "later",
    keep_headers: bool = True,
) -> list[Ranking]:
    """Order what stage 1 left of each trace.

    Args:
        traces: traces with steps and token counts.
        survivors: for each trace the step indices that stage 1 left, ascending.
        limits: for each trace its budget in tokens; only `rounds` above 1 looks at it.
        scorer: the model.
        rounds: how often each trace is scored.
        ties: which of two equal steps goes first.
        keep_headers: a header goes with the last step it governs and is not ranked itself.

    Returns:
        One ranking per trace; its groups cover the survivors.
    """
    states = [
        _State(trace, kept, limit, rounds, ties, keep_headers)
        for trace, kept, limit in zip(traces, survivors, limits, strict=True)
    ]
    for round_index in range(rounds):
        waiting = [state for state in states if round_index < len(state.ends)]
        scores = scorer.score([state.request() for state in waiting])
        for state, step_scores in zip(waiting, scores, strict=True):
            state.rank(step_scores, round_index)
    return [
        Ranking(tuple(state.groups), tuple(state.surprisal), tuple(state.first_token))
        for state in states
    ]


class _State:
    """One trace on its way down."""

    def __init__(
        self,
        trace: Trace,
        kept: tuple[int, ...],
        limit: int,
        rounds: int,
        ties: Ties,
        keep_headers: bool,
    ) -> None:
        assert trace.tokens is not None
        self.trace = trace
        self.tokens: StepTokens = trace.tokens
        self.kept = kept
        self.ties = ties
        self.headers = governed_by_header(trace) if keep_headers else {}
        self.groups: list[Group] = []
        self.surprisal: list[float | None] = [None] * len(trace.steps)
        self.first_token: list[str | None] = [None] * len(trace.steps)
        n_tokens = sum(self.tokens.inner[i] for i in kept)
        self.ends = round_limits(n_tokens, limit, rounds)

    def request(self) -> ScoreRequest:
        """What is left, as text."""
        text, steps = keep_steps(self.trace, self.kept)
        return ScoreRequest(self.trace.question, text, steps)

    def rank(self, scores: StepScores, round_index: int) -> None:
        """Take this round's scores; commit to the removals that this round is for, or to all in the
        last one.
        """
        for step_index, value, token in zip(
            self.kept, scores.surprisal, scores.first_token, strict=True
        ):
            self.surprisal[step_index] = value
            self.first_token[step_index] = token
        by_step = dict(zip(self.kept, scores.surprisal, strict=True))
        groups = order_by_score(by_step, self.headers, self.ties)
        if round_index + 1 < len(self.ends):
            groups = groups[: self._n_groups_until(groups, self.ends[round_index])]
        self.groups += groups
        gone = {step_index for group in groups for step_index in group}
        self.kept = tuple(step_index for step_index in self.kept if step_index not in gone)

    def _n_groups_until(self, groups: Sequence[Group], limit: int) -> int:
        """`drop_until` on the steps that are left."""
        local = {step_index: position for position, step_index in enumerate(self.kept)}
        inner = tuple(self.tokens.inner[i] for i in self.kept)
        last = tuple(self.tokens.last[i] for i in self.kept)
        order = [tuple(local[i] for i in group) for group in groups]
        return drop_until(StepTokens(sum(inner), inner, last), order, limit)
