"""A comparison of methods on real traces: every arm, every trace, every target, every metric.

Each trace is pruned twice: as it is, and with planted passages. Nothing is trained. What a metric
means is said in its own module; how values become tables, in `results`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from asap.corpus import Corpus
from asap.errors import InputError
from asap.judge import Judge
from asap.prune import Tools
from asap.rank.arm import Arm
from asap.rank.coverage import split_question, trace_values
from asap.rank.drafts import keep_all_but_drafts, keep_drafts
from asap.rank.kept import KeptText
from asap.rank.leave import Left, leave_at_targets, own_target
from asap.rank.metrics import Prepared, measure_kept, prepare_trace
from asap.rank.planting import Planted, plant_redundancy
from asap.rank.rank_folder import AtTarget, RankFolder, TraceValues
from asap.rank.redundancy import (
    Grouping,
    PlantMeans,
    PlantValue,
    average_plants,
    measure_recall,
    measure_removal,
    rank_auc,
    value_plants,
)
from asap.rank.scored_once import ScoredOnce
from asap.rank.support import answer_support
from asap.trace import Budget, Segmenter, Trace, count_tokens, segment_trace

BATCH_TRACES = 8
CONTROLS: Mapping[str, Callable[[Trace], KeptText]] = {
    "drafts-only": keep_drafts,
    "all-but-drafts": keep_all_but_drafts,
}
"""Kept texts that no method makes, to see what conclusion kept and answer support reward."""

GROUPINGS: tuple[Grouping, ...] = ("all", "kind", "opener", "distance")

Advance = Callable[[str, int, int], None]
"""(arm, traces done, traces in all)"""


@dataclass(frozen=True)
class Settings:
    """What is measured, and at which shares of the tokens."""

    ratios: tuple[float, ...] = (0.75, 0.5, 0.25)
    has_planted: bool = True
    has_support: bool = True
    seed: int = 0
    """For what is planted."""


def rank_corpus(
    corpus: Corpus,
    output: Path,
    arms: Sequence[Arm],
    tools: Tools,
    settings: Settings = Settings(),
    *,
    limit: int | None = None,
    on_progress: Advance = lambda *_: None,
) -> RankFolder:
    """Compare methods on a corpus, or go on with a comparison.

    Args:
        corpus: the traces.
        output: the folder of the comparison; finished values stay, further arms are added.
        arms: what is compared.
        tools: the backends that the arms need.
        settings: what is measured.
        limit: only the first rows.
        on_progress: called after each batch.

    Returns:
        The folder with all values.

    Raises:
        InputError: there is no usable trace.
        RunFolderError: the folder holds another comparison.
    """
    traces = [row.outcome for row in islice(corpus.rows(), limit) if isinstance(row.outcome, Trace)]
    if not traces:
        raise InputError("there is no usable trace in the input")
    folder = RankFolder(output)
    folder.open(
        {
            "input": corpus.fingerprint,
            "limit": limit,
            "ratios": list(settings.ratios),
            "planted": settings.has_planted,
            "support": settings.has_support,
            "seed": settings.seed,
            "scorer weights": tools.scorer.name if tools.scorer else None,
            "tokenizer": tools.counter.name,
        }
    )
    comparison = _Comparison(traces, tools, settings, folder, on_progress)
    # Arms without a budget come first: they set targets for the others.
    for arm in sorted(arms, key=lambda arm: arm.method.has_budget):
        comparison.run_arm(arm)
    comparison.run_controls()
    return folder


@dataclass(frozen=True)
class _Subjects:
    """The traces as one segmenter cuts them, with and without planted passages."""

    plain: list[Trace]
    planted: list[Planted] | None


class _Comparison:
    """The state that all arms share: traces, what is known of them, what was scored."""

    def __init__(
        self,
        traces: Sequence[Trace],
        tools: Tools,
        settings: Settings,
        folder: RankFolder,
        on_progress: Advance,
    ) -> None:
        self._traces = traces
        self._scorer = tools.scorer
        scorer = None if tools.scorer is None else ScoredOnce(tools.scorer)
        self._tools = replace(tools, scorer=scorer)
        self._settings = settings
        self._folder = folder
        self._on_progress = on_progress
        self._subjects: dict[Segmenter, _Subjects] = {}
        self._free_targets: dict[str, tuple[dict[int, int], dict[int, int]]] = {}

    def run_arm(self, arm: Arm) -> None:
        """Measure an arm on every trace that it has no values for yet."""
        fields = arm.recipe.model_dump(exclude_none=True)
        done = {values.row for values in self._folder.open_arm(arm.name, fields)}
        subjects = self._cut(arm.recipe.segment)
        todo = [i for i, trace in enumerate(self._traces) if trace.row not in done]
        n_done = len(done)
        self._on_progress(arm.name, n_done, len(self._traces))
        for start in range(0, len(todo), BATCH_TRACES):
            batch = todo[start : start + BATCH_TRACES]
            self._folder.append(arm.name, self._measure(arm, subjects, batch))
            n_done += len(batch)
            self._on_progress(arm.name, n_done, len(self._traces))
        if not arm.method.has_budget:
            self._take_target(arm.name)

    def run_controls(self) -> None:
        """Measure what no method makes, where there are programs to draft."""
        for name, keep in CONTROLS.items():
            done = {values.row for values in self._folder.open_arm(name, {})}
            for i, trace in enumerate(self._cut("block").plain):
                prepared = self._prepared[i]
                if trace.row not in done and prepared.evidence is not None:
                    left = Left({own_target(name): keep(trace)})
                    at = self._at_targets([trace], [left], [{}], [prepared])
                    values = TraceValues(trace.row, trace.id, None, at[0])
                    self._folder.append(name, [values])

    def _measure(self, arm: Arm, subjects: _Subjects, batch: Sequence[int]) -> list[TraceValues]:
        plain = [subjects.plain[i] for i in batch]
        limits = [self._limits(trace, 0) for trace in plain]
        left = leave_at_targets(arm, plain, limits, self._tools)
        at_targets = self._at_targets(plain, left, limits, [self._prepared[i] for i in batch])
        values = [
            TraceValues(trace.row, trace.id, each.excluded, at)
            for trace, each, at in zip(plain, left, at_targets, strict=True)
        ]
        if subjects.planted is None:
            return values
        planted = [subjects.planted[i] for i in batch]
        return self._add_planted(arm, values, plain, left, planted)

    def _add_planted(
        self,
        arm: Arm,
        values: Sequence[TraceValues],
        plain: Sequence[Trace],
        left: Sequence[Left],
        planted: Sequence[Planted],
    ) -> list[TraceValues]:
        """The same arm on the planted traces."""
        traces = [each.trace for each in planted]
        limits = [self._limits(trace, 1) for trace in traces]
        again = leave_at_targets(arm, traces, limits, self._tools)
        counts = self._at_targets(traces, again, limits, None)
        for found, plant, each in zip(counts, planted, again, strict=True):
            for target, at in found.items():
                at.values.update(_group_removal(plant, each.by_target[target], at))
        return [
            replace(value, planted=found, auc=_group_auc(trace, plant, before, after))
            for value, trace, plant, before, after, found in zip(
                values, plain, planted, left, again, counts, strict=True
            )
        ]

    def _at_targets(
        self,
        traces: Sequence[Trace],
        left: Sequence[Left],
        limits: Sequence[Mapping[str, int]],
        prepared: Sequence[Prepared] | None,
    ) -> list[dict[str, AtTarget]]:
        """Counts of what is left and, for traces as they are, every metric of it."""
        texts = [kept.text for each in left for kept in each.by_target.values()]
        counts = iter(self._tools.counter.count(texts))
        supports: Iterator[Sequence[float | None]] | None = None
        if prepared is not None and self._settings.has_support and self._scorer is not None:
            asked = [
                (trace, list(each.by_target.values()))
                for trace, each in zip(traces, left, strict=True)
            ]
            supports = iter(answer_support(self._scorer, asked))
        results = []
        for i, (trace, each) in enumerate(zip(traces, left, strict=True)):
            assert trace.tokens is not None
            support = iter(next(supports)) if supports is not None else None
            at: dict[str, AtTarget] = {}
            for target, kept in each.by_target.items():
                measured = {} if prepared is None else measure_kept(prepared[i], kept)
                if support is not None:
                    measured["answer_support"] = next(support)
                n_tokens = next(counts)
                wanted = limits[i].get(target, n_tokens)
                at[target] = AtTarget(trace.tokens.total, wanted, n_tokens, measured)
            results.append(at)
        return results

    def _limits(self, trace: Trace, which: int) -> dict[str, int]:
        """Tokens by target; `which` is 1 for a planted trace."""
        assert trace.tokens is not None
        total = trace.tokens.total
        limits = {f"{r:g}": Budget(ratio=r).limit(total) for r in self._settings.ratios}
        for target, by_row in self._free_targets.items():
            if trace.row in by_row[which]:
                limits[target] = max(1, by_row[which][trace.row])
        return limits

    def _take_target(self, name: str) -> None:
        """Let an arm without a budget set a target, unless it removes nothing."""
        target = own_target(name)
        plain: dict[int, int] = {}
        planted: dict[int, int] = {}
        is_whole = True
        for values in self._folder.values(name):
            for found, where in ((values.targets, plain), (values.planted, planted)):
                if target in found:
                    where[values.row] = found[target].tokens
                    is_whole &= found[target].tokens == found[target].whole
        if not is_whole:
            self._free_targets[target] = (plain, planted)

    def _cut(self, segmenter: Segmenter) -> _Subjects:
        if segmenter not in self._subjects:
            cut = [segment_trace(trace, segmenter) for trace in self._traces]
            plain = count_tokens(cut, self._tools.counter)
            planted = None
            if self._settings.has_planted:
                seed = self._settings.seed
                raw = [plant_redundancy(trace, plain, seed, segmenter) for trace in plain]
                counted = count_tokens([each.trace for each in raw], self._tools.counter)
                planted = [
                    replace(each, trace=trace) for each, trace in zip(raw, counted, strict=True)
                ]
            self._subjects[segmenter] = _Subjects(plain, planted)
        return self._subjects[segmenter]

    @cached_property
    def _prepared(self) -> list[Prepared]:
        """What the metrics need to know of each trace; programs in questions are run for it."""
        programs = [split_question(trace.question) for trace in self._traces]
        known: dict[int, tuple[str, ...] | None] = {}
        asked = {i: program for i, program in enumerate(programs) if program is not None}
        if asked:
            with Judge() as judge:
                known = dict(zip(asked, trace_values(judge, asked.values()), strict=True))
        return [prepare_trace(trace, known.get(i)) for i, trace in enumerate(self._traces)]


def _group_removal(planted: Planted, kept: KeptText, at: AtTarget) -> dict[str, float | None]:
    """The share removed by group of planted passages; and `lift`, beside what chance removes."""
    values = value_plants(planted, measure_removal(planted, kept), None)
    recall = measure_recall(planted, kept, 1 - at.tokens / at.whole)
    groups = {name: means.removed for name, means in _group(values).items()}
    return {"lift": None if recall is None else recall.lift, **groups}


def _group_auc(
    trace: Trace, planted: Planted, before: Left, after: Left
) -> dict[str, float | None]:
    """AUC by group of planted passages, where both runs have an order."""
    if before.order is None or after.order is None:
        return {}
    values = value_plants(planted, None, rank_auc(before.order, after.order, planted, trace))
    return {name: means.auc for name, means in _group(values).items()}


def _group(values: Sequence[PlantValue]) -> dict[str, PlantMeans]:
    """Means over one trace's plants: `redundant`, `kind near`, `opener wait`, `distance far`, …"""
    groups: dict[str, PlantMeans] = {}
    for by in GROUPINGS:
        for by_group in average_plants(values, by).values():
            groups |= {
                name if by == "all" else f"{by} {name or 'none'}": means
                for name, means in by_group.items()
            }
    return groups
