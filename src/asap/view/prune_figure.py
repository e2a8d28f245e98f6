"""The figures of a prune run: how long traces were and are, what was kept of short and long ones,
and how surprising steps are by first word and by position.

Lengths are of all traces, from the index. Surprisal is of a sample of shards spread evenly over the
run, so that a run of 100,000 traces takes no longer than one of 1,000.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from asap.report import (
    Bar,
    BarPlot,
    Cell,
    Column,
    Counts,
    Histogram,
    Line,
    LinePlot,
    Number,
    Point,
    Table,
)
from asap.view.figure import Figure
from asap.view.index import TraceIndex
from asap.view.subject import is_reply_subject
from asap.view.trace_cloud import draw_up_cloud
from asap.view.visible import show_controls

MOST_TRACES = 1_000
MOST_STEPS = 60_000
"""Of the sample, about: a trace of Codeforces has some 300."""
_MOST_SHARDS = 16
_COLUMNS = [
    "thinking",
    "reply",
    "stage1.mode",
    *(f"steps.list.element.{name}" for name in ("start", "end", "fate", "surprisal", "score")),
    "score_name",
]
_MOST_CHARACTERS = 30
"""Of a first word."""
_QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
_QUANTILE_NAMES = ("least", "10 %", "median", "90 %", "most")
_N_BINS = 32
_N_GROUPS = 10
_N_WORDS = 15
_LEAST_STEPS = 5
"""A first word of fewer steps is not shown."""
_WORD = re.compile(r"\w+|\S")


@dataclass(frozen=True, slots=True)
class SampledStep:
    """A step as the figures need it."""

    word: str
    """Its first word, or its first sign where it begins with none."""
    share: float
    """Where it stands in its trace: 0 the first step, 1 the last."""
    value: float
    """Surprisal in nats, or the method's score."""
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """Steps of some of a run's traces."""

    n_traces: int
    label: str
    """What `value` is, for an axis."""
    steps: tuple[SampledStep, ...]


