"""The example traces and replies are what they claim to be: readable, repetitive, and right."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from asap.prune import match_steps
from asap.trace import Trace, parse_trace, segment_thinking, segment_trace

EXAMPLES = Path(__file__).parents[2] / "examples"
CODE_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SIMILARITY = 0.6
FAULTY_FIRST = {("oven-slots", "select"), ("lawn-mower", "rewrite")}


def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


ROWS = read_lines("traces.jsonl")
IDS = [row["id"] for row in ROWS]
REPLIES: dict[tuple[str, str], list[str]] = defaultdict(list)
for _line in read_lines("replies.jsonl"):
    REPLIES[_line["id"], _line["purpose"]].append(_line["text"])


def load_trace(row: dict[str, Any]) -> Trace:
    trace = parse_trace(0, row["id"], row["prompt"], response=row["generation"], require="code")
    assert isinstance(trace, Trace)
    return segment_trace(trace)


def step_texts(trace: Trace) -> list[str]:
    return [trace.text(i) for i in range(len(trace.steps))]


def run_python(program: str, standard_input: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_steps(reply: str) -> list[int]:
    """Step numbers of a `select` reply, inclusive ranges written out."""
    numbers: list[int] = []
    for entry in json.loads(reply)["keep"]:
        first, last = entry if isinstance(entry, list) else (entry, entry)
        numbers.extend(range(first, last + 1))
    return numbers


def test_there_are_at_least_twelve_with_ids_of_their_own() -> None:
    assert len(set(IDS)) == len(ROWS) >= 12


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_trace_is_long_and_repeats_itself(row: dict[str, Any]) -> None:
    trace = load_trace(row)
    texts = step_texts(trace)
    assert set(row) == {"id", "prompt", "generation", "tests"}
    assert 2_500 <= len(trace.thinking) <= 7_000
    assert len(texts) >= 25
    assert len(set(texts)) < len(texts)


def test_code_is_written_both_ways() -> None:
    thinkings = [load_trace(row).thinking for row in ROWS]
    assert any("```python\n" in thinking for thinking in thinkings)
    assert any("\n\n    " in thinking for thinking in thinkings)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_answer_passes_its_tests(row: dict[str, Any]) -> None:
    (answer,) = CODE_BLOCK.findall(load_trace(row).answer)
    checks = row["tests"]
    assert checks
    if isinstance(checks[0], dict):
        for check in checks:
            assert run_python(answer, check["input"]) == check["output"]
        return
    program = answer
    if (
        "answer" in checks[0]
    ):  # predict the output: the question's code, and the value that is claimed
        (asked,) = CODE_BLOCK.findall(row["prompt"])
        program = f"{asked}\nanswer = {ast.literal_eval(answer)!r}"
    run_python("\n".join([program, *checks]))


@pytest.mark.parametrize("row", [row for row in ROWS if isinstance(row["tests"][0], dict)])
def test_the_thinking_drafts_the_program_in_full(row: dict[str, Any]) -> None:
    trace = load_trace(row)
    (answer,) = CODE_BLOCK.findall(trace.answer)
    lines = {line for line in answer.splitlines() if line.strip()}
    drafts = [set(text.splitlines()) for text in step_texts(trace)]
    assert any(lines <= draft for draft in drafts)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_recorded_selection_is_in_order_and_shorter(row: dict[str, Any]) -> None:
    trace = load_trace(row)
    numbers = read_steps(REPLIES[row["id"], "select"][-1])
    assert numbers == sorted(set(numbers))
    assert 0 <= numbers[0] <= numbers[-1] < len(trace.steps)
    assert len(numbers) < len(trace.steps)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_recorded_rewrite_is_in_order_shorter_and_not_all_verbatim(row: dict[str, Any]) -> None:
    trace = load_trace(row)
    original = step_texts(trace)
    reply = REPLIES[row["id"], "rewrite"][-1]
    steps = [reply[step.start : step.end] for step in segment_thinking(reply)]
    match = match_steps(original, steps, SIMILARITY)
    assert match.is_valid
    assert len(reply) < len(trace.thinking)
    assert 1 <= sum(step not in original for step in steps) <= 2


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_recorded_anchor_is_short(row: dict[str, Any]) -> None:
    (anchor,) = REPLIES[row["id"], "anchor"]
    assert 0 < len(anchor) < len(load_trace(row).thinking) / 3


def test_only_the_first_of_two_attempts_is_faulty() -> None:
    repeated = {key for key, texts in REPLIES.items() if len(texts) > 1}
    assert repeated == FAULTY_FIRST
    traces = {row["id"]: load_trace(row) for row in ROWS}
    assert max(read_steps(REPLIES["oven-slots", "select"][0])) >= len(traces["oven-slots"].steps)
    made_up = REPLIES["lawn-mower", "rewrite"][0]
    steps = [made_up[step.start : step.end] for step in segment_thinking(made_up)]
    assert not match_steps(step_texts(traces["lawn-mower"]), steps, SIMILARITY).is_valid


def test_every_reply_belongs_to_a_trace() -> None:
    purposes = {"anchor", "select", "rewrite"}
    assert set(REPLIES) == {(id, purpose) for id in IDS for purpose in purposes}
