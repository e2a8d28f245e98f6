"""Which part of a response is its answer."""

from __future__ import annotations

import pytest

from asap.bench import BENCHMARKS, extract_code

DRAFT = "Let me try:\n```python\ndraft = 1\n```\nHmm.\n"
FIRST = "```python\nfirst = 1\n```"
LAST = "```python\nlast = 1\n```"

TABLE = [
    # what, completion, answer, paper
    ("one block", f"Think.\n</think>\nSo:\n{FIRST}\n", "first = 1", "first = 1"),
    ("two blocks", f"Think.\n</think>\n{FIRST}\nBetter:\n{LAST}\n", "last = 1", "first = 1"),
    ("draft and answer", f"{DRAFT}</think>\n{LAST}", "last = 1", "last = 1"),
    ("cut off with a draft", DRAFT, None, "draft = 1"),
    ("cut off within a draft", "Let me try:\n```python\ndraft = 1\n", None, None),
    ("cut off without code", "Hmm.", None, None),
    ("nothing", "", None, None),
    ("no block in the answer", f"{DRAFT}</think>\nThe answer is above.", None, None),
    ("answer cut off in its only block", "T.\n</think>\n```python\nlast = ", None, None),
    (
        "answer cut off in a second block",
        f"T.\n</think>\n{FIRST}\n```python\nla",
        "first = 1",
        "first = 1",
    ),
    ("no language", "</think>\n```\nlast = 1\n```", "last = 1", "last = 1"),
    ("tildes", "</think>\n~~~py\nlast = 1\n~~~", "last = 1", "last = 1"),
    ("empty block", "</think>\n```python\n```", "", ""),
    (
        "indented in a list",
        "</think>\n1. So:\n   ```python\n   if a:\n       b\n   ```",
        "if a:\n    b",
        "if a:\n    b",
    ),
    (
        "indentation and blank lines stay",
        "</think>\n```python\ndef f():\n\n    return 1\n```",
        "def f():\n\n    return 1",
        "def f():\n\n    return 1",
    ),
    (
        "a fence within a longer fence",
        "</think>\n````python\nx = '''\n```\n'''\n````",
        "x = '''\n```\n'''",
        "x = '''\n```\n'''",
    ),
    ("the tag comes twice", f"T.</think>\n{FIRST}\n</think>\n{LAST}", "last = 1", "first = 1"),
]


@pytest.mark.parametrize(
    ("completion", "answer", "paper"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_extraction(completion, answer, paper):
    assert extract_code(completion) == answer
    assert extract_code(completion, "paper") == paper


def test_trap_34_a_response_cut_off_while_thinking_earns_nothing():
    """The paper's code credits a draft in the thinking; low budgets look better for it."""
    cut_off = DRAFT + "Wait, but"
    for benchmark in BENCHMARKS.values():
        assert benchmark.extract(cut_off, "answer") is None
        assert "draft = 1" in (benchmark.extract(cut_off, "paper") or "")


def test_trap_35_a_resumed_response_is_no_other_than_a_fresh_one(open_rows, humaneval_row):
    """The paper's code stores prompt and response as one text and extracts from that: without a
    closing tag the answer is the prompt's own starter code.
    """
    (question,) = open_rows("humaneval", [humaneval_row]).questions.values()
    assert extract_code(question.prompt + "\nHmm.", "paper") is not None  # their way
    assert extract_code("Hmm.", "paper") is None


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("```python\n[1, 2]\n```", "[1, 2]"),
        ("{1: None}", "{1: None}"),
        ("'a b'\n", "'a b'"),
        ("```python\nassert f(1) == [1, 2]\n```", "[1, 2]"),
        ("```python\nassert f(1) == 'x', 'message'\n```", "'x'"),
        ("f([1], 2) == 'a == b'", "'a == b'"),
        ("```python\nf = 1\nassert f(1) == (1,\n 2)\n```", "(1,\n 2)"),
        ("1 == 2", "1 == 2"),
        ("1, 2", "1, 2"),
        ("It returns 3.", "It returns 3."),
    ],
)
def test_cruxeval_takes_the_value_out_of_an_answer(answer, value):
    extract = BENCHMARKS["cruxeval"].extract
    assert extract(f"Think.\n</think>\n{answer}", "answer") == (
        f"def predicted():\n    return (\n{value}\n)\n"
    )


@pytest.mark.parametrize("completion", ["", "Hmm", "T.\n</think>\n", "T.\n</think>\n```\n\n```"])
def test_cruxeval_without_an_answer(completion):
    assert BENCHMARKS["cruxeval"].extract(completion, "answer") is None
