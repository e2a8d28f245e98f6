"""The overview of one run and of several: every number against the rows themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

Rows = list[dict[str, Any]]


@pytest.fixture
def kept(run: Path, read_traces: Callable[[Path], Rows]) -> Rows:
    return [row for row in read_traces(run) if row["outcome"] == "kept"]


def read_table(table: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows by heading, numbers as numbers."""
    heads = [f"{column['group'] or ''} {column['heading']}".strip() for column in table["columns"]]
    return [
        {
            head: cell["text"] if cell["value"] is None else cell["value"]
            for head, cell in zip(heads, row, strict=True)
        }
        for row in table["rows"]
    ]


def find_plot(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(plot for plot in answer["plots"] if plot["name"] == name)


def test_numbers_and_funnel(client: Any, kept: Rows) -> None:
    overview = client.json("/api/runs/0/overview")
    before, after = (sum(row[f"tokens_{when}"] for row in kept) for when in ("before", "after"))
    steps = [
        sum(row[name] for row in kept)
        for name in ("steps_before", "steps_after_stage1", "steps_after")
    ]
    assert overview["summary"] == [
        ["rows in", "40"],
        ["rows out", "39"],
        ["excluded", "1 (2.5 %)"],
        ["tokens", f"{before:,} → {after:,}"],
        ["tokens kept", f"{100 * after / before:.1f} %"],
        ["steps", f"{steps[0]:,} → {steps[2]:,}"],
    ]
    between = sum(row["tokens_after_stage1"] for row in kept)
    assert overview["funnel"] == [
        {"stage": stage, "rows": 39, "steps": n_steps, "tokens": n_tokens}
        for stage, n_steps, n_tokens in zip(
            ("rows kept, before", "after stage 1", "after stage 2"),
            steps,
            (before, between, after),
            strict=True,
        )
    ]
    assert overview["excluded"] == [{"reason": "no_closing_tag", "count": 1}]
    assert overview["notes"] == overview["tables"] == []


def test_settings_are_the_reports(client: Any, run: Path) -> None:
    report = json.loads((run / "report.json").read_text("utf-8"))
    overview = client.json("/api/runs/0/overview")
    recipe = dict(overview["recipe"])
    assert (recipe["method"], recipe["ratio"], recipe["keep_headers"]) == ("asap", "0.4", "yes")
    assert "budget_tokens" not in recipe
    assert dict(overview["versions"]) == report["versions"]
    timings = dict(overview["timings"])
    assert timings["finished"] == report["timings"]["finished"]
    assert timings["stage 1, s"] == str(report["timings"]["by_stage_s"]["stage 1"])


def test_the_distribution_of_tokens(client: Any, kept: Rows) -> None:
    plot = find_plot(client.json("/api/runs/0/overview"), "tokens")
    for line, name in zip(read_table(plot["table"]), ("before", "after"), strict=True):
        values = [row[f"tokens_{name}"] for row in kept]
        assert line[""] == name
        assert (line["least"], line["most"]) == (min(values), max(values))
        assert line["median"] == median(values)
        assert f"{median(values):,.0f}" in plot["alt"]


def test_what_was_kept_of_short_and_long(client: Any, kept: Rows) -> None:
    plot = find_plot(client.json("/api/runs/0/overview"), "compression")
    ordered = sorted(kept, key=lambda row: (row["tokens_before"], row["row"]))
    lines = read_table(plot["table"])
    # 39 rows in ten groups: nine of four and one of three.
    assert [line["traces"] for line in lines] == [4] * 9 + [3]
    for n, line in enumerate(lines):
        group = ordered[4 * n : 4 * n + 4]
        shares = [100 * row["tokens_after"] / row["tokens_before"] for row in group]
        assert (line["tokens from"], line["to"]) == (
            group[0]["tokens_before"],
            group[-1]["tokens_before"],
        )
        assert line["median"] == pytest.approx(median(shares))


def test_surprisal_by_first_word(client: Any, kept: Rows) -> None:
    plot = find_plot(client.json("/api/runs/0/overview"), "first-word")
    values: dict[str, list[float]] = {}
    fates: dict[str, list[bool]] = {}
    for row in kept:
        for step in row["steps"]:
            if step["surprisal"] is not None:
                text = row["thinking"][step["start"] : step["end"]].strip()
                word = "`" if text.startswith("```") else text.split()[0].rstrip(",.")
                values.setdefault(word, []).append(step["surprisal"])
                fates.setdefault(word, []).append(step["fate"] == "kept")
    lines = read_table(plot["table"])
    assert len(lines) == 15
    medians = [line["median surprisal, nats"] for line in lines]
    assert medians == sorted(medians)
    for line in lines:
        word = line["first word"]
        assert line["steps"] == len(values[word])
        assert line["median surprisal, nats"] == pytest.approx(median(values[word]))
        assert line["kept, %"] == pytest.approx(100 * sum(fates[word]) / len(fates[word]))
    counts = sorted(map(len, values.values()), reverse=True)
    assert sorted((line["steps"] for line in lines), reverse=True) == counts[:15]
    n_steps = sum(counts)
    assert plot["table"]["notes"] == [f"Of {n_steps} steps of 39 traces spread over the run."]


def test_surprisal_by_position(client: Any, kept: Rows) -> None:
    plot = find_plot(client.json("/api/runs/0/overview"), "position")
    tenths: list[list[float]] = [[] for _ in range(10)]
    for row in kept:
        for n, step in enumerate(row["steps"]):
            if step["surprisal"] is not None:
                tenths[min(9, 10 * n // (len(row["steps"]) - 1))].append(step["surprisal"])
    lines = read_table(plot["table"])
    assert [line["steps"] for line in lines] == [len(values) for values in tenths]
    assert [line["median surprisal, nats"] for line in lines] == pytest.approx(
        [median(values) for values in tenths]
    )


def test_a_score_takes_surprisals_place(client: Any, tail: Path, read_traces: Any) -> None:
    plot = find_plot(client.json("/api/runs/1/overview"), "position")
    assert plot["title"] == "Steps from the beginning by position in the trace"
    first = read_table(plot["table"])[0]
    shares = [
        n / (len(row["steps"]) - 1)
        for row in read_traces(tail)
        for n in range(len(row["steps"] or ()))
    ]
    assert first["steps"] == sum(share < 0.1 for share in shares)


def test_every_plot_has_a_picture_and_words(client: Any) -> None:
    plots = client.json("/api/runs/0/overview")["plots"]
    plots += client.json("/api/overview?runs=0,1")["plots"]
    assert [plot["name"] for plot in plots] == [
        "tokens",
        "compression",
        "traces",
        "first-word",
        "position",
        "tokens-after",
    ]
    for plot in plots:
        answer = client.get(plot["url"])
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.body.lstrip().startswith((b"<?xml", b"<svg"))
        assert b"<script" not in answer.body
        assert "script-src" not in answer.headers["content-security-policy"]
        assert plot["alt"].endswith(".")
        assert any(sign.isdigit() for sign in plot["alt"])
        assert plot["table"]["rows"]


def test_side_by_side(client: Any, run: Path, tail: Path, read_traces: Any) -> None:
    answer = client.json("/api/overview?runs=1,0")
    (table,) = answer["tables"]
    lines = read_table(table)
    assert [line["run"] for line in lines] == ["last", "run"]
    for line, folder in zip(lines, (tail, run), strict=True):
        rows = [row for row in read_traces(folder) if row["outcome"] == "kept"]
        before, after = (sum(row[f"tokens_{w}"] for row in rows) for w in ("before", "after"))
        assert (line["rows in"], line["rows excluded"]) == (40, 1)
        assert (line["tokens before"], line["tokens after"]) == (before, after)
        assert line["tokens kept, %"] == pytest.approx(100 * after / before)
        assert line["steps after"] == sum(row["steps_after"] for row in rows)
        assert f"{folder.name if folder == run else 'last'} " in answer["plots"][0]["alt"]


def test_a_run_of_another_kind_has_its_settings(
    write_eval_run: Callable[..., Path], tmp_path: Path, run: Path, serve: Callable[..., Any]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    report = {
        "kind": "train",
        "format_version": 1,
        "status": "finished",
        "identity": {"model": "m", "epochs": 3.0, "packing": False},
        "versions": {"python": "3.11"},
    }
    (folder / "report.json").write_text(json.dumps(report))
    with serve(folder, run) as client:
        overview = client.json("/api/runs/0/overview")
        assert (overview["kind"], overview["name"]) == ("train", "model")
        assert overview["recipe"] == [["model", "m"], ["epochs", "3"], ["packing", "no"]]
        assert overview["versions"] == [["python", "3.11"]]
        assert overview["summary"] == overview["plots"] == overview["funnel"] == []
        assert client.get("/api/runs/0/traces").status == 404
        assert client.get("/api/runs/0/search?q=a").status == 404
        (table,) = client.json("/api/overview?runs=0,1")["tables"]
        assert [line["run"] for line in read_table(table)] == ["run"]


def test_a_sample_is_spread_over_the_run(
    prune: Callable[..., Path],
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[..., Any],
) -> None:
    monkeypatch.setattr("asap.view.prune_figure.MOST_TRACES", 8)
    source = write_jsonl(tmp_path / "in.jsonl", make_rows(64))
    folder = prune(source, tmp_path / "run", method="head", shard_rows=8)
    with serve(folder) as client:
        (note,) = find_plot(client.json("/api/runs/0/overview"), "position")["table"]["notes"]
    assert note.endswith(" steps of 8 traces spread over the run.")
