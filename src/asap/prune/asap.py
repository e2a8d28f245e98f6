"""ASAP, the paper's method (arXiv 2508.05988), in the paper's order.

Stage 1 prunes coarsely against an anchor, a direct solution (section 3.2, Algorithm 1); stage 2
ranks what is left by first-token surprisal and drops the unsurprising until the budget holds
(section 3.3, Algorithm 2, Eq. 2). Each stage is a file of its own; this one says in which order
they go and what becomes of their failures.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from asap.chat import Chat
from asap.prune.anchor import ask_anchor
from asap.prune.batch import ask_batch
from asap.prune.coarse import Coarse, CoarseFailure
from asap.prune.drop import Fitted, Group, Order, fit_to_budget
from asap.prune.extract import find_drops
from asap.prune.first_token import Ranking, rank_by_surprisal
from asap.prune.method import Method, Need, Options, Tools
from asap.prune.passage import governed_by_header
from asap.prune.rewrite import rewrite_steps
from asap.prune.select import select_steps
from asap.trace import (
    Budget,
    Evidence,
    Excluded,
    Kept,
    Outcome,
    Stage1,
    StepReason,
    Trace,
    count_tokens,
)


def build_without_stage1(options: Options) -> Method:
    """The paper's ablation without coarse pruning: every step is ranked by surprisal."""
    return Asap(replace(options, stage1="none"))


def build_without_stage2(options: Options) -> Method:
    """The paper's ablation without surprisal: what stage 1 leaves, whatever the budget."""
    return Asap(replace(options, stage2="none"))


def build_original(options: Options) -> Method:
    """Neither stage: the trace as it was."""
    return Asap(replace(options, stage1="none", stage2="none"))


@dataclass(frozen=True, slots=True)
class Draft:
    """What stage 1 made of a trace."""

    subject: Trace
    """The trace, or the reply as a trace where the reply's wording is used."""
    drops: tuple[Group, ...]
    """Stage 1's removals, first to go first."""
    can_undo: bool
    """Whether a budget that has room takes the last removals back (`extract`)."""
    evidence: Evidence

    @property
    def survivors(self) -> tuple[int, ...]:
        """Step indices that stage 1 leaves, ascending."""
        gone = {step_index for group in self.drops for step_index in group}
        return tuple(i for i in range(len(self.subject.steps)) if i not in gone)


