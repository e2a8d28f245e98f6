"""Every fault of an LLM server through the whole road (DESIGN sections 5 and 7).

The row is pruned by `extract` and says why, or is excluded; no row passes unpruned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.chat import ChatLimits, OpenAIChat, ReplayChat
from asap.errors import KeyRefused, RecipeError, SpendingLimitReached
from asap.run import load_recipe, open_tools

Prune = Callable[..., tuple[Any, Any]]
Fault = Callable[[Any], Any]

TRANSPORT: dict[str, tuple[Fault, str]] = {
    "429": (lambda server: server.status(429), "rate_limited"),
    "429 with Retry-After": (lambda server: server.status(429, retry_after="7"), "rate_limited"),
    "500": (lambda server: server.status(500), "server_error"),
    "dropped": (lambda server: server.drop(), "connection_lost"),
    "dropped midway": (lambda server: server.drop_midway(), "connection_lost"),
    "stalled": (lambda server: server.stall(), "timed_out"),
    "trickling": (lambda server: server.trickle(), "timed_out"),
    "no completion": (lambda server: server.body(b"<html>oops</html>"), "server_error"),
    "400": (lambda server: server.status(400), "bad_request"),
}
REPLY: dict[str, tuple[Fault, str]] = {
    "empty": (lambda server: server.reply(""), "empty_reply"),
    "null": (lambda server: server.reply(None), "empty_reply"),
    "cut off": (lambda server: server.reply('{"keep": [', finish_reason="length"), "truncated"),
}
SELECT: dict[str, tuple[Fault, str]] = {
    "invalid JSON": (lambda server: server.reply('{"keep": [[0, 3]'), "invalid_json"),
    "prose": (lambda server: server.reply("I would keep the first three."), "invalid_json"),
    "out of bounds": (lambda server: server.reply('{"keep": [0, 999]}'), "out_of_bounds"),
    "reversed": (lambda server: server.reply('{"keep": [[5, 2]]}'), "reversed_range"),
    "nothing kept": (lambda server: server.reply('{"keep": []}'), "empty_selection"),
    "all kept": (lambda server: server.reply('{"keep": [[0, 12]]}'), "not_shorter"),
}
REWRITE: dict[str, tuple[Fault, str]] = {
    "made up": (lambda server: server.reply("It rains.\n\nCats dream of tea."), "unmatched_step"),
}
CASES = [
    pytest.param(mode, fault, reason, id=f"{mode}-{name}")
    for mode, own in (("select", SELECT), ("rewrite", REWRITE))
    for name, (fault, reason) in (TRANSPORT | REPLY | own).items()
]
ATTEMPTS = 3


async def no_wait(seconds: float) -> None:
    """In place of the pauses between attempts."""


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    """Three rows of 13 steps."""
    rows = [row for seed in range(9) for row in make_rows(3, seed=seed)]
    rows = [row for row in rows if row["generation"].count("\n\n") == 14][:3]
    assert len(rows) == 3
    return write_jsonl(tmp_path / "in.jsonl", rows)


def is_anchor(body: dict[str, Any]) -> bool:
    return "Write the direct solution" in body["messages"][-1]["content"]


def ask(server: Any, **limits: Any) -> OpenAIChat:
    chosen = ChatLimits(**{"attempts": ATTEMPTS, "timeout_s": 30.0, "concurrency": 4} | limits)
    return OpenAIChat("served", base_url=server.url, limits=chosen, sleep=no_wait)


@pytest.mark.parametrize(("mode", "fault", "reason"), CASES)
def test_a_fault_ends_in_extract_or_exclusion(
    prune: Prune,
    source: Path,
    tmp_path: Path,
    fault_server: Any,
    mode: str,
    fault: Fault,
    reason: str,
) -> None:
    fault_server.script(
        lambda body, n: "Add the numbers." if is_anchor(body) else fault(fault_server)
    )
    fields = {"stage1": mode, "stage1_attempts": ATTEMPTS}
    timeout_s = 0.25 if reason == "timed_out" else 30.0
    with ask(fault_server, timeout_s=timeout_s) as chat:
        result, run = prune(source, tmp_path / "a", chat=chat, **fields)
    assert result.summary.rows_stage1_fell_back == result.summary.rows_out == 3
    for row, data in zip(run.traces, run.data, strict=True):
        assert (row["stage1"]["mode"], row["stage1"]["failure"]) == ("extract", reason)
        assert row["anchor"] == "Add the numbers."
        assert data["tokens_after"] <= data["tokens_before"] // 2
    n_requests = len(fault_server.requests)
    assert n_requests <= 3 * (1 + ATTEMPTS)

    with ask(fault_server, timeout_s=timeout_s) as chat:
        _, run = prune(source, tmp_path / "b", chat=chat, on_stage1_failure="exclude", **fields)
    assert [(row["outcome"], row["reason"]) for row in run.traces] == [
        ("excluded", "stage1_failed")
    ] * 3
    assert all(row["detail"].startswith(reason) for row in run.traces)
    assert run.data == []


@pytest.mark.parametrize("fault", [TRANSPORT["500"][0], REPLY["empty"][0], REPLY["cut off"][0]])
def test_a_row_without_an_anchor_falls_back_too(
    prune: Prune, source: Path, fault_server: Any, fault: Fault
) -> None:
    fault_server.script(lambda body, n: fault(fault_server))
    with ask(fault_server) as chat:
        result, run = prune(source, chat=chat, stage1="select")
    assert result.summary.rows_stage1_fell_back == 3
    assert all(row["stage1"]["failure"] and row["anchor"] is None for row in run.traces)


@pytest.mark.parametrize(
    "text",
    [
        'Here you are:\n```json\n{"keep": [[0, 2], 4]}\n```\nHope it helps!',
        '{"keep": [4, [0, 2]]}',
        '{"keep": [[0, 1], [1, 2], 4, 4]}',
    ],
)
def test_what_can_be_understood_is_used(
    prune: Prune, source: Path, fault_server: Any, text: str
) -> None:
    fault_server.script(lambda body, n: "Add the numbers." if is_anchor(body) else text)
    with ask(fault_server) as chat:
        _, run = prune(source, chat=chat, stage1="select", stage2="none", keep_headers=False)
    for row in run.traces:
        assert row["stage1"]["failure"] is None
        kept = [i for i, step in enumerate(row["steps"]) if step["fate"] == "kept"]
        assert kept == [0, 1, 2, 4]


def test_a_fault_that_passes_costs_an_attempt(
    prune: Prune, source: Path, fault_server: Any
) -> None:
    """An unusable reply is asked for again; a lost connection is the client's own business."""

    def script(body: dict[str, Any], n_times: int) -> Any:
        if is_anchor(body):
            return "Add the numbers." if n_times > 1 else fault_server.drop()
        return '{"keep": [[0, 4]]}' if body["temperature"] > 0 else "No."

    fault_server.script(script)
    with ask(fault_server) as chat:
        result, run = prune(source, chat=chat, stage1="select")
    assert [row["stage1"]["attempts"] for row in run.traces] == [2, 2, 2]
    assert result.summary.rows_stage1_fell_back == 0
    assert result.llm.retries == 3


