"""One trace: what is said of each step, and the slider against what `asap prune` keeps."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from asap.chat import ScriptedChat
from asap.trace import STEP_REASONS
from asap.view.markup import join_pieces
from asap.view.visible import show_controls

Rows = list[dict[str, Any]]
LIMITS = (1, 40, 60, 75, 90, 120, 1000)


def count_removals(slider: dict[str, Any], limit: int) -> int:
    """The page's rule, as it stands in `budget.js`."""
    counts = slider["tokens_after_removal"]
    n_removed = 0
    if slider["n_tokens"] > limit:
        within = [n for n, count in enumerate(counts) if count <= limit and n + 1 < len(counts)]
        n_removed = within[0] + 1 if within else len(counts)
    return int(min(slider["n_most"], max(slider["n_fixed"], n_removed)))


def kept_at(trace: dict[str, Any], limit: int) -> set[int]:
    slider = trace["slider"]
    gone = slider["removal_order"][: count_removals(slider, limit)]
    return set(range(len(trace["steps"]))) - set(gone)


def kept_of(row: dict[str, Any]) -> set[int]:
    return {n for n, step in enumerate(row["steps"]) if step["fate"] == "kept"}


def test_a_trace_says_what_the_row_says(client: Any, run: Path, read_traces: Any) -> None:
    for row in (read_traces(run)[n] for n in (0, 5, 39)):
        trace = client.json(f"/api/runs/0/traces/{row['row']}")
        for name in ("row", "id", "outcome", "reason", "tokens_before", "tokens_after_stage1"):
            assert trace[name] == row[name]
        for name in ("question", "answer"):
            assert join_pieces(trace[name]["pieces"]) == row[name]
        assert trace["anchor"] is trace["reply"] is trace["rewritten"] is trace["thinking"] is None
        assert trace["stage1"]["mode"] == "extract"
        assert trace["score_label"] == "surprisal, nats"
        assert trace["is_reply_subject"] is False
        assert len(trace["steps"]) == len(row["steps"])
        for n, (shown, step) in enumerate(zip(trace["steps"], row["steps"], strict=True)):
            text = row["thinking"][step["start"] : step["end"]]
            assert join_pieces(shown["pieces"]) == text
            assert (shown["index"], shown["n_chars"], shown["cut"]) == (n, len(text), None)
            for name in ("n_tokens", "fate", "surprisal", "match"):
                assert shown[name] == step[name]
            # Of a token line breaks are what it is about.
            token = step["first_token"]
            assert shown["first_token"] == (token and token.replace("\n", "\u240a"))
            if step["surprisal"] is None:
                assert shown["probability"] is None
            else:
                assert math.isclose(-math.log(shown["probability"]), step["surprisal"])
    assert {step["fate"] for step in trace["steps"]} == {"kept", "stage1", "stage2"}


def test_a_step_that_stage_1_drops_says_why(client: Any, run: Path, read_traces: Any) -> None:
    seen = set()
    for row in read_traces(run):
        if row["outcome"] == "excluded":
            continue
        trace = client.json(f"/api/runs/0/traces/{row['row']}")
        for shown, step in zip(trace["steps"], row["steps"], strict=True):
            seen.add(step["reason"])
            wanted = step["reason"] and STEP_REASONS[step["reason"]]
            assert shown["why"] == (wanted and wanted.replace("{step}", str(step["reason_step"])))
    assert {None, "draft", "no_evidence"} <= seen


def test_a_run_of_an_earlier_version_says_no_reason(
    run: Path, tmp_path: Path, serve: Callable[..., Any]
) -> None:
    folder = tmp_path / "earlier"
    shutil.copytree(run, folder)
    for path in (folder / "traces").glob("*.parquet"):
        table = pq.ParquetFile(path).read()
        steps = table["steps"].combine_chunks()
        fields = [field for field in steps.type.value_type if not field.name.startswith("reason")]
        values = [pc.struct_field(steps.values, field.name) for field in fields]
        struct = pa.StructArray.from_arrays(values, fields=fields)
        earlier = pa.ListArray.from_arrays(steps.offsets, struct, mask=steps.is_null())
        place = table.schema.get_field_index("steps")
        pq.write_table(table.set_column(place, "steps", earlier), path)
    with serve(folder) as client:
        trace = client.json("/api/runs/0/traces/0")
        assert {step["fate"] for step in trace["steps"]} == {"kept", "stage1", "stage2"}
        assert {step["why"] for step in trace["steps"]} == {None}
        assert trace["stages"] == ["stage1", "stage2"]


