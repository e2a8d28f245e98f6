"""Integrity on one thinking with two blocks of code, a header and a repeat."""

from __future__ import annotations

from typing import Any

import pytest

from asap.rank import Integrity, KeptText, check_integrity, find_structure
from asap.trace import Trace

CODE = "```python\nfor i in range(3):\n    print(i)\n```"
BROKEN = "```python\nfor i in\n    print(i)\n```"
LONG = "This paragraph has more than forty characters."
STEPS = [
    LONG,
    CODE,
    "First example:",
    "- one item",
    "- another item",
    BROKEN,
    LONG,
    "Wait.",
    "Wait.",
]
TRACE = Trace(0, "a", "", "\n\n".join(STEPS), "")


def find(step: str, part: str = "", after: int = 0) -> tuple[int, int]:
    """Where a step stands, or a part of it."""
    start = TRACE.thinking.index(step, after)
    start += step.index(part) if part else 0
    return start, start + len(part or step)


def check(*spans: tuple[int, int]) -> Integrity:
    text = "\n\n".join(TRACE.thinking[start:end] for start, end in spans)
    return check_integrity(find_structure(TRACE), KeptText(text, spans))


def test_the_whole_thinking_is_whole() -> None:
    kept = KeptText(TRACE.thinking, ((0, len(TRACE.thinking)),))
    assert check_integrity(find_structure(TRACE), kept) == Integrity(1.0, 1.0, 0, 0.0, 1.0)


def test_of_nothing_little_can_be_said() -> None:
    assert check() == Integrity(None, None, 0, None, 0.0)


def test_new_text_has_fences_and_repeats_only() -> None:
    kept = KeptText(f"{LONG}\n\n```\nx\n\n{LONG}", None)
    assert check_integrity(find_structure(TRACE), kept) == Integrity(None, None, 1, None, 1.0)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([find(CODE)], {"code_whole": 1.0, "code_parses": 1.0, "orphan_fences": 0}),
        # the body without the line above it still parses, alone
        ([find(CODE, "    print(i)")], {"code_whole": 0.0, "code_parses": 1.0, "orphan_fences": 0}),
        (
            [find(CODE, "```python\nfor i in range(3):")],
            {"code_whole": 0.0, "code_parses": 0.0, "orphan_fences": 1},
        ),
        # one block whole, of the other, which never parsed, one line
        ([find(CODE), find(BROKEN, "for i in")], {"code_whole": 0.5, "code_parses": 1.0}),
        ([find("First example:")], {"bare_headers": 1.0}),
        ([find("First example:"), find("- another item")], {"bare_headers": 0.0}),
        # from the end of the header on
        ([(find("First example:")[1], find("- one item")[1])], {"bare_headers": None}),
        ([find("- one item")], {"bare_headers": None, "code_whole": None}),
        ([find(LONG)], {"repeats_left": 0.0}),
        ([find(LONG), find(LONG, after=60)], {"repeats_left": 1.0}),
    ],
)
def test_what_is_broken(spans: list[tuple[int, int]], expected: dict[str, Any]) -> None:
    integrity = check(*spans)
    assert {name: getattr(integrity, name) for name in expected} == expected


def test_a_trace_without_repeats_has_no_share_of_them() -> None:
    structure = find_structure(Trace(0, "a", "", "Wait.\n\nWait.", ""))
    assert check_integrity(structure, KeptText("Wait.", ((0, 5),))).repeats_left is None


def test_unfenced_code_counts_and_a_sentence_does_not() -> None:
    thinking = "We loop over it.\n\nfor i in range(3):\n\n    print(i)\n\nThat is all there is."
    structure = find_structure(Trace(0, "a", "", thinking, ""))
    [(start, end)] = structure.code
    assert thinking[start:end] == "for i in range(3):\n\n    print(i)"
    half = KeptText("print(i)", ((end - 8, end),))
    assert check_integrity(structure, half).code_whole == 0.0
