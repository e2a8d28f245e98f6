"""Real traces through the whole road, with fakes for scorer and counter: nothing lost, everything
verbatim, every row within its budget.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asap
from asap.corpus import Columns
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer

pytestmark = pytest.mark.real
CODEFORCES = ("codeforces-cots-r1", None)
CRUXEVAL = ("cruxeval-o-r1", "{code}\\n{input}")


@pytest.fixture
def prune_real(
    real_data: Path, tmp_path: Path, run_folder: Callable[[Path], Any]
) -> Callable[..., tuple[Any, Any]]:
    def run(name: str, template: str | None, n_rows: int | None, **fields: Any) -> tuple[Any, Any]:
        path = real_data / name / "traces.jsonl.gz"
        corpus = asap.open_corpus([str(path)], Columns(question_template=template))
        recipe = asap.load_recipe("default", fields)
        tools = Tools(FakeCounter(), FakeScorer())
        output = tmp_path / f"{name}-{len(fields)}"
        result = asap.prune_corpus(corpus, output, recipe, tools, limit=n_rows, max_excluded=1.0)
        return result, run_folder(output)

    return run


def check(run: Any, budget: Callable[[int], int]) -> None:
    """What holds for every run at the default recipe."""
    counter = FakeCounter()
    evidence = {row["row"]: row for row in run.traces}
    assert list(evidence) == list(range(len(evidence)))
    kept = [row["row"] for row in run.data]
    gone = [row for row, trace in evidence.items() if trace["outcome"] == "excluded"]
    assert sorted(kept + gone) == list(evidence)
    for row in run.data:
        trace = evidence[row["row"]]
        head, _, tail = row["completion"].partition("\n</think>\n")
        thinking = head.removeprefix("<think>\n")
        assert tail == trace["answer"]
        assert counter.count([thinking])[0] == row["tokens_after"]
        assert row["tokens_after"] <= budget(row["tokens_before"])
        position = 0
        for step in trace["steps"]:
            if step["fate"] == "kept":
                text = trace["thinking"][step["start"] : step["end"]].strip()
                position = thinking.index(text, position) + len(text)


@pytest.mark.parametrize(("name", "template"), [CODEFORCES, CRUXEVAL])
@pytest.mark.parametrize("n_rows", [10, pytest.param(None, marks=pytest.mark.slow)])
def test_real_traces_at_half(
    prune_real: Callable[..., Any], name: str, template: str | None, n_rows: int | None
) -> None:
    result, run = prune_real(name, template, n_rows)
    check(run, lambda n_tokens: n_tokens // 2)
    assert result.summary.rows_in == (n_rows or len(run.traces))
    assert result.summary.ratio <= 0.5


@pytest.mark.slow
def test_all_codeforces_traces_at_4096_tokens(
    prune_real: Callable[..., Any], real_data: Path
) -> None:
    result, run = prune_real(*CODEFORCES, None, budget_tokens=4096)
    check(run, lambda n_tokens: 4096)
    path = real_data / CODEFORCES[0] / "traces.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["generation"] for line in lines]
    unclosed = {row for row, text in enumerate(texts) if "</think>" not in text}
    excluded = {row["row"]: row["reason"] for row in run.traces if row["outcome"] == "excluded"}
    assert unclosed <= set(excluded)
    assert {excluded[row] for row in unclosed} <= set(result.summary.excluded_by_reason)
    assert set(excluded.values()) <= {*(excluded[row] for row in unclosed), "step_over_budget"}
