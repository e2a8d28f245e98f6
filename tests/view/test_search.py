"""Search in text: what is found, where, and how one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from asap.view.index import TraceIndex
from asap.view.search import search_traces


def search_all(client: Any, text: str, limit: int = 20) -> list[dict[str, Any]]:
    """All hits, asked for as the page does."""
    hits: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        found = client.json(f"/api/runs/0/search?q={quote(text)}&limit={limit}&cursor={cursor}")
        hits += found["hits"]
        assert cursor == "" or found["n_searched"] > int(cursor)
        assert len(found["hits"]) < limit + 3
        cursor = found["cursor"]
    assert found["n_searched"] == found["n_rows"]
    return hits


@pytest.mark.parametrize("text", ["total_3", "CHECK THE FIRST", "Wait, let", ".", "```python\n"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_all_hits_in_order(
    client: Any, run: Path, read_traces: Callable[..., Any], text: str, limit: int
) -> None:
    expected = [
        (row["row"], field)
        for row in read_traces(run)
        for field in ("question", "thinking", "answer")
        if text.lower() in (row[field] or "").lower()
    ]
    assert len(expected) > 10
    hits = search_all(client, text, limit)
    assert [(hit["row"], hit["where"]) for hit in hits] == expected
    for hit in hits:
        assert hit["match"].lower() == text.lower()


def test_a_hit_shows_what_stands_around(client: Any, run: Path, read_traces: Any) -> None:
    hits = search_all(client, "PRINT(total_21)")
    thinking, answer = read_traces(run)[22]["thinking"], read_traces(run)[22]["answer"]
    assert [(hit["row"], hit["where"], hit["id"]) for hit in hits] == [
        (22, "thinking", "t-21"),
        (22, "answer", "t-21"),
    ]
    at = thinking.index("print(total_21)")
    assert hits[0]["before"] == thinking[at - 60 : at]
    assert hits[0]["match"] == "print(total_21)"
    assert hits[0]["after"] == thinking[at + 15 : at + 135]
    assert hits[1]["after"] == answer[answer.index("print(total_21)") + 15 :]


@pytest.mark.parametrize("text", ["t.tal", "total_3|total_4", "%", "tot_l", "\\d", "(", "[a"])
def test_signs_of_patterns_mean_themselves(
    client: Any, run: Path, read_traces: Any, text: str
) -> None:
    expected = {
        row["row"]
        for row in read_traces(run)
        if any(text in (row[field] or "") for field in ("question", "thinking", "answer"))
    }
    assert {hit["row"] for hit in search_all(client, text)} == expected
    assert len(expected) in (0, 39)


def test_no_hit_is_no_hit(client: Any) -> None:
    assert search_all(client, "nowhere to be found") == []


def test_when_the_time_is_up_it_comes_back_and_goes_on(run: Path) -> None:
    index = TraceIndex(run)
    n_searched, rows, n_calls = 0, [], 0
    while n_searched < len(index):
        # No time at all: one shard of 16 rows per call, whatever the machine.
        found = search_traces(index, "total_", n_searched, 1000, slice_s=0.0)
        n_searched = found.n_searched
        rows += [hit.row for hit in found.hits if hit.where == "answer"]
        n_calls += 1
        assert found.is_done == (n_searched == 40)
    assert n_calls == 3
    assert rows == [row for row in range(40) if row != 7]


def test_other_letters_have_two_cases_too(
    tmp_path: Path, prune: Callable[..., Path], write_jsonl: Any, serve: Callable[..., Any]
) -> None:
    generation = "<think>\nDas Übermaß: ΣΥΝΟΛΟ → 3.\n\nEs ist 3.\n</think>\n\n3"
    rows = [{"id": "a", "prompt": "Wie viel?", "generation": generation}]
    folder = prune(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "run", method="tail")
    with serve(folder) as client:
        for text in ("übermaß", "ÜBER", "σύνολο"[:1] + "υνολο", "→ 3", "wie viel"):
            assert len(search_all(client, text)) == 1, text
        assert search_all(client, "uber") == []
