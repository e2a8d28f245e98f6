"""What every prompt has, whatever the benchmark; and the budgets they are answered under."""

from __future__ import annotations

import pytest

from asap.bench import BENCHMARKS, K_TOKENS, extract_code


@pytest.fixture
def humaneval_question(open_rows, humaneval_row):
    (question,) = open_rows("humaneval", [humaneval_row]).questions.values()
    return question


def test_the_stub_stands_in_the_prompt_unchanged_and_fenced(humaneval_question, humaneval_row):
    block = extract_code("</think>\n" + humaneval_question.prompt)
    assert block == humaneval_row["prompt"].rstrip()
    assert humaneval_question.statement == humaneval_row["prompt"]


def test_the_solution_and_the_tests_do_not_stand_in_the_prompt(humaneval_question):
    assert "twice(x) for x" not in humaneval_question.prompt
    assert "candidate" not in humaneval_question.prompt


def test_no_template_and_no_tag_stands_in_the_prompt(humaneval_question):
    for mark in ("<think>", "</think>", "<|", "<｜", "system"):
        assert mark not in humaneval_question.prompt


def test_trap_42_k_is_1024():
    """The paper's mean under its budget of 1K is 1,007 tokens, under 2K it is 2,028."""
    assert K_TOKENS == 1024
    assert {name: benchmark.budget_tokens for name, benchmark in BENCHMARKS.items()} == {
        "humaneval": 6144,
        "humaneval-plus": 6144,
        "livecodebench": 10240,
        "leetcode-dataset": 10240,
        "cruxeval": 10240,
    }
