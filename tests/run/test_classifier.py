"""Runs of the methods that ask a token classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asap
from asap.errors import RecipeError, RunFolderError
from asap.prune import Tools
from asap.run import open_tools
from asap.surprisal import FakeClassifier, FakeCounter

Prune = Callable[..., tuple[Any, Any]]


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl(tmp_path / "in.jsonl", make_rows(12))


def tools_named(name: str) -> Tools:
    return Tools(FakeCounter(), classifier=FakeClassifier(name=name))


@pytest.mark.parametrize("method", ["llmlingua2", "tokenskip"])
def test_without_a_classifier_the_flag_is_named(method: str) -> None:
    recipe = asap.load_recipe("default", {"method": method})
    with pytest.raises(RecipeError, match="--classifier"), open_tools(recipe):
        pass


def test_tokenskip_writes_the_ratio_into_the_prompt(prune: Prune, source: Path) -> None:
    result, folder = prune(
        source, method="tokenskip", drawn_ratios=[0.6], delimiter="|", tools=tools_named("one")
    )
    assert result.summary.rows_excluded == 0
    assert len(folder.data) == 12
    for row, trace in zip(folder.data, folder.traces, strict=True):
        assert row["prompt"] == trace["question"] + "|0.6|"
        assert row["completion"].endswith(trace["answer"])
        assert row["tokens_after"] <= 0.6 * row["tokens_before"]
        assert trace["outcome"] == "rewritten"


def test_a_folder_of_another_classifier_is_refused(prune: Prune, source: Path) -> None:
    _, before = prune(source, method="llmlingua2", tools=tools_named("one"))
    files = before.files("data", "traces")
    with pytest.raises(RunFolderError, match='classifier weights is "one" there and "two" here'):
        prune(source, method="llmlingua2", tools=tools_named("two"))
    result, after = prune(source, method="llmlingua2", tools=tools_named("one"))
    assert result.is_resumed
    assert after.files("data", "traces") == files


def test_other_methods_have_no_line_for_it(prune: Prune, source: Path) -> None:
    _, folder = prune(source)
    assert b"classifier weights" not in folder.files("report.json")["report.json"]