@pytest.mark.parametrize(
    ("recipe", "stages"),
    [
        ({}, ["stage1", "stage2"]),
        ({"method": "asap-no-stage1"}, ["stage2"]),
        ({"method": "asap-no-stage2"}, ["stage1"]),
        ({"stage2": "none"}, ["stage1"]),
        ({"method": "original"}, []),
        ({"method": "spirit-fast"}, ["stage2"]),
    ],
    ids=str,
)
def test_the_stages_are_those_that_the_method_has(
    recipe: dict[str, Any],
    stages: list[str],
    source: Path,
    prune: Callable[..., Path],
    tmp_path: Path,
    serve: Callable[..., Any],
) -> None:
    with serve(prune(source, tmp_path / "run", limit=3, ratio=0.4, **recipe)) as client:
        trace = client.json("/api/runs/0/traces/0")
        assert trace["stages"] == stages
        assert {step["fate"] for step in trace["steps"]} == {"kept", *stages}
        n_lines = len(client.json("/api/runs/0/overview")["funnel"])
        assert n_lines == (3 if len(stages) == 2 else 2)


def test_another_score_has_its_name(client: Any, tail: Path, read_traces: Any) -> None:
    trace = client.json("/api/runs/1/traces/0")
    row = read_traces(tail)[0]
    assert trace["score_label"] == trace["score_name"] == "steps from the beginning"
    assert [step["score"] for step in trace["steps"]] == list(range(len(row["steps"])))
    assert {step["surprisal"] for step in trace["steps"]} == {None}


def test_an_excluded_row_says_why(client: Any) -> None:
    trace = client.json("/api/runs/0/traces/7")
    assert (trace["outcome"], trace["reason"]) == ("excluded", "no_closing_tag")
    assert "in.jsonl, line 8" in trace["detail"]
    assert (trace["steps"], trace["slider"]) == ([], None)
    assert trace["slider_why"] == "the row was excluded"
    assert trace["stages"] == []
    meaning, remedy = (join_pieces(trace["explanation"][name]) for name in ("meaning", "remedy"))
    assert meaning == "the thinking is cut off before its closing tag"
    assert remedy == "generate with a larger budget"
    assert client.json("/api/runs/0/traces/0")["explanation"] is None


def test_a_score_in_nats_says_so(
    source: Path, prune: Callable[..., Path], tmp_path: Path, serve: Callable[..., Any]
) -> None:
    with serve(prune(source, tmp_path / "run", limit=12, method="step-entropy")) as client:
        trace = client.json("/api/runs/0/traces/0")
        assert trace["score_label"] == "entropy of the step, nats"
        plots = client.json("/api/runs/0/overview")["plots"]
        (positions,) = (plot for plot in plots if plot["name"] == "position")
        headings = [column["heading"] for column in positions["table"]["columns"]]
        assert "median entropy of the step, nats" in headings


