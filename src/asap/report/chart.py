"""A dot chart in characters: values over a few ticks, one letter per series, no colour needed.

For a look at the shape; the exact values stand in a table.
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass

_N_ROWS = 11
"""With bounds that are multiples of ten, every row is a whole number."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the chart."""

    name: str
    values: tuple[float | None, ...]
    """One per tick."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Values over ticks at equal distances."""

    title: str
    ticks: tuple[str, ...]
    series: tuple[Series, ...]


def render_chart(chart: Chart) -> str:
    """The chart as lines of text. Over a tick each series has a column of its own, so that equal
    values do not hide each other.

    Raises:
        ValueError: there is no value to draw.
    """
    values = [value for series in chart.series for value in series.values if value is not None]
    if not values:
        raise ValueError("a chart needs a value")
    low = math.floor(min(values) / 10) * 10
    high = max(math.ceil(max(values) / 10) * 10, low + 10)
    letters = [string.ascii_letters[n % 52].swapcase() for n in range(len(chart.series))]
    slot = max(len(letters), *map(len, chart.ticks)) + 2
    grid = [[" "] * (slot * len(chart.ticks)) for _ in range(_N_ROWS)]
    for n_series, series in enumerate(chart.series):
        for n_tick, value in enumerate(series.values):
            if value is not None:
                n_row = round((high - value) / (high - low) * (_N_ROWS - 1))
                grid[n_row][n_tick * slot + 1 + n_series] = letters[n_series]
    step = (high - low) // (_N_ROWS - 1)
    width = len(str(high))
    lines = [f"{high - n * step:>{width}} |{''.join(row).rstrip()}" for n, row in enumerate(grid)]
    ticks = "".join(f" {tick}".ljust(slot) for tick in chart.ticks).rstrip()
    legend = [
        f"{letter} {series.name}" for letter, series in zip(letters, chart.series, strict=True)
    ]
    return "\n".join(
        [
            chart.title,
            *lines,
            f"{'':{width}} +{'-' * slot * len(chart.ticks)}",
            f"{'':{width}}  {ticks}",
            *legend,
        ]
    )
