"""How long a run takes: what this machine was measured to need, scaled to all rows, and, where an
accelerator scores, the roofline beside it. Loading the model and waiting for an LLM come on top.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from asap.plan.estimate import Range, estimate_total, exactly
from asap.plan.record import TimeForecast
from asap.plan.roofline import Gpu, Memory, measure_memory, reading_seconds
from asap.plan.sample import Sample
from asap.plan.shape import ModelShape
from asap.plan.stand_in import CountingClassifier, CountingScorer
from asap.plan.timing import measure_timing
from asap.plan.workload import RowWork
from asap.run import Recipe
from asap.surprisal import StepScorer, TokenClassifier, load_classifier, load_scorer
from asap.trace import TokenCounter

_SPEED = Range(0.75, 1.0, 1.4)
"""How far a short measurement may be off: other load, other rows, a warmer machine."""
_CPU_SPEED = Range(0.85, 1.0, 1.2)
"""The same of CPU time, on which other programs' load has little say."""
_HIDDEN = 0.75
"""Share of the shorter of two parts that is likely to hide behind the longer one."""


def forecast_time(
    sample: Sample,
    works: Sequence[RowWork],
    recipe: Recipe,
    counter: TokenCounter,
    shape: ModelShape | None,
    gpu: Gpu | None,
    slack: Range,
    on_progress: Callable[[int], None],
) -> TimeForecast:
    """Seconds of the whole run.

    Args:
        sample: the rows that were looked at.
        works: what each of them comes to.
        recipe: what the run is to do.
        counter: counts for the budget.
        shape: of the model that reads; None where none does.
        gpu: what it runs on; None: this machine's CPU, with the real model.
        slack: how much more or less may be scored than the stand-ins left.
        on_progress: called with the number of rows that were pruned against the clock.

    Raises:
        ModelError: the model cannot be loaded here.
    """
    started = time.perf_counter()
    scorer, classifier = _open_models(recipe, counter, shape, gpu)
    load_s = time.perf_counter() - started

    def weigh(work: RowWork) -> float:
        if shape is None:
            return 0.0
        return sum(shape.operations(reading) for reading in work.readings)

    timing = measure_timing(
        sample,
        works,
        recipe,
        counter,
        scorer,
        classifier,
        weigh,
        on_progress=on_progress,
    )
    tokens = estimate_total([float(work.thinking_tokens) for work in works], sample.n_rows)
    reading = exactly(sample.read_s * sample.n_rows)
    own_share = tokens.times(timing.own_share_per_token)
    own = own_share.times(timing.seconds).plus(reading).times(_SPEED)
    if gpu is not None and shape is not None:
        memory = measure_memory(shape, find_longest(works), gpu)
        scoring = gpu_seconds(works, sample.n_rows, shape, gpu, memory).times(slack)
        cpu = own_share.times(timing.cpu_s).plus(reading).times(_CPU_SPEED)
        seconds = _overlap(scoring, own)
        return TimeForecast(seconds, own, scoring, cpu, timing.n_rows, timing.seconds, 0)
    scored = estimate_total([weigh(work) for work in works], sample.n_rows).times(slack)
    share = scored.times(timing.scoring_share_per_operation)
    scoring = share.times(timing.seconds).times(_SPEED)
    cpu = share.plus(own_share).times(timing.cpu_s).plus(reading).times(_CPU_SPEED)
    seconds = scoring.plus(own)
    return TimeForecast(seconds, own, scoring, cpu, timing.n_rows, timing.seconds, load_s)


def gpu_seconds(
    works: Sequence[RowWork], n_rows: int, shape: ModelShape, gpu: Gpu, memory: Memory
) -> Range:
    """Seconds on one accelerator, the sample's spread and the efficiency both low or both high."""
    batch_tokens = memory.batch_tokens or 1
    by_row = [reading_seconds(shape, work.readings, gpu, batch_tokens) for work in works]
    return Range(
        estimate_total([each.low for each in by_row], n_rows).low,
        estimate_total([each.likely for each in by_row], n_rows).likely,
        estimate_total([each.high for each in by_row], n_rows).high,
    )


def find_longest(works: Sequence[RowWork]) -> int:
    """Tokens of the longest reading."""
    lengths = (reading.n_past + reading.n_new for work in works for reading in work.readings)
    return max(lengths, default=0)


def _open_models(
    recipe: Recipe, counter: TokenCounter, shape: ModelShape | None, gpu: Gpu | None
) -> tuple[StepScorer | None, TokenClassifier | None]:
    """The real ones where this machine's CPU would run them, stand-ins else."""
    if shape is None:
        return None, None
    if "scorer" in recipe.needs:
        if gpu is not None:
            return CountingScorer(counter, shape.window), None
        return (
            load_scorer(recipe.scorer, dtype=recipe.dtype, device="cpu", context=recipe.context),
            None,
        )
    if gpu is not None:
        return None, CountingClassifier(counter, shape.window - 2)
    return None, load_classifier(recipe.classifier or "", dtype=recipe.dtype, device="cpu")


def _overlap(scoring: Range, own: Range) -> Range:
    """Two parts of which one may hide behind the other wholly, mostly, or not at all."""
    shorter = min(scoring.likely, own.likely)
    return Range(
        max(scoring.low, own.low),
        max(scoring.likely, own.likely) + (1 - _HIDDEN) * shorter,
        scoring.high + own.high,
    )
