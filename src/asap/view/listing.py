"""The list of a run's traces: which are shown, in which order, and what each line says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from asap.view.index import TraceIndex
from asap.view.visible import show_controls

RANGES = ("tokens_before", "tokens_after", "kept", "steps_before", "similarity")
"""Columns that can be asked for by a least and a greatest value."""
_Column = Literal[
    "row",
    "id",
    "outcome",
    "reason",
    "mode",
    "tokens_before",
    "tokens_after",
    "kept",
    "steps_before",
    "steps_after",
    "similarity",
]
_COLUMNS: tuple[_Column, ...] = get_args(_Column)
_Number = float | None


class TraceFilter(BaseModel):
    """Which traces are meant. What is not given does not filter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: str | None = None
    reason: str | None = None
    mode: str | None = None
    id: str | None = None
    """Contained in the id, upper and lower case alike."""
    min_tokens_before: _Number = None
    max_tokens_before: _Number = None
    min_tokens_after: _Number = None
    max_tokens_after: _Number = None
    min_kept: _Number = None
    max_kept: _Number = None
    min_steps_before: _Number = None
    max_steps_before: _Number = None
    min_similarity: _Number = None
    max_similarity: _Number = None


class TraceQuery(TraceFilter):
    """Which traces to list, in which order, which page of them."""

    sort: _Column = "row"
    desc: bool = False
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=1000)


def list_traces(index: TraceIndex, query: TraceQuery) -> dict[str, Any]:
    """One page of the list.

    Returns:
        As JSON: `total` traces that pass the filters, `offset`, and `rows`. Where the column of the
        order has no value a trace comes last, both ways; equal ones come by row.
    """
    where, parameters = write_where(query)
    direction = "DESC" if query.desc else "ASC"
    order = f"{query.sort} {direction} NULLS LAST, row"
    total = index.query(f"SELECT count(*) FROM traces WHERE {where}", parameters)[0][0]
    rows = index.query(
        f"SELECT {', '.join(_COLUMNS)} FROM traces WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
        [*parameters, query.limit, query.offset],
    )
    return {"total": total, "offset": query.offset, "rows": [_show(row) for row in rows]}


def find_rows(index: TraceIndex, rows: Sequence[int]) -> list[dict[str, Any]]:
    """The lines of some rows, ascending."""
    found = index.query(
        f"SELECT {', '.join(_COLUMNS)} FROM traces WHERE list_contains(?, row) ORDER BY row",
        [list(rows)],
    )
    return [_show(row) for row in found]


def describe_filters(index: TraceIndex) -> dict[str, Any]:
    """What can be chosen: `ranges` of the numbers (None where no trace has one), `reasons`,
    `modes`.
    """
    edges = ", ".join(f"min({name}), max({name})" for name in RANGES)
    values = index.query(f"SELECT {edges} FROM traces")[0]
    pairs = zip(values[::2], values[1::2], strict=True)
    return {
        "ranges": {
            name: None if low is None else [low, high]
            for name, (low, high) in zip(RANGES, pairs, strict=True)
        },
        "reasons": _list_distinct(index, "reason"),
        "modes": _list_distinct(index, "mode"),
    }


def _list_distinct(index: TraceIndex, column: str) -> list[str]:
    found = index.query(
        f"SELECT DISTINCT {column} FROM traces WHERE {column} IS NOT NULL ORDER BY 1"
    )
    return [value for (value,) in found]


def write_where(query: TraceFilter) -> tuple[str, list[Any]]:
    """A condition on the table `traces` and its parameters. Names of columns come from here, values
    never do.
    """
    terms: list[tuple[str, Any]] = [
        (f"{name} = ?", getattr(query, name)) for name in ("outcome", "reason", "mode")
    ]
    terms.append(("contains(lower(id), lower(?))", query.id))
    for name in RANGES:
        terms.append((f"{name} >= ?", getattr(query, f"min_{name}")))
        terms.append((f"{name} <= ?", getattr(query, f"max_{name}")))
    used = [(term, value) for term, value in terms if value is not None]
    return " AND ".join(["true", *(term for term, _ in used)]), [value for _, value in used]


def _show(values: tuple[Any, ...]) -> dict[str, Any]:
    row = dict(zip(_COLUMNS, values, strict=True))
    row["id"] = show_controls(row["id"])
    return row