@pytest.mark.parametrize(
    "recipe",
    [
        {"stage1_ratio": 0.6},
        {"stage1_ratio": 0.6, "keep_headers": False, "segment": "paragraph"},
        {"stage1": "none"},
        {"method": "random"},
        {"method": "tail"},
        {"stage1": "rewrite", "wording": "reply", "stage1_attempts": 1},
        {"stage1": "rewrite", "wording": "original", "stage1_attempts": 1},
    ],
    ids=lambda recipe: "-".join(map(str, recipe.values())),
)
def test_the_slider_keeps_what_prune_keeps(
    recipe: dict[str, Any],
    source: Path,
    prune: Callable[..., Path],
    shorten: Callable[..., str],
    tmp_path: Path,
    serve: Callable[..., Any],
    read_traces: Callable[[Path], Rows],
) -> None:
    def make(limit: int) -> Path:
        chat = ScriptedChat(shorten) if recipe.get("stage1") == "rewrite" else None
        more = {**recipe, "on_step_over_budget": "keep", "limit": 14}
        return prune(source, tmp_path / str(limit), chat=chat, budget_tokens=limit, **more)

    runs = {limit: read_traces(make(limit)) for limit in LIMITS}
    n_compared, n_kept = 0, set()
    with serve(tmp_path / "75") as client:
        for row in range(14):
            trace = client.json(f"/api/runs/0/traces/{row}")
            if trace["slider"] is None:
                assert row == 7
                continue
            assert trace["slider"]["limit_now"] == 75
            for limit in LIMITS:
                assert kept_at(trace, limit) == kept_of(runs[limit][row]), (row, limit)
                n_compared += 1
                n_kept.add(len(kept_at(trace, limit)))
            slider = trace["slider"]
            least = slider["tokens_after_removal"][slider["n_most"] - 1]
            assert slider["min"] == least <= runs[1][row]["tokens_after"] + 1
            assert kept_at(trace, slider["max"]) == kept_at(trace, 10**9)
    assert n_compared == 13 * len(LIMITS)
    assert len(n_kept) > 5
    assert min(n_kept) >= 1


def test_a_share_is_one_of_the_whole_thinking(
    client: Any, run: Path, replied: Path, serve: Callable[..., Any], read_traces: Any
) -> None:
    before = read_traces(run)[2]["tokens_before"]
    assert client.json("/api/runs/0/traces/2")["slider"]["limit_now"] == int(0.4 * before)
    with serve(replied) as other:
        trace = other.json("/api/runs/0/traces/2")
        assert trace["slider"]["limit_now"] == int(0.4 * before)
        assert trace["slider"]["n_tokens"] < before


def test_the_replys_wording_is_shown_with_its_anchor(
    replied: Path, serve: Callable[..., Any], read_traces: Any
) -> None:
    rows = read_traces(replied)
    with serve(replied) as client:
        trace = client.json("/api/runs/0/traces/0")
        assert trace["is_reply_subject"] is True
        assert trace["stage1"]["mode"] == "rewrite"
        assert join_pieces(trace["anchor"]["pieces"]) == "Sum the list.\n\nPrint the sum."
        assert join_pieces(trace["reply"]["pieces"]) == rows[0]["reply"]
        assert join_pieces(trace["thinking"]["pieces"]) == rows[0]["thinking"]
        assert join_pieces(trace["steps"][0]["pieces"]).endswith(" indeed")
        assert 0.9 < trace["steps"][0]["match"] < 1
        assert trace["steps"][1]["match"] == 1
        assert trace["slider"]["n_fixed"] == 0
        fallen = client.json("/api/runs/0/traces/3")
        assert fallen["is_reply_subject"] is False
        assert (fallen["stage1"]["mode"], fallen["stage1"]["failure"]) == ("extract", "empty_reply")
        first = rows[3]["steps"][0]
        text = rows[3]["thinking"][first["start"] : first["end"]]
        assert join_pieces(fallen["steps"][0]["pieces"]) == text


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({"rounds": 2}, "scored 2 times"),
        ({"method": "asap-no-stage2"}, "no budget"),
        ({"method": "original"}, "no budget"),
        ({"stage2": "none"}, "no budget"),
    ],
)
def test_where_there_is_no_slider_it_says_why(
    recipe: dict[str, Any],
    why: str,
    source: Path,
    prune: Callable[..., Path],
    tmp_path: Path,
    serve: Callable[..., Any],
) -> None:
    folder = prune(source, tmp_path / "run", limit=2, **recipe)
    with serve(folder) as client:
        trace = client.json("/api/runs/0/traces/0")
        assert trace["slider"] is None
        assert why in trace["slider_why"]
        assert trace["steps"]


