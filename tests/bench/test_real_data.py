"""The canonical solutions of the real files pass: twenty of each, and all of them under `slow`.

In this process, without limits; what the judge makes of them is tested there.
"""

from __future__ import annotations

import pytest

from asap.bench import Solution, judge_canonical, judge_solutions, open_benchmark

pytestmark = pytest.mark.real

FILES = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "humaneval-plus": "humaneval-plus/HumanEvalPlus.jsonl.gz",
    "humaneval-plus in HumanEval's columns": "humaneval-plus/HumanEvalPlus-OriginFmt.jsonl.gz",
    "leetcode-dataset": "leetcode-dataset/LeetCodeDataset-v0.3.1-test.jsonl.gz",
    "cruxeval": "cruxeval-o-r1/traces.jsonl.gz",
}
COUNTS = {"humaneval": 164, "humaneval-plus": 164, "leetcode-dataset": 228, "cruxeval": 600}
SLOW_PROBLEMS = {
    *(f"HumanEval/{number}" for number in (15, 36, 59, 83, 94, 130, 139)),
    "count-beautiful-numbers",
    "count-connected-components-in-lcm-graph",
    "digit-operations-to-make-two-integers-equal",
    "find-the-count-of-good-integers",
    "find-the-number-of-k-even-arrays",
    "find-the-number-of-possible-ways-for-an-event",
    "find-the-number-of-subsequences-with-equal-gcd",
    "longest-palindromic-subsequence-after-at-most-k-operations",
    "maximum-number-of-moves-to-kill-all-pawns",
    "minimum-time-to-break-locks-i",
    "sorted-gcd-pair-queries",
    "total-characters-in-string-after-transformations-i",
    "total-characters-in-string-after-transformations-ii",
}
"""More than half a second each."""
TRAPS = {
    # Helpers in the prompt, the function called by name, constants, imports inside the function.
    "humaneval": (10, 32, 33, 38, 50, 64, 115),
    "humaneval-plus": (2, 4, 10, 14, 32, 33, 38, 50, 64, 95, 115),
    # Lists and trees as arguments and results; dataclasses; sortedcontainers.
    "leetcode-dataset": (
        "k-th-largest-perfect-subtree-size-in-binary-tree",
        "minimum-amount-of-damage-dealt-to-bob",
        "zero-array-transformation-iii",
    ),
}


def open_real(real_data, name):
    path = real_data / FILES[name]
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    return open_benchmark(name.partition(" ")[0], path)


def judge_ids(dataset, ids, judge):
    canonical = [Solution(id, 0, dataset.questions[id].canonical) for id in ids]
    judged = list(judge_solutions(dataset, canonical, judge))
    assert len(judged) == len(ids)
    return {s.id: v for s, v in judged if v.outcome != "passed"}


def pick_twenty(dataset):
    names = TRAPS.get(dataset.benchmark.name, ())
    traps = [f"HumanEval/{name}" if isinstance(name, int) else name for name in names]
    others = [id for id in dataset.questions if id not in {*SLOW_PROBLEMS, *traps}]
    step = len(others) // (20 - len(traps))
    return (traps + others[::step])[:20]


@pytest.mark.parametrize("name", FILES)
def test_twenty_canonical_solutions_pass(real_data, judge, name):
    dataset = open_real(real_data, name)
    assert len(dataset.questions) == COUNTS[dataset.benchmark.name]
    if name == "leetcode-dataset":
        pytest.importorskip("sortedcontainers", reason="LeetCodeDataset needs sortedcontainers")
    assert judge_ids(dataset, pick_twenty(dataset), judge) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FILES)
def test_all_canonical_solutions_pass(real_data, judge, name):
    """Under the limits that the ceiling is found with: the slowest take a minute of CPU time."""
    dataset = open_real(real_data, name)
    verdicts = judge_canonical(dataset, judge)
    assert len(verdicts) == COUNTS[dataset.benchmark.name]
    assert {id: v for id, v in verdicts.items() if v.outcome != "passed"} == {}
