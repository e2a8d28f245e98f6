"""Search in text: what is found, where, and how one goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from asap.errors import RunFolderError
from asap.view.index import TraceIndex
from asap.view.letter_case import fold_case
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


@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize(
    "query",
    ["id=t-2", "outcome=excluded", "min_steps_before={middle}", "mode=extract&max_kept=0.39"],
)
def test_a_search_within_the_filters(
    client: Any, run: Path, read_traces: Callable[..., Any], query: str, limit: int
) -> None:
    rows = read_traces(run)
    middle = sorted(row["steps_before"] for row in rows if row["steps_before"])[20]
    passing: dict[str, Callable[[dict[str, Any]], bool]] = {
        "id=t-2": lambda row: "t-2" in row["id"],
        "outcome=excluded": lambda row: row["row"] == 7,
        "min_steps_before={middle}": lambda row: (row["steps_before"] or 0) >= middle,
        "mode=extract&max_kept=0.39": lambda row: bool(
            row["tokens_after"] and row["tokens_after"] / row["tokens_before"] <= 0.39
        ),
    }
    wanted = [row for row in rows if passing[query](row)]
    assert 0 < len(wanted) < 39
    expected = [
        (row["row"], field)
        for row in wanted
        for field in ("question", "thinking", "answer")
        if "the" in (row[field] or "").lower()
    ]
    query = query.format(middle=middle)
    path = f"/api/runs/0/search?q=THE&limit={limit}&{query}"
    hits, cursor, calls = [], "", 0
    while cursor is not None:
        found = client.json(f"{path}&cursor={cursor}")
        hits += [(hit["row"], hit["where"]) for hit in found["hits"]]
        cursor, calls = found["cursor"], calls + 1
        assert found["n_rows"] == len(wanted)
    assert found["n_searched"] == len(wanted)
    assert hits == expected
    assert (calls > 1) == (limit < len(expected))


def test_filters_that_nothing_passes(client: Any) -> None:
    found = client.json("/api/runs/0/search?q=a&min_tokens_before=1e9")
    assert found == {"hits": [], "cursor": None, "n_searched": 0, "n_rows": 0}


def test_a_shard_that_has_gone_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    index = TraceIndex(tmp_path / "run")
    (tmp_path / "run" / "traces" / "000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunFolderError, match="cannot read the traces"):
        search_traces(index, "total_", 0, 1000)


# From Unicode's CaseFolding.txt, status C and S; what is unlike has status F or T there.
ALIKE = ["σ ς Σ", "ß ẞ", "k K \u212a", "s S ſ", "é É", "ω Ω \u2126", "я Я", "ǆ ǅ Ǆ", "ᾳ ᾼ", "Ꭰ ꭰ"]
UNLIKE = ["i İ", "i ı", "ß ss", "ﬁ fi", "e é", "İ ı", "ŉ ʼn"]


@pytest.fixture(scope="module")
def letters(
    tmp_path_factory: pytest.TempPathFactory, prune: Callable[..., Path], write_jsonl: Any
) -> TraceIndex:
    """A run with one group of letters in each row's answer."""
    groups = [*ALIKE, *UNLIKE]
    generations = [f"<think>\n0.\n\n1.\n</think>\n\n{group}" for group in groups]
    rows = [{"id": f"{n}", "prompt": "?", "generation": each} for n, each in enumerate(generations)]
    folder = tmp_path_factory.mktemp("letters")
    return TraceIndex(
        prune(write_jsonl(folder / "in.jsonl", rows), folder / "run", method="tail", ratio=1.0)
    )


@pytest.mark.parametrize("n", range(len(ALIKE)))
def test_cases_of_a_letter_find_each_other(letters: TraceIndex, n: int) -> None:
    signs = ALIKE[n].split()
    for sign in signs:
        others = "".join(f"{other} " for other in signs).strip()
        # The whole group, typed in one of its cases, stands where it stands.
        text = " ".join([sign] * len(signs))
        hits = search_traces(letters, text, 0, 100).hits
        assert [(hit.row, hit.where, hit.match) for hit in hits] == [(n, "answer", others)]


@pytest.mark.parametrize("n", range(len(UNLIKE)))
def test_other_letters_do_not(letters: TraceIndex, n: int) -> None:
    one, other = UNLIKE[n].split()
    for text in (f"{one} {one}", f"{other} {other}"):
        rows = [hit.row for hit in search_traces(letters, text, 0, 100).hits]
        assert len(ALIKE) + n not in rows


def test_cases_are_folded_as_another_engine_folds_them() -> None:
    signs = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    alike: dict[str, list[str]] = {}
    for sign in signs:
        alike.setdefault(fold_case(sign), []).append(sign)
    groups = [group for group in alike.values() if len(group) > 1]
    assert len(groups) > 1300
    cased = pa.array([sign for group in groups for sign in group])
    for group in groups:
        found = cased.filter(pc.match_substring(cased, group[-1], ignore_case=True))
        assert set(found.to_pylist()) == set(group)


def test_places_in_the_folded_text_are_those_of_the_text() -> None:
    text = "İSTANBUL ﬃ ΐ ẞ Σ \U00010400 groß"
    assert len(fold_case(text)) == len(text)
    assert fold_case(fold_case(text)) == fold_case(text)
    assert fold_case(text).index(fold_case("GROẞ")) == text.index("groß")


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
