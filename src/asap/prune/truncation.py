"""The controls `head` and `tail`: the beginning of the thinking stays, or its end."""

from __future__ import annotations

from collections.abc import Sequence

from asap.prune.method import Method, Options, Tools
from asap.prune.step_level import StepLevel
from asap.trace import Trace


def build_head(options: Options) -> Method:
    """The first steps stay."""
    return StepLevel(options, "steps from the end", _count_from_end)


def build_tail(options: Options) -> Method:
    """The last steps stay."""
    return StepLevel(options, "steps from the beginning", _count_from_beginning)


def _count_from_end(
    batch: Sequence[Trace], options: Options, tools: Tools
) -> list[Sequence[float]]:
    return [[float(i) for i in reversed(range(len(trace.steps)))] for trace in batch]


def _count_from_beginning(
    batch: Sequence[Trace], options: Options, tools: Tools
) -> list[Sequence[float]]:
    return [[float(i) for i in range(len(trace.steps))] for trace in batch]