class Asap:
    """The two stages. `options` are the recipe's."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def needs(self) -> frozenset[Need]:
        """An LLM for two ways of stage 1, a scorer for stage 2."""
        chat: set[Need] = {"chat"} if self.options.stage1 in ("select", "rewrite") else set()
        scorer: set[Need] = {"scorer"} if self.options.stage2 == "first-token" else set()
        return frozenset(chat | scorer)

    @property
    def has_budget(self) -> bool:
        """Stage 1 alone has none."""
        return self.options.stage2 != "none"

    def prune(self, batch: Sequence[Trace], budget: Budget, tools: Tools) -> list[Outcome]:
        """Prune a batch of traces; see `Method.prune`."""
        outcomes: list[Outcome | None] = [None] * len(batch)
        drafts: dict[int, Draft] = {}
        with tools.clock.time("stage 1"):
            coarse = self.prune_coarsely(batch, tools)
        for i, draft in enumerate(coarse):
            if isinstance(draft, Excluded):
                outcomes[i] = draft
            else:
                drafts[i] = draft
        limits = [self.limit(batch[i], budget) for i in drafts]
        with tools.clock.time("stage 2"):
            rankings = self.rank(list(drafts.values()), limits, tools)
        orders = [
            self._order(draft, ranking, limit)
            for draft, ranking, limit in zip(drafts.values(), rankings, limits, strict=True)
        ]
        with tools.clock.time("fit to budget"):
            fitted = fit_to_budget(
                orders, tools.counter, self.options.render, self.options.on_step_over_budget
            )
        for (i, draft), ranking, result in zip(drafts.items(), rankings, fitted, strict=True):
            outcomes[i] = _outcome(draft, ranking, result)
        return [outcome for outcome in outcomes if outcome is not None]

    def limit(self, trace: Trace, budget: Budget) -> int:
        """The budget of one trace in tokens: a share is one of the whole thinking; stage 1 alone
        has none.
        """
        assert trace.tokens is not None
        if not self.has_budget:
            return sys.maxsize
        return budget.limit(trace.tokens.total)

    def prune_coarsely(self, batch: Sequence[Trace], tools: Tools) -> list[Draft | Excluded]:
        """Stage 1, in the mode that the options name."""
        mode = self.options.stage1
        if mode == "none":
            return [Draft(trace, (), False, Evidence()) for trace in batch]
        if mode == "extract":
            return [self._extract(trace, Stage1("extract")) for trace in batch]
        chat = tools.need_chat()
        replies = ask_batch(batch, self._ask, chat)
        drafts = [self._draft(trace, reply) for trace, reply in zip(batch, replies, strict=True)]
        return _with_token_counts(drafts, tools)

    def rank(self, drafts: Sequence[Draft], limits: Sequence[int], tools: Tools) -> list[Ranking]:
        """Stage 2: an order for what stage 1 left; without stage 2, from the end, and nothing else
        goes.
        """
        survivors = [draft.survivors for draft in drafts]
        if self.options.stage2 == "none":
            return [
                Ranking(
                    tuple((i,) for i in reversed(kept)),
                    (None,) * len(draft.subject.steps),
                    (None,) * len(draft.subject.steps),
                )
                for draft, kept in zip(drafts, survivors, strict=True)
            ]
        return rank_by_surprisal(
            [draft.subject for draft in drafts],
            survivors,
            limits,
            tools.need_scorer(),
            rounds=self.options.rounds,
            ties=self.options.ties,
            keep_headers=self.options.keep_headers,
        )

    def _order(self, draft: Draft, ranking: Ranking, limit: int) -> Order:
        """Both stages' removals as one order; only `extract` before a stage 2 may be undone by a
        large budget.
        """
        n_stage1 = sum(map(len, draft.drops))
        is_fixed = self.options.stage2 == "none" or not draft.can_undo
        groups = draft.drops + ranking.groups
        return Order(draft.subject, groups, n_stage1, n_stage1 if is_fixed else 0, limit)

    async def _ask(self, trace: Trace, chat: Chat) -> Coarse | CoarseFailure:
        """Anchor, then the pruning that leans on it."""
        options = self.options
        anchor = await ask_anchor(trace, chat)
        if isinstance(anchor, CoarseFailure):
            return anchor
        if options.stage1 == "select":
            return await select_steps(trace, anchor, chat, options.stage1_attempts)
        return await rewrite_steps(
            trace,
            anchor,
            chat,
            options.stage1_attempts,
            options.similarity,
            options.segment,
            options.wording,
        )

    def _draft(self, trace: Trace, reply: Coarse | CoarseFailure) -> Draft | Excluded:
        """An LLM's pruning as a draft, or what `on_stage1_failure` makes of a failed one."""
        options = self.options
        if isinstance(reply, CoarseFailure):
            if options.on_stage1_failure == "exclude":
                return Excluded("stage1_failed", f"{reply.reason} after {reply.attempts} attempts")
            attempts = 0 if reply.anchor is None else reply.attempts
            return self._extract(
                trace, Stage1("extract", attempts, failure=reply.reason), reply.anchor
            )
        kept = set(reply.kept)
        left_bare: set[int] = set()
        if options.keep_headers:
            headers = governed_by_header(reply.subject)
            left_bare = {header for header, body in headers.items() if kept.isdisjoint(body)}
        gone = {
            i: StepReason("header" if i in kept else "not_in_reply")
            for i in range(len(reply.subject.steps))
            if i not in kept or i in left_bare
        }
        dropped = tuple(gone)
        evidence = Evidence(
            stage1=Stage1(options.stage1, reply.attempts, reply.prompt_version),
            anchor=reply.anchor,
            reply=reply.reply,
            matches=reply.matches,
            reasons=_by_step(reply.subject, gone),
        )
        return Draft(reply.subject, (dropped,) if dropped else (), False, evidence)

    def _extract(self, trace: Trace, stage1: Stage1, anchor: str | None = None) -> Draft:
        drops = find_drops(trace, self.options.stage1_ratio)
        evidence = Evidence(stage1, anchor, reasons=_by_step(trace, drops.reasons))
        return Draft(trace, drops.groups, True, evidence)


def _by_step(subject: Trace, reasons: Mapping[int, StepReason]) -> tuple[StepReason | None, ...]:
    return tuple(reasons.get(i) for i in range(len(subject.steps)))


def _with_token_counts(drafts: Sequence[Draft | Excluded], tools: Tools) -> list[Draft | Excluded]:
    """Count the replies that became subjects of their own."""
    missing = {
        i: draft
        for i, draft in enumerate(drafts)
        if isinstance(draft, Draft) and draft.subject.tokens is None
    }
    counted = count_tokens([draft.subject for draft in missing.values()], tools.counter)
    result = list(drafts)
    for (i, draft), subject in zip(missing.items(), counted, strict=True):
        result[i] = replace(draft, subject=subject)
    return result


def _outcome(draft: Draft, ranking: Ranking, result: Fitted | Excluded) -> Outcome:
    if isinstance(result, Excluded):
        return result
    evidence = replace(draft.evidence, surprisal=ranking.surprisal, first_token=ranking.first_token)
    return Kept(draft.subject, result.selection, result.thinking, result.n_tokens, evidence)
