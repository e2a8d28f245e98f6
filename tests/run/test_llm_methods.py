"""Methods that are an LLM's rewriting as a whole, through a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asap.chat import ChatRequest, ScriptedChat
from asap.prune import LONG_CONDITION, SHORT_CONDITION


def test_c3ot_makes_two_rows_of_one_and_counts_it_once(
    prune: Callable[..., Any],
    tmp_path: Path,
    make_rows: Callable[..., list[dict[str, Any]]],
    write_jsonl: Callable[..., Path],
) -> None:
    rows = make_rows(3)

    def answer(request: ChatRequest) -> str:
        return "" if request.id == "t-1" else f"Short {request.id}"

    source = write_jsonl(tmp_path / "in.jsonl", rows)
    chat = ScriptedChat(answer)
    result, folder = prune(source, chat=chat, method="c3ot", stage1_attempts=2)
    assert [(row["row"], row["variant"]) for row in folder.data] == [
        *((0, "short"), (0, "long")),
        *((2, "short"), (2, "long")),
    ]
    short, long = folder.data[:2]
    assert short["prompt"] == rows[0]["prompt"] + SHORT_CONDITION
    assert long["prompt"] == rows[0]["prompt"] + LONG_CONDITION
    assert short["completion"].startswith("<think>\nShort t-0\n</think>\n```python")
    thinking = rows[0]["generation"].partition("\n</think>")[0]
    assert long["completion"].startswith(thinking)
    # "Short t-0" is four tokens of the fake counter.
    assert (short["tokens_after"], long["tokens_after"]) == (4, long["tokens_before"])
    traces = folder.traces
    assert [row["outcome"] for row in traces] == ["rewritten", "excluded", "rewritten"]
    assert (traces[0]["rewritten"], traces[0]["tokens_after"]) == ("Short t-0", 4)
    assert traces[0]["stage1"]["mode"] == "c3ot"
    assert (traces[1]["reason"], traces[1]["detail"]) == (
        "no_usable_reply",
        "empty_reply after 2 attempts",
    )
    counts = result.summary
    assert (counts.rows_in, counts.rows_out, counts.rows_excluded) == (3, 2, 1)
    assert counts.tokens_after == counts.tokens_after_stage1 == 8


def test_dap_goes_through_a_run(
    prune: Callable[..., Any],
    tmp_path: Path,
    make_rows: Callable[..., list[dict[str, Any]]],
    write_jsonl: Callable[..., Path],
) -> None:
    reply = {"difficulty": "easy", "rewritten": "Sum it.", "answer": "A sum."}

    def answer(request: ChatRequest) -> str:
        return json.dumps({"same": True} if request.purpose == "dap-check" else reply)

    source = write_jsonl(tmp_path / "in.jsonl", make_rows(2))
    result, folder = prune(source, chat=ScriptedChat(answer), method="dap")
    assert [row["variant"] for row in folder.data] == ["", ""]
    assert folder.data[0]["completion"].startswith("<think>\nSum it.\n</think>\n")
    assert result.summary.rows_out == 2
