"""State coverage: which values a program takes and which of them a text tells, found by hand."""

from __future__ import annotations

import ctypes
import gzip
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.judge import Judge
from asap.rank import split_question, state_coverage, trace_values

VALUES = ("[1, 2]", "12", "'ab'", "i = 0")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the judge runs on Linux only")
    if ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 1:
        pytest.skip("this kernel has no Landlock, or has it switched off")
    with Judge() as judge:
        yield judge


LOOP = """
def g(n):
    return n * 11

def f(items, k):
    total = 10
    for item in items:
        total += g(item)
    return [total, k]
"""


def test_values_are_those_of_locals_and_inner_calls_in_order(judge: Judge) -> None:
    # total is 10; item 1, in g n is 1, g gives 11, total 21; item 2, n 2, 22, 43; the list that f
    # returns is final and is no value. One digit alone says nothing: its variable goes with it.
    [values] = trace_values(judge, [(LOOP, "[1, 2], 'xy'")])
    assert values == (
        *("10", "item = 1", "n = 1", "11", "21"),
        *("item = 2", "n = 2", "22", "43"),
    )


def test_arguments_and_the_final_value_are_no_values_on_the_way(judge: Judge) -> None:
    # b takes 'xy' (an argument), then 'xyz', then what the call returns
    code = "def f(a):\n    b = a\n    b += 'z'\n    b += '!'\n    return b"
    assert list(trace_values(judge, [(code, "'xy'")])) == [("'xyz'",)]


def test_a_program_that_fails_or_is_none_has_no_values_and_spoils_no_other(judge: Judge) -> None:
    fine = ("def f(a):\n    b = a + 40\n    print(b)\n    return None", "2")
    programs = [
        ("def f(a):\n    return 1 / 0", "1"),
        ("def f(a:", "1"),
        ("import os\ndef f(a):\n    os._exit(0)", "1"),
        ("print('[1]')\nimport os\nos.write(1, b'[[1]]')\ndef f(a):\n    os._exit(0)", "1"),
        fine,
    ]
    assert list(trace_values(judge, programs)) == [None, None, None, None, ("42",)]


def test_objects_that_show_no_value_and_long_ones_are_left_out(judge: Judge) -> None:
    code = "def f(a):\n    b = object()\n    c = 'x' * 500\n    d = {a: 77}\n    return 1"
    assert list(trace_values(judge, [(code, "3")])) == [("{3: 77}",)]


@pytest.mark.parametrize(
    ("kept", "share"),
    [
        ("", 0),
        ("The list is [1,2].", 1 / 4),
        ('First `[1, 2]`, so 12, then "ab"; i is 0.', 1),
        ("i=0, ab, 12, [ 1, 2 ]", 1 / 4),  # all of them, but backwards: only one is in order
        ("At the end 'ab'; but [1, 2], 12, ab, i = 0", 1),  # an early mention hides nothing
        ("112 and 12.5 and 12a and cab and 0", 0),  # never inside another number or word
        ("[1,\n\n2]", 0),  # a blank line parts steps
    ],
)
def test_values_are_found_as_whole_tokens_in_order(kept: str, share: float) -> None:
    assert state_coverage(VALUES, kept) == share


def test_without_values_nothing_can_be_said() -> None:
    assert state_coverage((), "anything") is None


def test_a_value_told_once_counts_once() -> None:
    assert state_coverage(("12", "13", "12"), "12, 13") == pytest.approx(2 / 3)
    assert state_coverage(("12", "13", "12"), "12, 13, 12, 12") == 1


LINES = st.lists(st.sampled_from([*VALUES, "so it goes", "[1, 3]", "12.5"]), max_size=12)


@given(LINES, st.data())
def test_more_text_never_lowers_the_share(lines: list[str], data: st.DataObject) -> None:
    less = [line for line in lines if data.draw(st.booleans())]
    kept, more = "\n\n".join(less), "\n\n".join(lines)
    assert (state_coverage(VALUES, kept) or 0) <= (state_coverage(VALUES, more) or 0)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("def f(a):\n    return a\n[1,\n 2]", ("def f(a):\n    return a", "[1,\n 2]")),
        ("import re\ndef f(a, b):\n    return b\na=1, b='x'", None),
        ("def f(a):\n    return a", None),
        ("What is 1 + 1?", None),
        ("", None),
    ],
)
def test_a_question_is_cut_into_program_and_arguments(
    question: str, parts: tuple[str, str] | None
) -> None:
    if question.startswith("import"):
        parts = ("import re\ndef f(a, b):\n    return b", "a=1, b='x'")
    assert split_question(question) == parts


@pytest.mark.real
def test_on_real_traces_half_of_the_paragraphs_tell_less(real_data: Path, judge: Judge) -> None:
    path = real_data / "cruxeval-o-r1" / "traces.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == "dev"][:20]
    values = list(trace_values(judge, [(row["code"], row["input"]) for row in rows]))
    assert None not in values
    whole, half = [], []
    chance = random.Random(0)
    for row, found in zip(rows, values, strict=True):
        assert split_question(f"{row['code']}\n{row['input']}") == (row["code"], row["input"])
        if found:
            paragraphs = row["reasoning"].split("\n\n")
            some = sorted(chance.sample(range(len(paragraphs)), len(paragraphs) // 2))
            whole.append(state_coverage(found, row["reasoning"]) or 0)
            half.append(state_coverage(found, "\n\n".join(paragraphs[i] for i in some)) or 0)
    assert len(whole) >= 8
    assert all(less <= more for less, more in zip(half, whole, strict=True))
    assert sum(half) < sum(whole)
    assert sum(whole) / len(whole) > 0.4
