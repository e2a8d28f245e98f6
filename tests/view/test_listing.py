"""The list: filters and order against values worked out from the rows of `traces/` themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]


@pytest.fixture
def rows(run: Path, read_traces: Callable[[Path], Rows]) -> Rows:
    found = read_traces(run)
    for row in found:
        is_kept = row["tokens_after"] is not None
        row["kept"] = row["tokens_after"] / row["tokens_before"] if is_kept else None
        row["mode"] = row["stage1"] and row["stage1"]["mode"]
    return found


def ask(client: Any, query: str) -> tuple[int, list[int]]:
    page = client.json(f"/api/runs/0/traces?{query}")
    return page["total"], [row["row"] for row in page["rows"]]


def test_a_line_says_what_the_row_says(client: Any, rows: Rows) -> None:
    page = client.json("/api/runs/0/traces")
    assert (page["total"], page["offset"], len(page["rows"])) == (40, 0, 40)
    for shown, row in zip(page["rows"], rows, strict=True):
        assert shown["similarity"] is None
        assert all(shown[name] == row[name] for name in shown if name != "similarity")
    assert page["rows"][7]["outcome"] == "excluded"
    assert page["rows"][7]["reason"] == "no_closing_tag"
    assert page["reasons"] == ["no_closing_tag"]
    assert page["modes"] == ["extract"]
    assert page["ranges"].pop("similarity") is None
    assert set(page["ranges"]) == {"tokens_before", "tokens_after", "kept", "steps_before"}
    for name, edges in page["ranges"].items():
        values = [row[name] for row in rows if row[name] is not None]
        assert edges == [min(values), max(values)]


@pytest.mark.parametrize("column", ["tokens_before", "tokens_after", "kept", "steps_before"])
def test_ranges(client: Any, rows: Rows, column: str) -> None:
    values = sorted(row[column] for row in rows if row[column] is not None)
    low, high = values[9], values[25]
    expected = [
        row["row"] for row in rows if row[column] is not None and low <= row[column] <= high
    ]
    assert 10 < len(expected) < 39
    query = f"min_{column}={low}&max_{column}={high}"
    assert ask(client, query) == (len(expected), expected)
    only_least = [row["row"] for row in rows if (row[column] or -1) >= low]
    assert ask(client, f"min_{column}={low}") == (len(only_least), only_least)


@pytest.mark.parametrize(
    "column", ["row", "id", "outcome", "mode", "tokens_before", "kept", "steps_after"]
)
@pytest.mark.parametrize("desc", [0, 1])
def test_order(client: Any, rows: Rows, column: str, desc: int) -> None:
    with_value = [row for row in rows if row[column] is not None]
    ordered = sorted(with_value, key=lambda row: row["row"])
    ordered.sort(key=lambda row: row[column], reverse=bool(desc))
    # Python keeps equal ones in order when it sorts downwards, too; none comes last both ways.
    ordered += [row for row in rows if row[column] is None]
    expected = [row["row"] for row in ordered]
    assert ask(client, f"sort={column}&desc={desc}") == (40, expected)
    assert ask(client, f"sort={column}&desc={desc}&offset=13&limit=9") == (40, expected[13:22])


def test_names_and_ids(client: Any, rows: Rows) -> None:
    assert ask(client, "outcome=excluded") == (1, [7])
    assert ask(client, "reason=no_closing_tag") == (1, [7])
    assert ask(client, "mode=extract")[0] == 39
    assert ask(client, "mode=rewrite") == (0, [])
    expected = [row["row"] for row in rows if "t-1" in row["id"]]
    assert len(expected) == 11
    assert ask(client, "id=T-1") == (11, expected)
    assert ask(client, "id=%25") == (0, [])
    assert ask(client, "id=t-1&mode=extract&offset=10") == (11, expected[10:])
    assert ask(client, "outcome='%20OR%201=1%20--") == (0, [])


def test_similarity_is_the_mean_match_of_what_stage_1_kept(
    replied: Path, serve: Callable[..., Any], read_traces: Callable[[Path], Rows]
) -> None:
    expected = {}
    for row in read_traces(replied):
        matches = [
            step["match"]
            for step in row["steps"] or ()
            if step["fate"] != "stage1" and step["match"] is not None
        ]
        expected[row["row"]] = sum(matches) / len(matches) if matches else None
    assert [row for row, value in expected.items() if value is None] == [3, 7]
    with serve(replied) as client:
        page = client.json("/api/runs/0/traces")
        shown = {row["row"]: row["similarity"] for row in page["rows"]}
        assert shown == pytest.approx(expected)
        known = sorted(value for value in expected.values() if value is not None)
        assert 0.9 < known[0] < known[-1] < 1
        assert page["ranges"]["similarity"] == pytest.approx([known[0], known[-1]])
        assert page["modes"] == ["extract", "rewrite"]
        middle = (known[18] + known[19]) / 2
        found = client.json(f"/api/runs/0/traces?min_similarity={middle}")
        assert found["total"] == len([value for value in known if value >= middle])
        last = client.json("/api/runs/0/traces?sort=similarity&desc=1")["rows"][-2:]
        assert [row["row"] for row in last] == [3, 7]
