"""One shard from rows to tables: segment, count, prune, record. The same steps on any executor.

It neither reads inputs nor writes files, and knows no backend beyond the tools it is handed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from asap.corpus import Row
from asap.prune import Method, Tools
from asap.run.ledger import DATA, TRACES
from asap.trace import (
    Budget,
    Excluded,
    Kept,
    Outcome,
    Rewritten,
    Segmenter,
    Trace,
    Variant,
    count_tokens,
    render_completion,
    segment_trace,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one batch has added: for a progress bar."""

    n_rows: int
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is done with every row, whichever machine does it."""

    method: Method
    budget: Budget
    segmenter: Segmenter
    tools: Tools
    batch_rows: int
    keep_columns: tuple[str, ...] = ()

    def prune_rows(
        self, rows: Sequence[Row], on_progress: Callable[[Progress], None] = lambda _: None
    ) -> tuple[pa.Table, pa.Table]:
        """Prune the rows of one shard.

        Returns:
            The tables `data` (what one trains on) and `traces` (the evidence).
        """
        data: list[dict[str, Any]] = []
        traces: list[dict[str, Any]] = []
        for start in range(0, len(rows), self.batch_rows):
            batch = rows[start : start + self.batch_rows]
            pruned = list(self._prune_batch(batch))
            new = [
                {**record, **self._kept_columns(row)}
                for row, (_, records) in zip(batch, pruned, strict=True)
                for record in records
            ]
            data += new
            traces += [evidence for evidence, _ in pruned]
            before = sum(evidence["tokens_before"] or 0 for evidence, _ in pruned)
            on_progress(Progress(len(batch), before, sum(r["tokens_after"] for r in new)))
        schema = DATA
        for column in self.keep_columns:
            schema = schema.append(pa.field(column, pa.string()))
        return pa.Table.from_pylist(data, schema), pa.Table.from_pylist(traces, TRACES)

    def _prune_batch(
        self, batch: Sequence[Row]
    ) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Evidence and training rows of each row, in order."""
        usable = [row.outcome for row in batch if isinstance(row.outcome, Trace)]
        with self.tools.clock.time("segment and count"):
            segmented = [segment_trace(trace, self.segmenter) for trace in usable]
            counted = count_tokens(segmented, self.tools.counter)
        outcomes = iter(zip(counted, self._prune(counted), strict=True))
        for row in batch:
            if isinstance(row.outcome, Trace):
                trace, outcome = next(outcomes)
                yield self._record(row, trace, outcome)
            else:
                yield self._record(row, None, row.outcome)

    def _prune(self, traces: Sequence[Trace]) -> list[Outcome]:
        return self.method.prune(traces, self.budget, self.tools) if traces else []

    def _record(
        self, row: Row, trace: Trace | None, outcome: Outcome
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        variants: tuple[tuple[Variant, int], ...] = ()
        if isinstance(outcome, Kept):
            variants = ((Variant("", outcome.thinking), outcome.n_tokens),)
        elif isinstance(outcome, Rewritten):
            counts = self.tools.counter.count([v.thinking for v in outcome.variants])
            variants = tuple(zip(outcome.variants, counts, strict=True))
        evidence = _evidence(row, trace, outcome)
        if isinstance(outcome, Rewritten):
            _, n_tokens = variants[0]
            # Without stages nothing is gone before the whole is done.
            evidence.update(tokens_after_stage1=n_tokens, tokens_after=n_tokens)
        if trace is None or trace.tokens is None:
            return evidence, []
        records = [
            {
                "row": row.row,
                "id": row.id,
                "variant": variant.name,
                "prompt": trace.question + variant.prompt_suffix,
                "completion": render_completion(variant.thinking, trace.answer),
                "tokens_before": trace.tokens.total,
                "tokens_after": n_tokens,
            }
            for variant, n_tokens in variants
        ]
        return evidence, records

    def _kept_columns(self, row: Row) -> dict[str, str | None]:
        """The input's own columns: text as it is, everything else as JSON, so that all shards have
        one schema.
        """
        kept: dict[str, str | None] = {}
        for column in self.keep_columns:
            value = row.columns.get(column)
            is_text = value is None or isinstance(value, str)
            kept[column] = value if is_text else json.dumps(value, ensure_ascii=False, default=str)
        return kept


def _evidence(row: Row, trace: Trace | None, outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = dict.fromkeys(TRACES.names)
    record.update(row=row.row, id=row.id, outcome=type(outcome).__name__.lower())
    if trace is not None and trace.tokens is not None:
        record.update(
            question=trace.question,
            thinking=trace.thinking,
            answer=trace.answer,
            tokens_before=trace.tokens.total,
        )
    if isinstance(outcome, Excluded):
        record.update(reason=outcome.reason, detail=outcome.detail)
    else:
        evidence = outcome.evidence
        record.update(
            anchor=evidence.anchor,
            reply=evidence.reply,
            stage1={
                "mode": evidence.stage1.mode,
                "attempts": evidence.stage1.attempts,
                "prompt_version": evidence.stage1.prompt_version,
                "failure": evidence.stage1.failure,
            },
            score_name=evidence.score_name,
        )
    if isinstance(outcome, Kept):
        selection = outcome.selection
        n_stage1 = min(selection.n_stage1, selection.n_removed)
        tokens = outcome.subject.tokens
        assert tokens is not None
        if trace is not None and outcome.subject.thinking != trace.thinking:
            # The reply's wording is used: what the spans index, without the reply's wrapping.
            record["reply"] = outcome.subject.thinking
        record.update(
            steps=_steps(outcome),
            steps_before=len(trace.steps) if trace else None,
            steps_after_stage1=len(selection.fates) - selection.fates.count("stage1"),
            steps_after=len(selection.kept),
            removal_order=selection.removal_order,
            tokens_after_removal=selection.tokens_after_removal,
            tokens_after_stage1=selection.tokens_after_removal[n_stage1 - 1]
            if n_stage1
            else tokens.total,
            tokens_after=outcome.n_tokens,
        )
    elif isinstance(outcome, Rewritten):
        record.update(rewritten=outcome.variants[0].thinking)
    return record


def _steps(outcome: Kept) -> list[dict[str, Any]]:
    evidence, tokens = outcome.evidence, outcome.subject.tokens
    assert tokens is not None
    n_steps = len(outcome.subject.steps)
    columns = {
        name: values if values else (None,) * n_steps
        for name, values in (
            ("surprisal", evidence.surprisal),
            ("score", evidence.score),
            ("first_token", evidence.first_token),
            ("match", evidence.matches),
            ("reason", [reason and reason.name for reason in evidence.reasons]),
            ("reason_step", [reason and reason.step_index for reason in evidence.reasons]),
        )
    }
    return [
        {
            "start": step.start,
            "end": step.end,
            "n_tokens": tokens.inner[i],
            "fate": outcome.selection.fates[i],
            **{name: values[i] for name, values in columns.items()},
        }
        for i, step in enumerate(outcome.subject.steps)
    ]
