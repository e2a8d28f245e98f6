"""CRUXEval's output prediction, and LeetCodeDataset: rows of our own in their formats."""

from __future__ import annotations

import pytest

from asap.bench import BENCHMARKS, judge_canonical
from asap.errors import InputError

ROW = {
    "id": "sample_900",
    "code": "SEEN = [1, 2]\n\n\ndef f(xs, g):\n    return [g(x) for x in xs]",
    "input": "SEEN[:], lambda x: x + 1",
    "output": "[2, 3]",
}
"""The input uses a name of the code and is no literal, as those of samples 258 and 364."""


def predict(answer):
    return BENCHMARKS["cruxeval"].extract(f"Think.\n</think>\n{answer}", "answer")


def test_the_canonical_answer_is_checked_against_the_function_itself(open_rows, judge):
    dataset = open_rows("cruxeval", [ROW, ROW | {"id": "sample_901", "output": "[2, 4]"}])
    verdicts = judge_canonical(dataset, judge)
    assert {id: verdict.outcome for id, verdict in verdicts.items()} == {
        "sample_900": "passed",
        "sample_901": "wrong_answer",
    }
    assert verdicts["sample_901"].message.endswith("input 0: [2, 4] instead of [2, 3]")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("[2, 3]", "passed"),
        ("```python\n[2, 3]\n```", "passed"),
        ("```python\nassert f(SEEN[:], lambda x: x + 1) == [2, 3]\n```", "passed"),
        ("[2, 3.0]", "passed"),
        ("[1 + 1, 3]", "passed"),
        ("(2, 3)", "wrong_answer"),
        ("[3, 2]", "wrong_answer"),
        ("'[2, 3]'", "wrong_answer"),
        # The function is out of reach: it cannot be called instead of being understood.
        ("f(SEEN[:], lambda x: x + 1)", "runtime_error"),
        ("SEEN", "runtime_error"),
        ("It returns [2, 3].", "runtime_error"),
    ],
)
def test_a_prediction_is_compared_as_a_value(open_rows, verdict_of, answer, outcome):
    assert verdict_of(open_rows("cruxeval", [ROW]), predict(answer)).outcome == outcome


def test_the_column_with_the_output_has_two_names(open_rows):
    row = {key: value for key, value in ROW.items() if key != "output"}
    (question,) = open_rows("cruxeval", [row | {"expected_output": "[5]"}]).questions.values()
    assert "[5]" in question.canonical
    with pytest.raises(InputError, match="output"):
        _ = open_rows("cruxeval", [row]).questions


def test_a_part_is_the_rows_whose_split_says_so(open_rows):
    rows = [ROW | {"id": f"sample_{n}", "split": ("train", "test")[n % 2]} for n in range(5)]
    dataset = open_rows("cruxeval:test", rows)
    assert list(dataset.questions) == ["sample_1", "sample_3"]
    assert [problem.id for problem in dataset.problems()] == ["sample_1", "sample_3"]
    assert len(open_rows("cruxeval", rows).questions) == 5
    with pytest.raises(InputError, match="no problems"):
        _ = open_rows("cruxeval:dev", rows).questions


def test_the_prompt_shows_code_and_call_and_not_the_answer(open_rows):
    (question,) = open_rows("cruxeval", [ROW]).questions.values()
    assert "print(repr(f(SEEN[:], lambda x: x + 1)))" in question.prompt
    assert "return [g(x) for x in xs]" in question.prompt
    assert "[2, 3]" not in question.prompt
    assert question.statement == ROW["code"]


LEETCODE_ROW = {
    "task_id": "sum-of-a-list",
    "question_id": 9000,
    "difficulty": "Easy",
    "tags": [],
    "problem_description": "Add up the list.\n\n",
    "starter_code": "class Solution:\n    def total(self, head: Optional[ListNode]) -> int:\n",
    "estimated_date": "2024-08-04",
    "prompt": "from typing import *\n\nclass ListNode:\n    def __init__(self, val=0, next=None):\n"
    "        self.val = val\n        self.next = next\n\ndef list_node(values):\n    head = None\n"
    "    for value in reversed(values):\n        head = ListNode(value, head)\n    return head\n",
    "completion": "class Solution:\n    def total(self, head: Optional[ListNode]) -> int:\n"
    "        s = 0\n        while head:\n            s, head = s + head.val, head.next\n"
    "        return s\n",
    "entry_point": "Solution().total",
    "test": "def check(candidate):\n    assert candidate(head = list_node([1, 2])) == 3\n",
    "input_output": [],
    "query": "not ours",
    "response": "",
}


def test_leetcode_runs_the_files_prompt_before_the_answer_and_before_the_tests(
    open_rows, judge, verdict_of
):
    dataset = open_rows("leetcode-dataset", [LEETCODE_ROW])
    assert judge_canonical(dataset, judge)["sum-of-a-list"].outcome == "passed"
    wrong = LEETCODE_ROW["completion"].replace("s + head.val", "s - head.val")
    assert verdict_of(dataset, wrong).outcome == "wrong_answer"


def test_leetcodes_prompt_is_ours(open_rows):
    (question,) = open_rows("leetcode-dataset", [LEETCODE_ROW]).questions.values()
    assert "Add up the list." in question.prompt
    assert "def total(self, head: Optional[ListNode]) -> int:" in question.prompt
    assert "not ours" not in question.prompt
    assert question.statement == LEETCODE_ROW["problem_description"]
