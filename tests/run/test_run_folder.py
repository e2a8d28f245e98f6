"""What a run leaves (DESIGN section 6): read with pyarrow and json, counted independently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import asap
from asap.chat import ChatRequest, ScriptedChat
from asap.errors import InputError, TooManyExcluded
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer
from asap.trace import STEP_REASONS, select_within

Prune = Callable[..., tuple[Any, Any]]

BAD = [
    '{"id": "half',  # line 4 of the file
    {"id": "open", "prompt": "Q", "generation": "<think>\nnever closed"},
    {"id": "bare", "prompt": "Q", "generation": "<think>\n\n</think>\n\nanswer"},
]


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    """40 rows, of which rows 3, 4 and 5 are unusable."""
    rows = make_rows(37, seed=1)
    return write_jsonl(tmp_path / "in.jsonl", rows[:3] + BAD + rows[3:])


def thinking_of(completion: str) -> str:
    opening, _, rest = completion.partition("<think>\n")
    assert opening == ""
    return rest.partition("\n</think>\n")[0]


def test_every_row_is_there_once(prune: Prune, source: Path) -> None:
    result, run = prune(source, shard_rows=16)
    assert [row["row"] for row in run.traces] == list(range(40))
    lines = (run.path / "excluded.jsonl").read_text("utf-8").splitlines()
    excluded = [json.loads(line) for line in lines]
    kept = {row["row"] for row in run.data}
    gone = {row["row"] for row in excluded}
    assert kept | gone == set(range(40))
    assert kept & gone == set()
    assert gone == {3, 4, 5}
    assert (result.summary.rows_in, result.summary.rows_out) == (40, 37)
    assert [row["row"] for row in run.data] == sorted(kept)


def test_excluded_rows_say_why_and_where(prune: Prune, source: Path) -> None:
    _, run = prune(source)
    lines = (run.path / "excluded.jsonl").read_text("utf-8").splitlines()
    first, second, third = (json.loads(line) for line in lines)
    assert list(first) == ["row", "id", "reason", "detail"]
    assert "in.jsonl, line 4: " in first["detail"]
    assert second["id"] == "open"
    assert len({first["reason"], second["reason"], third["reason"]}) == 3
    counts = Counter(json.loads(line)["reason"] for line in lines)
    report = json.loads((run.path / "report.json").read_text("utf-8"))
    assert report["counts"]["excluded_by_reason"] == counts


def test_the_columns_of_data_and_traces(prune: Prune, source: Path) -> None:
    _, run = prune(source)
    data = pq.read_schema(run.path / "data" / "000000.parquet")
    assert data.names == [
        "row",
        "id",
        "variant",
        "prompt",
        "completion",
        "tokens_before",
        "tokens_after",
    ]
    traces = pq.read_schema(run.path / "traces" / "000000.parquet")
    wanted = """row id question thinking answer outcome reason anchor reply stage1 steps score_name
        removal_order tokens_after_removal rewritten"""
    assert set(wanted.split()) <= set(traces.names)
    step = traces.field("steps").type.value_type
    assert {step.field(i).name for i in range(step.num_fields)} == {
        "start",
        "end",
        "n_tokens",
        "fate",
        "surprisal",
        "score",
        "first_token",
        "match",
        "reason",
        "reason_step",
    }


def test_steps_that_stage_1_drops_say_why(prune: Prune, source: Path) -> None:
    _, run = prune(source, ratio=0.4)
    names: dict[str, set[str | None]] = {"kept": set(), "stage1": set(), "stage2": set()}
    for row in run.traces:
        for step in row["steps"] or ():
            names[step["fate"]].add(step["reason"])
            if step["reason_step"] is not None:
                assert step["reason_step"] in range(len(row["steps"]))
    assert names["stage2"] == {None}
    assert None not in names["stage1"]
    # The rows hold their answer, and sentences of words that it does not have.
    assert {"draft", "no_evidence"} <= names["stage1"] <= set(STEP_REASONS)


def test_the_shards_of_data_and_traces_go_together(prune: Prune, source: Path) -> None:
    _, run = prune(source, shard_rows=16)
    for name in ("000000", "000001", "000002"):
        data = pq.ParquetFile(run.path / "data" / f"{name}.parquet").read(["row"])
        traces = pq.ParquetFile(run.path / "traces" / f"{name}.parquet").read(["row"])
        assert set(data["row"].to_pylist()) <= set(traces["row"].to_pylist())
    assert len(run.files("data")) == len(run.files("traces")) == 3


@pytest.mark.parametrize("fields", [{}, {"budget_tokens": 60}, {"stage1": "none"}, {"rounds": 3}])
def test_kept_steps_are_verbatim_in_order_and_within_budget(
    prune: Prune, source: Path, fields: dict[str, Any]
) -> None:
    _, run = prune(source, **fields)
    counter = FakeCounter()
    evidence = {row["row"]: row for row in run.traces}
    assert len(run.data) > 30
    for row in run.data:
        trace = evidence[row["row"]]
        thinking = thinking_of(row["completion"])
        assert row["tokens_before"] == counter.count([trace["thinking"]])[0]
        assert row["tokens_after"] == counter.count([thinking])[0]
        budget = fields.get("budget_tokens", int(row["tokens_before"] * 0.5))
        assert row["tokens_after"] <= budget
        position = 0
        for step in trace["steps"]:
            if step["fate"] == "kept":
                text = trace["thinking"][step["start"] : step["end"]].strip()
                position = thinking.index(text, position) + len(text)
        kept = "".join(
            trace["thinking"][s["start"] : s["end"]] for s in trace["steps"] if s["fate"] == "kept"
        )
        assert "".join(kept.split()) == "".join(thinking.split())
        assert row["completion"].endswith(f"\n</think>\n{trace['answer']}")
        assert row["prompt"] == trace["question"]


def test_code_blocks_stay_whole(prune: Prune, source: Path) -> None:
    _, run = prune(source, ratio=0.3)
    for row in run.data:
        assert thinking_of(row["completion"]).count("```") % 2 == 0


def test_within_budget_a_trace_stays_byte_for_byte(prune: Prune, source: Path) -> None:
    _, run = prune(source, ratio=1.0)
    for row in run.traces:
        if row["outcome"] == "kept":
            (data,) = (d for d in run.data if d["row"] == row["row"])
            assert thinking_of(data["completion"]) == row["thinking"]
            assert data["tokens_after"] == data["tokens_before"]


@pytest.mark.parametrize("stage1", ["extract", "none"])
@pytest.mark.parametrize("keep_headers", [True, False])
def test_a_smaller_budget_is_read_off_the_removal_order(
    prune: Prune, source: Path, tmp_path: Path, stage1: str, keep_headers: bool
) -> None:
    fields = {"stage1": stage1, "keep_headers": keep_headers}
    _, large = prune(source, tmp_path / "large", ratio=0.95, **fields)
    for budget in (1, 5, 12, 30, 45, 60):
        _, small = prune(source, tmp_path / f"small-{budget}", budget_tokens=budget, **fields)
        for wide, narrow in zip(large.traces, small.traces, strict=True):
            if wide["outcome"] != "kept":
                continue
            order, after = wide["removal_order"], wide["tokens_after_removal"]
            assert sorted(order) == list(range(len(wide["steps"])))
            n_removed = select_within(order, after, wide["tokens_before"], budget)
            if narrow["outcome"] == "excluded":
                # Not even one step fits.
                assert narrow["reason"] == "step_over_budget"
                assert n_removed == len(order)
                continue
            assert narrow["removal_order"] == order
            fates = [step["fate"] for step in narrow["steps"]]
            assert [i for i, f in enumerate(fates) if f == "kept"] == sorted(order[n_removed:])


def test_stage_1_s_drops_come_first(prune: Prune, source: Path) -> None:
    _, run = prune(source, ratio=0.3)
    for row in run.traces:
        if row["outcome"] == "kept":
            fates = [row["steps"][i]["fate"] for i in row["removal_order"]]
            assert fates == sorted(fates, key=["stage1", "stage2", "kept"].index)
            assert set(fates) == {"stage1", "stage2", "kept"}
            for step in row["steps"]:
                assert (step["surprisal"] is None) == (step["fate"] == "stage1")


def test_the_report(prune: Prune, source: Path) -> None:
    _, run = prune(source)
    report = json.loads((run.path / "report.json").read_text("utf-8"))
    assert (report["kind"], report["format_version"]) == ("prune", 1)
    assert {"python", "asap-cot", "pyarrow"} <= set(report["versions"])
    assert report["counts"]["rows_in"] == 40
    assert report["files"] == ["in.jsonl"]
    assert report["timings"]["seconds"] > 0
    assert {"segment and count", "stage 1", "stage 2", "write"} <= set(
        report["timings"]["by_stage_s"]
    )


def test_time_stamps_stand_in_the_report_alone(prune: Prune, source: Path, tmp_path: Path) -> None:
    _, first = prune(source, tmp_path / "a")
    _, second = prune(source, tmp_path / "b")
    ours, theirs = first.files(), second.files()
    assert b'"finished": "20' in ours.pop("report.json")
    theirs.pop("report.json")
    assert ours == theirs  # on a quick machine the reports may be equal as well


def test_the_recipe_in_the_folder_is_the_one_of_the_run(prune: Prune, source: Path) -> None:
    _, run = prune(source, budget_tokens=50, ties="earlier")
    recipe = asap.load_recipe(str(run.path / "recipe.yaml"))
    assert recipe == asap.load_recipe("default", {"budget_tokens": 50, "ties": "earlier"})


def test_the_card_passes_the_licence_on(prune: Prune, source: Path) -> None:
    card = "---\nlicense: cc-by-4.0\n---\n# Some traces\n"
    (source.parent / "README.md").write_text(card, encoding="utf-8")
    _, run = prune(source)
    _, head, body = (run.path / "README.md").read_text("utf-8").split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "cc-by-4.0"
    assert "| rows | 40 | | 37 |" in body
    table = [line for line in body.splitlines() if line.startswith("| tokens")]
    assert len(table) == 1
    assert table[0].count("|") == 5


def test_without_a_card_the_licence_is_unknown(prune: Prune, source: Path) -> None:
    _, run = prune(source)
    assert "\nlicense: unknown\n" in (run.path / "README.md").read_text("utf-8")


def test_columns_are_carried_along(
    prune: Prune, tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    rows = [
        {**row, "source": f"s{i}", "tests": [{"n": i}], "level": None if i else 3}
        for i, row in enumerate(make_rows(3))
    ]
    _, run = prune(
        write_jsonl(tmp_path / "in.jsonl", rows), keep_columns=["tests", "source", "level"]
    )
    assert [row["source"] for row in run.data] == ["s0", "s1", "s2"]
    assert [json.loads(row["tests"]) for row in run.data] == [[{"n": i}] for i in range(3)]
    assert [row["level"] for row in run.data] == ["3", None, None]


@pytest.mark.parametrize("names", [["nope"], ["prompt"], ["id"], ["generation", "generation"]])
def test_columns_that_cannot_be_carried_are_refused_before_anything_is_written(
    prune: Prune, source: Path, tmp_path: Path, names: list[str]
) -> None:
    with pytest.raises(InputError, match=names[-1]):
        prune(source, keep_columns=names)
    assert not (tmp_path / "run").exists()


def test_limit(prune: Prune, source: Path) -> None:
    result, run = prune(source, limit=10, shard_rows=8)
    assert [row["row"] for row in run.traces] == list(range(10))
    assert result.summary.rows_in == 10


def test_a_row_without_a_question_is_counted(
    prune: Prune, tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    rows = make_rows(4)
    rows[2]["prompt"] = ""
    result, _ = prune(write_jsonl(tmp_path / "in.jsonl", rows))
    assert result.summary.rows_without_question == 1


def test_too_many_excluded_rows_fail_the_run_after_it_is_written(
    prune: Prune, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(TooManyExcluded, match=r"3 of 40 rows .*--max-excluded 0\.05"):
        prune(source, max_excluded=0.05)
    assert json.loads((tmp_path / "run/report.json").read_text("utf-8"))["status"] == "finished"
    assert len((tmp_path / "run/excluded.jsonl").read_text("utf-8").splitlines()) == 3
    result, _ = prune(source, max_excluded=0.075)
    assert result.is_resumed


def test_a_row_over_budget_is_excluded_or_kept_and_counted(
    prune: Prune, source: Path, tmp_path: Path
) -> None:
    result, run = prune(source, tmp_path / "a", budget_tokens=2)
    assert result.summary.excluded_by_reason["step_over_budget"] == 37
    assert run.data == []
    result, run = prune(source, tmp_path / "b", budget_tokens=2, on_step_over_budget="keep")
    assert result.summary.rows_over_budget == 37
    assert all(row["tokens_after"] > 2 for row in run.data)


def test_under_the_reply_s_wording_spans_index_the_reply(prune: Prune, source: Path) -> None:
    def answer(request: ChatRequest) -> str:
        if request.purpose == "anchor":
            return "Add the numbers."
        text = request.messages[-1].content
        _, _, thinking = text.partition("<reasoning>\n")
        steps = thinking.partition("\n</reasoning>")[0].split("\n\n")
        return "\n\n".join(step.replace("number", "numeral") for step in steps[2:])

    result, run = prune(
        source,
        recipe="paper",
        scorer="fake",
        budget_tokens=50,
        on_stage1_failure="extract",
        chat=ScriptedChat(answer),
    )
    assert result.summary.rows_out == 37
    for data in run.data:
        (row,) = (t for t in run.traces if t["row"] == data["row"])
        assert row["stage1"]["mode"] == "rewrite"
        kept = [row["reply"][s["start"] : s["end"]] for s in row["steps"] if s["fate"] == "kept"]
        assert thinking_of(data["completion"]) == "\n\n".join(step.strip() for step in kept)
        assert all(step["match"] >= 0.6 for step in row["steps"])


def test_a_batch_makes_no_difference(prune: Prune, source: Path, tmp_path: Path) -> None:
    _, one = prune(source, tmp_path / "one", shard_rows=1)
    _, all_ = prune(source, tmp_path / "all", shard_rows=64)
    assert one.data == all_.data
    assert one.traces == all_.traces


def test_datasets_loads_the_folder_offline(prune: Prune, source: Path, tmp_path: Path) -> None:
    _, run = prune(source, shard_rows=16)
    code = (
        "import datasets, json, sys\n"
        "loaded = datasets.load_dataset(sys.argv[1])\n"
        "rows = loaded['train']\n"
        "print(json.dumps([list(loaded), rows.column_names, list(rows['row'])]))"
    )
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, run.path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    splits, columns, rows = json.loads(done.stdout.splitlines()[-1])
    assert splits == ["train"]
    assert columns == list(run.data[0])
    assert rows == [row["row"] for row in run.data]


def test_prune_traces_does_the_same_without_files(prune: Prune, source: Path) -> None:
    _, run = prune(source, ratio=0.4)
    corpus = asap.open_corpus([str(source)])
    traces = [row.outcome for row in corpus.rows() if isinstance(row.outcome, asap.Trace)]
    tools = Tools(FakeCounter(), FakeScorer())
    outcomes = asap.prune_traces(traces, "default", tools, ratio=0.4)
    assert [o.thinking for o in outcomes if isinstance(o, asap.Kept)] == [
        thinking_of(row["completion"]) for row in run.data
    ]