def test_new_text_stands_beside_the_thinking(
    source: Path, prune: Callable[..., Path], tmp_path: Path, serve: Callable[..., Any]
) -> None:
    chat = ScriptedChat(lambda request: f"Short {request.id}")
    folder = prune(source, tmp_path / "run", chat=chat, method="c3ot", limit=3)
    with serve(folder) as client:
        trace = client.json("/api/runs/0/traces/1")
        assert trace["outcome"] == "rewritten"
        assert join_pieces(trace["rewritten"]["pieces"]) == "Short t-1"
        assert "Wait, let me check" in join_pieces(trace["thinking"]["pieces"])
        assert (trace["steps"], trace["slider"]) == ([], None)
        assert "new text" in trace["slider_why"]
        page = client.json("/api/runs/0/traces")
        assert [row["steps_after"] for row in page["rows"]] == [None] * 3
        stages = client.json("/api/runs/0/overview")["funnel"]
        assert [stage["stage"] for stage in stages] == ["rows kept, before", "after"]
        assert [stage["tokens"] for stage in stages][1] == 12


HOSTILE = {
    "nul": "a\x00b\x00",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "rtl": "\u202eabc\u202c \u2066x\u2069",
    "line": "\u2028\u2029\x85",
    "quote": "\"'`${1+1}\\u003c",
    "long": "y" * 2_000_000,
}


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory,
    prune: Callable[..., Path],
    write_jsonl: Callable[..., Path],
) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {
            "id": f"{name} {text[:40]}",
            "prompt": f"Q {text}",
            "generation": f"<think>\nOne {text}\n\nTwo.\n\nThree {text}\n</think>\n\nA {text}",
        }
        for name, text in HOSTILE.items()
    ]
    source = write_jsonl(folder / "in.jsonl", rows)
    return prune(source, folder / "run", method="tail", ratio=0.7)


def test_hostile_text_comes_back_whole_and_visible(
    hostile: Path, serve: Callable[..., Any], read_traces: Any
) -> None:
    with serve(hostile) as client:
        page = client.json("/api/runs/0/traces")
        for row in read_traces(hostile):
            name = list(HOSTILE)[row["row"]]
            assert HOSTILE[name] in row["thinking"]
            assert page["rows"][row["row"]]["id"] == show_controls(row["id"])
            body = client.get(f"/api/runs/0/traces/{row['row']}?full=1").body
            assert not set(range(0x20)) & set(body)
            trace = json.loads(body)
            assert join_pieces(trace["question"]["pieces"]) == show_controls(f"Q {HOSTILE[name]}")
            assert join_pieces(trace["answer"]["pieces"]) == show_controls(row["answer"])
            for shown, step in zip(trace["steps"], row["steps"], strict=True):
                text = row["thinking"][step["start"] : step["end"]]
                assert join_pieces(shown["pieces"]) == show_controls(text)
                assert shown["n_chars"] == len(text)


def test_a_long_text_is_cut_and_counted(hostile: Path, serve: Callable[..., Any]) -> None:
    with serve(hostile) as client:
        answer = client.get("/api/runs/0/traces/6")
        assert len(answer.body) < 100_000
        step = answer.json["steps"][0]
        assert (step["cut"], step["n_chars"]) == (2_000_004, 2_000_004)
        assert len(join_pieces(step["pieces"])) == 20_000


def test_nul_bytes_are_filtered_and_searched(hostile: Path, serve: Callable[..., Any]) -> None:
    with serve(hostile) as client:
        found = client.json("/api/runs/0/traces?id=nul%20a%00b")
        assert [row["row"] for row in found["rows"]] == [0]
        assert found["rows"][0]["id"] == "nul a\u2400b\u2400"
        assert client.json("/api/runs/0/traces?sort=id")["total"] == len(HOSTILE)
        hits = client.json("/api/runs/0/search?q=a%00B")["hits"]
        assert [(hit["row"], hit["where"]) for hit in hits] == [
            (0, "question"),
            (0, "thinking"),
            (0, "answer"),
        ]
        assert hits[0]["match"] == "a\u2400b"
        (hit,) = client.json("/api/runs/0/search?q=%3Cscript%3E&limit=1")["hits"][:1]
        assert (hit["row"], hit["match"]) == (1, "<script>")