def read_sample(index: TraceIndex, identity: Mapping[str, Any]) -> Sample:
    """Read the steps of traces spread evenly over a run, which is what `identity` says."""
    n_steps = index.query("SELECT avg(steps_before) FROM traces")[0][0] or 1
    n_wanted = max(1, min(MOST_TRACES, int(MOST_STEPS / n_steps)))
    shards = index.shards
    n_per_shard = n_wanted
    if n_wanted < len(index):
        n_shards = min(len(shards), _MOST_SHARDS, n_wanted)
        shards = [shards[k * len(shards) // n_shards] for k in range(n_shards)]
        n_per_shard = n_wanted // n_shards
    steps: list[SampledStep] = []
    n_traces, label = 0, "surprisal, nats"
    for path in shards:
        for record in _read_shard(path, n_per_shard):
            if record["steps"] is not None:
                n_traces += 1
                label = record["score_name"] or label
                is_reply = is_reply_subject(record, identity)
                steps += _sample_steps(record, record["reply" if is_reply else "thinking"])
    return Sample(n_traces, label, tuple(steps))


def _read_shard(path: Path, n_wanted: int) -> list[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        table = file.read(_COLUMNS, use_threads=False)
    n_taken = min(n_wanted, table.num_rows)
    rows = [k * table.num_rows // n_taken for k in range(n_taken)]
    records: list[dict[str, Any]] = table.take(rows).to_pylist()
    return records


def _sample_steps(record: Mapping[str, Any], subject: str) -> Iterator[SampledStep]:
    steps = record["steps"]
    name = "score" if record["score_name"] else "surprisal"
    for index, step in enumerate(steps):
        if step[name] is not None and math.isfinite(step[name]):
            found = _WORD.search(subject, step["start"], step["end"])
            share = index / (len(steps) - 1) if len(steps) > 1 else 0.0
            word = show_controls(found[0][:_MOST_CHARACTERS]) if found else ""
            yield SampledStep(word, share, step[name], step["fate"] == "kept")


def draw_up_figures(index: TraceIndex, sample: Sample) -> list[Figure]:
    """All figures that the run has values for."""
    figures = (
        _draw_up_lengths(index),
        _draw_up_compression(index),
        draw_up_cloud(index),
        _draw_up_words(sample),
        _draw_up_positions(sample),
    )
    return [figure for figure in figures if figure is not None]


def _draw_up_lengths(index: TraceIndex) -> Figure | None:
    names = ("before", "after")
    quantiles = index.query(
        "SELECT quantile_cont(tokens_before, ?), quantile_cont(tokens_after, ?) FROM traces "
        "WHERE tokens_after IS NOT NULL",
        [list(_QUANTILES)] * 2,
    )[0]
    if quantiles[0] is None:
        return None
    by_name: dict[str, list[float]] = dict(zip(names, quantiles, strict=True))
    edges = _find_edges(max(values[-1] for values in by_name.values()))
    before, after = (values[_QUANTILES.index(0.5)] for values in by_name.values())
    title = "Tokens per trace"
    return Figure(
        name="tokens",
        plot=Histogram(
            title,
            "tokens",
            "traces",
            edges,
            tuple(Counts(name, _count_bins(index, f"tokens_{name}", edges)) for name in names),
            alt=f"How many traces have how many tokens: the median trace had {before:,.0f} tokens "
            f"before and has {after:,.0f} after.",
        ),
        table=Table(
            title,
            tuple(map(Column, ("", *_QUANTILE_NAMES))),
            tuple((name, *map(Number, values)) for name, values in by_name.items()),
        ),
    )


def _count_bins(index: TraceIndex, column: str, edges: Sequence[float]) -> tuple[float, ...]:
    counts = dict(
        index.query(
            f"SELECT floor({column} / ?)::BIGINT, count(*) FROM traces "
            "WHERE tokens_after IS NOT NULL GROUP BY 1",
            [edges[1]],
        )
    )
    return tuple(counts.get(n, 0) for n in range(len(edges) - 1))


def _draw_up_compression(index: TraceIndex) -> Figure | None:
    """What was kept of traces of like length: as many of them in each group."""
    groups = index.query(
        "SELECT min(tokens_before), max(tokens_before), count(*), median(tokens_before), "
        "quantile_cont(kept, [0.1, 0.5, 0.9]) FROM "
        "(SELECT *, ntile(?) OVER (ORDER BY tokens_before, row) AS part FROM traces "
        "WHERE kept IS NOT NULL) GROUP BY part ORDER BY part",
        [_N_GROUPS],
    )
    if len(groups) < _N_GROUPS:
        return None
    points = tuple(
        Point(length, 100 * middle, (100 * low, 100 * high))
        for _, _, _, length, (low, middle, high) in groups
    )
    title = "What was kept of short and of long traces"
    headings = ("tokens from", "to", "traces", "10 %", "median", "90 %")
    return Figure(
        name="compression",
        plot=LinePlot(
            title,
            "tokens before (median of each tenth of the traces)",
            "kept, % (median, 10 % to 90 %)",
            (Line("kept", points),),
            alt=f"Of the shortest tenth of the traces the median keeps {points[0].y:.0f} % of its "
            f"tokens, of the longest tenth {points[-1].y:.0f} %.",
        ),
        table=Table(
            title,
            tuple(map(Column, headings)),
            tuple(
                (*map(Number, (low, high, n)), *(Number(100 * share, 1) for share in shares))
                for low, high, n, _, shares in groups
            ),
        ),
    )


def _draw_up_words(sample: Sample) -> Figure | None:
    by_word: dict[str, list[SampledStep]] = defaultdict(list)
    for step in sample.steps:
        by_word[step.word].append(step)
    common = sorted(by_word.items(), key=lambda item: (-len(item[1]), item[0]))[:_N_WORDS]
    common = [(word, steps) for word, steps in common if len(steps) >= _LEAST_STEPS]
    if not common:
        return None
    values = {word: median(step.value for step in steps) for word, steps in common}
    ordered = sorted(common, key=lambda item: values[item[0]])
    least, most = ordered[0][0], ordered[-1][0]
    name = sample.label.partition(",")[0]
    title = f"{name.capitalize()} by first word of the step"
    return Figure(
        name="first-word",
        plot=BarPlot(
            title,
            f"median {sample.label}",
            tuple(Bar(word, values[word]) for word, _ in ordered),
            alt=f"Of the {len(ordered)} most frequent first words, '{least}' has the lowest median "
            f"{name} ({values[least]:.2f}) and '{most}' the highest ({values[most]:.2f}).",
        ),
        table=Table(
            title,
            tuple(map(Column, ("first word", "steps", f"median {sample.label}", "kept, %"))),
            tuple(
                (
                    word,
                    Number(len(steps)),
                    Number(values[word], 2),
                    Number(100 * sum(step.is_kept for step in steps) / len(steps), 1),
                )
                for word, steps in ordered
            ),
            (_say_sample(sample),),
        ),
    )


def _draw_up_positions(sample: Sample) -> Figure | None:
    tenths: list[list[SampledStep]] = [[] for _ in range(_N_GROUPS)]
    for step in sample.steps:
        tenths[min(int(step.share * _N_GROUPS), _N_GROUPS - 1)].append(step)
    points: list[Point] = []
    cells: list[tuple[Cell, ...]] = []
    for number, steps in enumerate(tenths):
        values = sorted(step.value for step in steps)
        if values:
            low, middle, high = (_find_quantile(values, q) for q in (0.25, 0.5, 0.75))
            points.append(Point(100 * (number + 0.5) / _N_GROUPS, middle, (low, high)))
            cells.append(
                (
                    f"{10 * number}-{10 * number + 10} %",
                    Number(len(values)),
                    *(Number(value, 2) for value in (low, middle, high)),
                    Number(100 * sum(step.is_kept for step in steps) / len(steps), 1),
                )
            )
    if len(points) < 2:
        return None
    name = sample.label.partition(",")[0]
    title = f"{name.capitalize()} by position in the trace"
    headings = ("position", "steps", "25 %", f"median {sample.label}", "75 %", "kept, %")
    return Figure(
        name="position",
        plot=LinePlot(
            title,
            "position of the step in its trace, %",
            f"{sample.label} (median, quartiles)",
            (Line(name, tuple(points)),),
            alt=f"The median {name} is {points[0].y:.2f} in the first tenth of a trace and "
            f"{points[-1].y:.2f} in the last.",
        ),
        table=Table(title, tuple(map(Column, headings)), tuple(cells), (_say_sample(sample),)),
    )


def _say_sample(sample: Sample) -> str:
    return f"Of {len(sample.steps):,} steps of {sample.n_traces:,} traces spread over the run."


def _find_edges(most: float) -> tuple[float, ...]:
    """Bins of one round width from 0 to beyond the greatest value."""
    rough = max(1.0, most / _N_BINS)
    magnitude = 10.0 ** math.floor(math.log10(rough))
    width = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough)
    return tuple(width * k for k in range(int(most // width) + 2))


def _find_quantile(ordered: Sequence[float], share: float) -> float:
    """The value at a share of the way through ascending values, in proportion between two."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
