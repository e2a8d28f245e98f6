"""The plots of `asap rank`: each metric over the share of tokens kept, and what became of planted
passages.
"""

from __future__ import annotations

import math
import re

from asap.cli.rank_tables import MODEL_METRICS, Parts, say_metric
from asap.rank import METRICS, Results
from asap.report import Bar, BarPlot, Line, LinePlot, Plot, Point

_KEPT = "kept, % of the tokens"


def plot_all(parts: Parts) -> dict[str, Plot]:
    """Every plot of a comparison, by name."""
    kept, planted = parts["kept"], parts["planted"]
    plots: dict[str, Plot | None] = {
        _slug(name): _plot_metric(kept, name, _say_direction(name), name.replace("_", " "))
        for name in (*METRICS, *MODEL_METRICS)
        if name in kept.metrics
    }
    plots["planted-lift"] = _plot_metric(
        planted, "lift", "planted passages: lift over random removal (1 is chance)", "lift"
    )
    plots["planted-auc"] = _plot_order(parts["auc"])
    return {name: plot for name, plot in plots.items() if plot is not None}


def _plot_metric(results: Results, name: str, title: str, label: str) -> LinePlot | None:
    lines = []
    for arm in results.arms:
        points = [
            Point(100 * match.ratio, found.mean)
            for target in results.targets
            if (match := results.matches.get((target, arm))) is not None
            and (found := results.measured.get((target, arm, name))) is not None
            and math.isfinite(found.mean)
            and _is_own(target, arm)
        ]
        if points:
            lines.append(Line(arm, tuple(sorted(points, key=lambda point: point.x))))
    return LinePlot(_capital(title), _KEPT, label, tuple(lines)) if lines else None


def _is_own(target: str, arm: str) -> bool:
    """Whether the arm was asked for a ratio, or itself says how much it keeps."""
    return not target.startswith("as ") or target == f"as {arm}"


def _plot_order(results: Results) -> BarPlot | None:
    means = {
        arm: found.mean for (_, arm, name), found in results.measured.items() if name == "redundant"
    }
    bars = [Bar(arm, mean) for arm, mean in means.items() if math.isfinite(mean)]
    if not bars:
        return None
    ordered = sorted(bars, key=lambda bar: -bar.value)
    title = "How surely a planted passage goes before a unique step (0.5 is chance)"
    return BarPlot(title, "AUC of the removal order", tuple(ordered))


def _say_direction(name: str) -> str:
    is_higher = name not in METRICS or METRICS[name].direction == "higher"
    return f"{say_metric(name)} ({'higher' if is_higher else 'lower'} is better)"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
