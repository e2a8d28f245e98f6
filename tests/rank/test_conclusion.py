"""Conclusion kept on an answer of three lines; weights counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.rank import (
    KeptText,
    conclusion_kept,
    find_answer_evidence,
    keep_all_but_drafts,
    keep_drafts,
)
from asap.trace import Trace, segment_trace

ANSWER = "Use a heap:\n\n```python\nimport heapq\nheap = [17]\nprint(heapq.heappop(heap))\n```"
STEPS = [
    "A heap would do.",  # heap
    "Start the heap with 17 items.",  # heap, 17
    "```python\nheap = [17]\nprint(heapq.heappop(heap))\n```",  # a draft: mentions nothing
    "Then heappop(heap) gives the least.",  # heappop, heappop(, heap
    "It's done, for 170 or 1.17.",  # nothing: 17 stands in other numbers
]
TRACE = segment_trace(Trace(0, "a", "", "\n\n".join(STEPS), ANSWER))
# Three steps mention heap, one each of the others: heapq nobody does outside the draft.
WEIGHTS = {"heap": 1 / 3, "17": 1, "heappop": 1, "heappop(": 1}
TOTAL = 10 / 3


def keep(*steps: int) -> KeptText:
    spans = tuple((TRACE.steps[i].start, TRACE.steps[i].end) for i in steps)
    return KeptText("\n\n".join(TRACE.text(i) for i in steps), spans)


def test_evidence_is_weighted_by_the_steps_that_mention_it() -> None:
    evidence = find_answer_evidence(TRACE)
    assert evidence is not None
    assert evidence.weights == pytest.approx(WEIGHTS)


@pytest.mark.parametrize(
    ("steps", "weight"),
    [
        ((0, 1, 2, 3, 4), TOTAL),
        ((0, 1, 3), TOTAL),
        ((1, 3), TOTAL),
        ((0,), 1 / 3),
        ((1,), 4 / 3),
        ((3,), 7 / 3),
        ((2,), 0),
        ((4,), 0),
        ((), 0),
    ],
)
def test_share_of_the_evidence_kept(steps: tuple[int, ...], weight: float) -> None:
    evidence = find_answer_evidence(TRACE)
    assert evidence is not None
    kept = keep(*steps)
    assert conclusion_kept(evidence, kept) == pytest.approx(weight / TOTAL)
    # the same words as new text are searched for as text
    assert conclusion_kept(evidence, KeptText(kept.text, None)) == pytest.approx(weight / TOTAL)


def test_controls() -> None:
    evidence = find_answer_evidence(TRACE)
    assert evidence is not None
    assert keep_drafts(TRACE).text == STEPS[2]
    assert conclusion_kept(evidence, keep_drafts(TRACE)) == 0
    rest = keep_all_but_drafts(TRACE)
    assert STEPS[2] not in rest.text
    assert all(STEPS[i] in rest.text for i in (0, 1, 3, 4))
    assert conclusion_kept(evidence, rest) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "The value is [1, 2].",
        "```cpp\nint main() { return 17; }\n```",
        "```python\nprint(x y)\n```",
        "```python\nzebra = 99\n```",  # a program of which the thinking mentions nothing
    ],
)
def test_without_a_python_program_that_is_mentioned_nothing_can_be_said(answer: str) -> None:
    assert find_answer_evidence(Trace(0, "a", "", TRACE.thinking, answer)) is None


def test_four_of_five_lines_make_a_draft_and_three_of_four_do_not() -> None:
    code = "```python\np = 1\nq = 2\nr = 3\ns = 4\n```"
    four = "p=1\nq = 2  # two\n# three\nr = 3\n  s = 4\nt = 5"  # a comment alone is no line
    three = "p = 1\nq = 2\nr = 3\nt = 5"
    trace = Trace(0, "a", "", f"First.\n\n{four}\n\nOr else, in other words.\n\n{three}", code)
    assert keep_drafts(trace).text == four


@given(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)))
def test_keeping_more_never_lowers_it(some: set[int], others: set[int]) -> None:
    evidence = find_answer_evidence(TRACE)
    assert evidence is not None
    less, more = keep(*sorted(some)), keep(*sorted(some | others))
    assert conclusion_kept(evidence, less) <= conclusion_kept(evidence, more) <= 1
