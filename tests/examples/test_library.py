"""The library example runs, and the recorded replies lead where the examples' README says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import asap
from asap.chat import ReplayChat
from asap.errors import ModelError
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer, load_counter

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_library() -> ModuleType:
    spec = importlib.util.spec_from_file_location("library", EXAMPLES / "library.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


library: Any = load_library()


def test_the_example_runs_on_fakes(capsys: pytest.CaptureFixture[str]) -> None:
    library.main(Tools(FakeCounter(), FakeScorer()))
    printed = capsys.readouterr().out
    assert "oven-slots: select, 2 attempt(s)" in printed
    assert "stone-waves: stage 1 drops" in printed
    assert printed.count("steps kept") == len(library.read_traces())
    assert "left out" not in printed
    assert "excluded" not in printed


@pytest.mark.parametrize(
    ("stage1", "wording", "second_attempt"),
    [
        ("select", "original", "oven-slots"),
        ("rewrite", "original", "lawn-mower"),
        ("rewrite", "reply", "lawn-mower"),
    ],
)
def test_recorded_replies_are_used_without_falling_back(
    stage1: str, wording: str, second_attempt: str
) -> None:
    traces = library.read_traces()
    with ReplayChat(EXAMPLES / "replies.jsonl") as chat:
        tools = Tools(FakeCounter(), FakeScorer(), chat)
        outcomes = asap.prune_traces(traces, tools=tools, stage1=stage1, wording=wording)
    for trace, outcome in zip(traces, outcomes, strict=True):
        assert isinstance(outcome, asap.Kept)
        stage = outcome.evidence.stage1
        assert (stage.mode, stage.failure) == (stage1, None)
        assert stage.attempts == (2 if trace.id == second_attempt else 1)
        assert outcome.evidence.anchor
        assert outcome.selection.kept


def test_the_example_runs_as_a_script_on_the_built_in_model() -> None:
    try:
        load_counter("builtin")
    except ModelError as error:
        pytest.skip(str(error))
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "library.py")],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "tokens before" in done.stdout
