"""What a prune run did, as the page's overview: headline numbers, funnel, reasons, recipe, times.

Counts come from `traces/`, not from the report, so that an unfinished run says what it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asap.view.index import TraceIndex
from asap.view.plain_value import say_value
from asap.view.run_folder import RunFolder
from asap.view.stage import STAGE1_MODES, has_stage2
from asap.view.visible import show_controls

_KEPT = "outcome <> 'excluded'"
_TOTALS = f"""
SELECT count(*), count(*) FILTER (WHERE {_KEPT}),
    sum(steps_before) FILTER (WHERE {_KEPT}), sum(steps_after_stage1) FILTER (WHERE {_KEPT}),
    sum(steps_after) FILTER (WHERE {_KEPT}), sum(tokens_before) FILTER (WHERE {_KEPT}),
    sum(tokens_after_stage1) FILTER (WHERE {_KEPT}), sum(tokens_after) FILTER (WHERE {_KEPT})
FROM traces
"""
_TOTAL_NAMES = (
    "rows_in",
    "rows_out",
    "steps_before",
    "steps_after_stage1",
    "steps_after",
    "tokens_before",
    "tokens_after_stage1",
    "tokens_after",
)


def count_totals(index: TraceIndex) -> dict[str, int]:
    """Rows in and out, and the steps and tokens of the rows that were kept."""
    values = index.query(_TOTALS)[0]
    return {name: int(value or 0) for name, value in zip(_TOTAL_NAMES, values, strict=True)}


def describe_counts(run: RunFolder, index: TraceIndex) -> dict[str, Any]:
    """`summary`, `funnel` and `excluded` of a run."""
    totals = count_totals(index)
    reasons = index.query(
        "SELECT reason, count(*) AS n FROM traces WHERE outcome = 'excluded' "
        "GROUP BY reason ORDER BY n DESC, reason"
    )
    return {
        "summary": _summarise(run, totals),
        "funnel": _list_stages(run, index, totals),
        "excluded": [{"reason": reason, "count": count} for reason, count in reasons],
    }


def describe_settings(run: RunFolder) -> dict[str, Any]:
    """`recipe`, `versions` and `timings` of a run of any kind, as pairs of text."""
    identity = run.report.get("identity") or {}
    recipe = {
        name.removeprefix("recipe."): value
        for name, value in _flatten(identity)
        if value is not None and value != []
    }
    timings = dict(run.report.get("timings") or {})
    by_stage = timings.pop("by_stage_s", None) or {}
    seconds = {f"{name}, s": value for name, value in by_stage.items()}
    return {
        "recipe": _pair(recipe),
        "versions": _pair(run.report.get("versions") or {}),
        "timings": _pair(
            {
                name: round(value, 3) if isinstance(value, float) else value
                for name, value in {**timings, **seconds}.items()
            }
        ),
    }


def find_ratio(totals: Mapping[str, int]) -> float | None:
    """The share of the tokens that was kept."""
    before = totals["tokens_before"]
    return totals["tokens_after"] / before if before else None


def _summarise(run: RunFolder, totals: Mapping[str, int]) -> list[list[str]]:
    n_excluded = totals["rows_in"] - totals["rows_out"]
    share = n_excluded / totals["rows_in"] if totals["rows_in"] else 0.0
    ratio = find_ratio(totals)
    pairs = [
        ["rows in", f"{totals['rows_in']:,}"],
        ["rows out", f"{totals['rows_out']:,}"],
        ["excluded", f"{n_excluded:,} ({100 * share:.1f} %)" if n_excluded else "0"],
        ["tokens", f"{totals['tokens_before']:,} → {totals['tokens_after']:,}"],
        ["tokens kept", "-" if ratio is None else f"{100 * ratio:.1f} %"],
    ]
    if totals["steps_before"] and totals["steps_after"]:
        pairs.append(["steps", f"{totals['steps_before']:,} → {totals['steps_after']:,}"])
    else:
        seconds = (run.report.get("timings") or {}).get("seconds")
        pairs.append(["time", "-" if seconds is None else f"{seconds:,.1f} s"])
    return pairs


def _list_stages(
    run: RunFolder, index: TraceIndex, totals: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The way down. A method with one stage, or none, has one step."""
    modes = {mode for (mode,) in index.query("SELECT DISTINCT mode FROM traces")}
    has_stages = bool(modes & set(STAGE1_MODES)) and has_stage2(run.report.get("identity") or {})
    stages: list[dict[str, Any]] = [
        {
            "stage": "rows kept, before",
            "rows": totals["rows_out"],
            "steps": totals["steps_before"] or None,
            "tokens": totals["tokens_before"],
        }
    ]
    if has_stages:
        stages.append(
            {
                "stage": "after stage 1",
                "rows": totals["rows_out"],
                "steps": totals["steps_after_stage1"],
                "tokens": totals["tokens_after_stage1"],
            }
        )
    stages.append(
        {
            "stage": "after stage 2" if has_stages else "after",
            "rows": totals["rows_out"],
            "steps": totals["steps_after"] or None,
            "tokens": totals["tokens_after"],
        }
    )
    return stages


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values that hold others under one name per value: `task.tokens`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _pair(values: Mapping[str, Any]) -> list[list[str]]:
    return [
        [show_controls(str(name)), say_value(value, str(name))] for name, value in values.items()
    ]
