"""A comparison of methods on real traces: every arm, every trace, every target, every metric.

Each trace is pruned twice: as it is, and with planted passages. Nothing is trained. What a metric
means is said in its own module; how values become tables, in `results`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

from asap.corpus import Corpus
from asap.errors import InputError
from asap.judge import Judge
from asap.prune import Tools
from asap.rank.arm import Arm
from asap.rank.coverage import split_question, trace_values
from asap.rank.drafts import keep_all_but_drafts, keep_drafts
from asap.rank.forced_reach import ForcedReach, Forcing
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
    find_lift,
    measure_removal,
    rank_auc,
    value_plants,
)
from asap.rank.scored_once import ScoredOnce
from asap.rank.support import answer_support
from asap.run import find_versions, say_now
from asap.trace import Budget, Excluded, Segmenter, Trace, count_tokens, segment_trace

BATCH_TRACES = 8
CONTROLS: Mapping[str, Callable[[Trace], KeptText]] = {
    "whole": lambda trace: KeptText(trace.thinking, ((0, len(trace.thinking)),)),
    "nothing": lambda trace: KeptText("", ()),
    "drafts-only": keep_drafts,
    "all-but-drafts": keep_all_but_drafts,
}
"""Kept texts that no method makes, to see what the measures of the answer reward."""

GROUPINGS: tuple[Grouping, ...] = ("all", "kind", "opener", "distance")

Measure = Callable[[KeptText], Mapping[str, float | None]]

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
    forcing: Forcing | None = None,
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
        forcing: has a model answer behind every kept thinking, where one is given.
        limit: only the first rows.
        on_progress: called after each batch.

    Returns:
        The folder with all values.

    Raises:
        InputError: there is no usable trace.
        RunFolderError: the folder holds another comparison.
    """
    started = time.perf_counter()
    rows = list(islice(corpus.rows(), limit))
    traces = [row.outcome for row in rows if isinstance(row.outcome, Trace)]
    excluded = Counter(row.outcome.reason for row in rows if isinstance(row.outcome, Excluded))
    if not traces:
        reasons = ", ".join(f"{name} {count}" for name, count in excluded.items())
        raise InputError(f"there is no usable trace in the input ({reasons or 'it is empty'})")
    folder = RankFolder(output)
    identity = {
        "input": corpus.fingerprint,
        "limit": limit,
        "ratios": list(settings.ratios),
        "planted": settings.has_planted,
        "support": settings.has_support,
        "seed": settings.seed,
        "forced answers": forcing.forced.name if forcing else None,
        "scorer weights": tools.scorer.name if tools.scorer else None,
        "tokenizer": tools.counter.name,
    }
    folder.open(identity, [arm.name for arm in arms])
    comparison = _Comparison(traces, tools, settings, folder, on_progress)
    if forcing is not None:
        comparison.force = ForcedReach(forcing, rows)
    # Arms without a budget come first: they set targets for the others.
    for arm in sorted(arms, key=lambda arm: arm.method.has_budget):
        comparison.run_arm(arm)
    comparison.run_controls()
    folder.write_report(
        {
            **folder.report(),
            "status": "finished",
            "files": list(corpus.files),
            "layout": corpus.layout.describe(),
            "counts": {"rows_in": len(rows), "traces": len(traces), "excluded": dict(excluded)},
            "versions": find_versions(),
            "timings": {
                "finished": say_now(),
                "seconds": round(time.perf_counter() - started, 3),
            },
        }
    )
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
        self.force: ForcedReach | None = None
        self._subjects: dict[Segmenter, _Subjects] = {}
        self._free_targets: dict[str, tuple[dict[int, int], dict[int, int]]] = {}

    def run_arm(self, arm: Arm) -> None:
        """Measure an arm on every trace that it has no values for yet, or not at every target: an
        arm without a budget may have come to the folder since.
        """
        fields = arm.recipe.model_dump(exclude_none=True)
        known = {values.row: values for values in self._folder.open_arm(arm.name, fields)}
        subjects = self._cut(arm.recipe.segment)
        todo = [
            i
            for i, trace in enumerate(subjects.plain)
            if (values := known.get(trace.row)) is None
            or (
                arm.method.has_budget
                and values.excluded is None
                and not values.targets.keys() >= self._limits(trace, 0).keys()
            )
        ]
        n_done = len(self._traces) - len(todo)
        self._on_progress(arm.name, n_done, len(self._traces))
        for start in range(0, len(todo), BATCH_TRACES):
            batch = todo[start : start + BATCH_TRACES]
            self._folder.append(arm.name, self._measure(arm, subjects, batch))
            n_done += len(batch)
            self._on_progress(arm.name, n_done, len(self._traces))
        if not arm.method.has_budget:
            self._take_target(arm.name)

    def run_controls(self) -> None:
        """Measure what no method makes."""
        for name, keep in CONTROLS.items():
            done = {values.row for values in self._folder.open_arm(name, {})}
            plain = self._cut("block").plain
            todo = [i for i, trace in enumerate(plain) if trace.row not in done]
            for start in range(0, len(todo), BATCH_TRACES):
                batch = todo[start : start + BATCH_TRACES]
                traces = [plain[i] for i in batch]
                left = [Left({own_target(name): (keep(trace),)}) for trace in traces]
                measures = [partial(measure_kept, self._prepared[i]) for i in batch]
                found = self._at_targets(traces, left, [{}] * len(batch), measures, is_plain=True)
                self._folder.append(
                    name,
                    [
                        TraceValues(trace.row, trace.id, None, at)
                        for trace, at in zip(traces, found, strict=True)
                    ],
                )

    def _measure(self, arm: Arm, subjects: _Subjects, batch: Sequence[int]) -> list[TraceValues]:
        plain = [subjects.plain[i] for i in batch]
        limits = [self._limits(trace, 0) for trace in plain]
        left = leave_at_targets(arm, plain, limits, self._tools)
        measures = [partial(measure_kept, self._prepared[i]) for i in batch]
        at_targets = self._at_targets(plain, left, limits, measures, is_plain=True)
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
        counts = self._at_targets(
            traces, again, limits, [partial(_group_removal, plant) for plant in planted]
        )
        for found in counts:
            for at in found.values():
                removed = at.values.get("redundant")
                at.values["lift"] = find_lift(removed, 1 - at.tokens / at.whole)
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
        measures: Sequence[Measure],
        *,
        is_plain: bool = False,
    ) -> list[dict[str, AtTarget]]:
        """Tokens and values of what is left, at every target."""
        states = [[s for at in each.by_target.values() for s in at] for each in left]
        counts = iter(self._tools.counter.count([s.text for group in states for s in group]))
        more = self._ask_models(traces, states) if is_plain else [[{} for _ in g] for g in states]
        results = []
        for i, (trace, each) in enumerate(zip(traces, left, strict=True)):
            assert trace.tokens is not None
            models = iter(more[i])
            at: dict[str, AtTarget] = {}
            for target, parts in each.by_target.items():
                n_tokens = [next(counts) for _ in parts]
                values = [{**measures[i](kept), **next(models)} for kept in parts]
                wanted = limits[i].get(target, n_tokens[0])
                at[target] = blend(trace.tokens.total, wanted, n_tokens, values)
            results.append(at)
        return results

    def _ask_models(
        self, traces: Sequence[Trace], states: Sequence[Sequence[KeptText]]
    ) -> list[list[dict[str, float | None]]]:
        """What a scorer and a server say of each state of each trace."""
        found: list[list[dict[str, float | None]]] = [[{} for _ in group] for group in states]
        if self._settings.has_support and self._scorer is not None:
            supports = answer_support(self._scorer, list(zip(traces, states, strict=True)))
            for group, values in zip(found, supports, strict=True):
                for each, value in zip(group, values, strict=True):
                    each["answer_support"] = value
        if self.force is not None:
            items = [(t, s) for t, group in zip(traces, states, strict=True) for s in group]
            reached = iter(self.force.reach(items))
            for group in found:
                for each in group:
                    each["forced_answer"] = next(reached)
        return found

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
                    where[values.row] = round(found[target].tokens)
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


def blend(
    whole: int,
    wanted: int,
    n_tokens: Sequence[int],
    values: Sequence[Mapping[str, float | None]],
) -> AtTarget:
    """One state as it is, or two weighted so that they have as many tokens as were asked for.

    Args:
        whole: tokens of the whole thinking.
        wanted: tokens asked for.
        n_tokens: of the state below, and of the one above where there is one.
        values: what was measured of each; where one is None, the other counts alone.
    """
    below, above = n_tokens[0], n_tokens[-1]
    weight = 0.0
    if above > below:
        weight = min(1.0, max(0.0, (wanted - below) / (above - below)))
    mixed: dict[str, float | None] = {}
    for name, first in values[0].items():
        second = values[-1][name]
        if first is None or second is None:
            mixed[name] = second if first is None else first
        else:
            mixed[name] = (1 - weight) * first + weight * second
    return AtTarget(whole, wanted, (1 - weight) * below + weight * above, mixed)


def _group_removal(planted: Planted, kept: KeptText) -> dict[str, float | None]:
    """The share removed, by group of planted passages."""
    values = value_plants(planted, measure_removal(planted, kept), None)
    return {name: means.removed for name, means in _group(values).items()}


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
