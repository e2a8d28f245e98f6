"""The figures of a prune run: how long traces were and are, what was kept of short and long ones,
and how surprising steps are by first word and by position.

Lengths are of all traces, from the index. Surprisal is of a sample of shards spread evenly over the
run, so that a run of 100,000 traces takes no longer than one of 1,000.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
from asap.view.visible import show_controls

MOST_SAMPLED = 1_000
"""Traces whose steps are read, at most about."""
_COLUMNS = ["thinking", "reply", "stage1", "steps", "score_name"]
_MOST_CHARACTERS = 30
"""Of a first word."""
_QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
_QUANTILE_NAMES = ("least", "10 %", "median", "90 %", "most")
_N_BINS = 24
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
    """Read the steps of shards spread evenly over a run, which is what `identity` says."""
    per_shard = max(1, len(index) // max(1, len(index.shards)))
    n_shards = min(len(index.shards), max(1, MOST_SAMPLED // per_shard))
    chosen = [index.shards[k * len(index.shards) // n_shards] for k in range(n_shards)]
    steps: list[SampledStep] = []
    n_traces, label = 0, "surprisal, nats"
    for path in chosen:
        table = pq.read_table(path, columns=_COLUMNS)
        for record in table.slice(0, MOST_SAMPLED).to_pylist():
            if record["steps"] is not None:
                n_traces += 1
                label = record["score_name"] or label
                is_reply = is_reply_subject(record, identity)
                steps += _sample_steps(record, record["reply" if is_reply else "thinking"])
    return Sample(n_traces, label, tuple(steps))


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
        _draw_up_words(sample),
        _draw_up_positions(sample),
    )
    return [figure for figure in figures if figure is not None]


def _draw_up_lengths(index: TraceIndex) -> Figure | None:
    rows = index.query(
        "SELECT tokens_before, tokens_after FROM traces WHERE tokens_after IS NOT NULL"
    )
    if not rows:
        return None
    names = ("before", "after")
    values = dict(zip(names, (sorted(column) for column in zip(*rows, strict=True)), strict=True))
    edges = _find_edges(values["before"][-1])
    series = tuple(
        Counts(
            name,
            tuple(
                bisect_left(tokens, high) - bisect_left(tokens, low)
                for low, high in pairwise(edges)
            ),
        )
        for name, tokens in values.items()
    )
    medians = {name: median(tokens) for name, tokens in values.items()}
    return Figure(
        name="tokens",
        plot=Histogram(
            "Tokens per trace",
            "tokens",
            "traces",
            edges,
            series,
            alt=f"How many traces have how many tokens: the median trace had "
            f"{medians['before']:,.0f} tokens before and has {medians['after']:,.0f} after.",
        ),
        table=Table(
            "Tokens per trace",
            tuple(Column(name) for name in ("", *_QUANTILE_NAMES)),
            tuple(
                (name, *(Number(_find_quantile(tokens, q)) for q in _QUANTILES))
                for name, tokens in values.items()
            ),
        ),
    )


def _draw_up_compression(index: TraceIndex) -> Figure | None:
    """What was kept of traces of like length: bins of equal numbers of traces."""
    rows = sorted(index.query("SELECT tokens_before, kept FROM traces WHERE kept IS NOT NULL"))
    if len(rows) < _N_GROUPS:
        return None
    edges = [k * len(rows) // _N_GROUPS for k in range(_N_GROUPS + 1)]
    groups = [rows[low:high] for low, high in pairwise(edges)]
    points: list[Point] = []
    cells: list[tuple[Cell, ...]] = []
    for group in groups:
        kept = sorted(value for _, value in group)
        length = median(tokens for tokens, _ in group)
        low, middle, high = (_find_quantile(kept, q) for q in (0.1, 0.5, 0.9))
        points.append(Point(length, 100 * middle, (100 * low, 100 * high)))
        cells.append(
            (
                Number(group[0][0]),
                Number(group[-1][0]),
                Number(len(group)),
                *(Number(100 * value, 1) for value in (low, middle, high)),
            )
        )
    title = "What was kept of short and of long traces"
    headings = ("tokens from", "to", "traces", "10 %", "median", "90 %")
    return Figure(
        name="compression",
        plot=LinePlot(
            title,
            "tokens before (median of each tenth of the traces)",
            "kept, % (median, 10 % to 90 %)",
            (Line("kept", tuple(points)),),
            alt=f"Of the shortest tenth of the traces the median keeps {points[0].y:.0f} % of its "
            f"tokens, of the longest tenth {points[-1].y:.0f} %.",
        ),
        table=Table(title, tuple(map(Column, headings)), tuple(cells)),
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


def _find_edges(most: int) -> tuple[float, ...]:
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
