"""The judge, real data, and rows of our own in the benchmarks' formats."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asap.bench import open_benchmark
from asap.errors import SandboxError
from asap.judge import Judge


@pytest.fixture(scope="session")
def judge():
    try:
        with Judge() as judge:
            yield judge
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def real_data():
    folder = os.environ.get("ASAP_REAL_DATA")
    if not folder:
        pytest.skip("ASAP_REAL_DATA is not set")
    return Path(folder)


@pytest.fixture
def open_rows(tmp_path, write_jsonl):
    """A benchmark whose file holds these rows."""

    def open_file(name, rows):
        return open_benchmark(name, write_jsonl(tmp_path / "rows.jsonl", rows))

    return open_file


@pytest.fixture
def verdict_of(judge):
    """The verdict on one solution of the one problem of a benchmark."""

    def find(dataset, solution):
        (problem,) = dataset.problems()
        (verdict,) = judge.judge([(problem, solution)])
        return verdict

    return find


HUMANEVAL_ROW = {
    "task_id": "HumanEval/900",
    "prompt": "from typing import List\n\n\ndef twice(x: int) -> int:\n    return 2 * x\n\n\n"
    "def doubled(xs: List[int]) -> List[int]:\n"
    '    """ Twice each. >>> doubled([1])\n    [2]\n    """\n',
    "entry_point": "doubled",
    "canonical_solution": "    return [twice(x) for x in xs]\n",
    "test": "\n\ndef check(candidate):\n    assert candidate([1, 2]) == [twice(1), 4]\n"
    "    assert candidate([]) == []\n",
}
"""One row in HumanEval's format, of our own making; its helper is needed on both sides."""


@pytest.fixture
def humaneval_row():
    return dict(HUMANEVAL_ROW)
