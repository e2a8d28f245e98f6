"""What was kept of each trace against its length: a point per trace, or their density where there
are too many to be seen.
"""

from __future__ import annotations

import math

from asap.report import Density, ScatterPlot, lay_out_plot
from asap.view.figure import Figure
from asap.view.index import TraceIndex

_MOST_POINTS = 1_000
_N_X, _N_Y = 36, 25
_WHERE = "outcome <> 'excluded' AND tokens_before > 0 AND kept IS NOT NULL"
_CELLS = f"""
SELECT least({_N_X} - 1, floor((ln(tokens_before) - $1) / $2)::INTEGER) AS x,
    least({_N_Y} - 1, floor((100 * kept - $3) / $4)::INTEGER) AS y, count(*)
FROM traces WHERE {_WHERE} GROUP BY ALL
"""


def draw_up_cloud(index: TraceIndex) -> Figure | None:
    """The figure; None where no trace was kept."""
    n_traces, *bounds = index.query(
        "SELECT count(*), min(tokens_before), max(tokens_before), min(kept), max(kept) "
        f"FROM traces WHERE {_WHERE}"
    )[0]
    if not n_traces:
        return None
    points: tuple[tuple[float, float], ...] = ()
    density = None
    if n_traces <= _MOST_POINTS:
        points = tuple(
            index.query(f"SELECT tokens_before, 100 * kept FROM traces WHERE {_WHERE} ORDER BY row")
        )
    else:
        density = _count_cells(index, *bounds)
    plot = ScatterPlot(
        "What was kept of each trace, by its length",
        "tokens before",
        "kept, % of the tokens",
        points,
        density,
        unit="traces",
        is_x_log=True,
    )
    return Figure("traces", plot, lay_out_plot(plot))


def _count_cells(
    index: TraceIndex, shortest: int, longest: int, least: float, most: float
) -> Density:
    left, bottom = math.log(shortest), 100 * least
    width = (math.log(max(longest, shortest + 1)) - left) / _N_X
    height = 100 * (most - least) / _N_Y or 1.0
    counts = [[0] * _N_X for _ in range(_N_Y)]
    for x, y, count in index.query(_CELLS, [left, width, bottom, height]):
        # Sums of floats may put the least value a hair below its own edge.
        counts[max(0, y)][max(0, x)] += count
    return Density(
        tuple(math.exp(left + width * n) for n in range(_N_X + 1)),
        tuple(bottom + height * n for n in range(_N_Y + 1)),
        tuple(map(tuple, counts)),
    )