def test_a_verbatim_rewrite_keeps_its_steps(prune: Prune, source: Path, fault_server: Any) -> None:
    def script(body: dict[str, Any], n_times: int) -> str:
        found = re.search(
            r"<reasoning>\n(.*)\n</reasoning>", body["messages"][-1]["content"], re.DOTALL
        )
        if is_anchor(body) or found is None:
            return "Add the numbers."
        return "\n\n".join(found[1].split("\n\n")[:3])

    fault_server.script(script)
    with ask(fault_server) as chat:
        _, run = prune(source, chat=chat, stage1="rewrite", stage2="none", keep_headers=False)
    for row in run.traces:
        fates = [step["fate"] for step in row["steps"]]
        assert fates == ["kept"] * 3 + ["stage1"] * (len(fates) - 3)
        assert [step["match"] for step in row["steps"][:3]] == [1.0] * 3


def test_a_refused_key_stops_the_run_and_is_not_told(
    prune: Prune,
    source: Path,
    tmp_path: Path,
    fault_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "sk-do-not-tell-0123456789"
    monkeypatch.setenv("ASAP_API_KEY", key)
    fault_server.script(lambda body, n: fault_server.refuse_key(f"Incorrect API key: {key}"))
    with ask(fault_server) as chat, pytest.raises(KeyRefused) as caught:
        prune(source, chat=chat, stage1="select")
    assert key not in str(caught.value)
    assert "ASAP_API_KEY" in str(caught.value)
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert report["status"] == "unfinished"

    fault_server.script(
        lambda body, n: "Add the numbers." if is_anchor(body) else '{"keep": [[0, 3]]}'
    )
    with ask(fault_server) as chat:
        result, run = prune(source, chat=chat, stage1="select")
    assert result.is_resumed
    assert all(key.encode() not in content for content in run.files().values())
    assert fault_server.headers[-1]["authorization"] == f"Bearer {key}"


def test_a_spending_limit_stops_the_run_and_it_goes_on(
    prune: Prune, source: Path, fault_server: Any
) -> None:
    fault_server.script(
        lambda body, n: "Add the numbers." if is_anchor(body) else '{"keep": [[0, 3]]}'
    )
    with (
        ask(fault_server, token_limit=20, concurrency=1) as chat,
        pytest.raises(SpendingLimitReached, match="20 LLM tokens"),
    ):
        prune(source, chat=chat, stage1="select")
    assert len(fault_server.requests) == 2  # 15 tokens each
    with ask(fault_server) as chat:
        assert prune(source, chat=chat, stage1="select")[0].summary.rows_out == 3


def test_tools_are_opened_by_name(
    tiny_model: Path, fault_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASAP_CACHE", str(tmp_path / "cache"))
    recording = tmp_path / "replies.jsonl"
    recording.write_text('{"id": "a", "purpose": "anchor", "text": "So."}\n', encoding="utf-8")
    names = {"scorer": str(tiny_model), "stage2": "none", "stage1": "select"}
    with open_tools(load_recipe("default", {**names, "llm_url": f"replay:{recording}"})) as tools:
        assert isinstance(tools.chat, ReplayChat)
        assert tools.scorer is None
        assert tools.counter.count(["one two"])[0] > 1
    changes = {**names, "llm": "served", "llm_url": fault_server.url}
    with open_tools(load_recipe("default", changes)) as tools:
        assert isinstance(tools.chat, OpenAIChat)
        assert tools.chat.model == "served"
    assert (tmp_path / "cache" / "replies.sqlite").is_file()
    with (
        pytest.raises(RecipeError, match="--llm MODEL"),
        open_tools(load_recipe("default", names)),
    ):
        pass
