"""Passages and headers: hand-written traces of which a reader can say what hangs together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asap.prune.passage import Passage, find_passages, governed_by_header
from asap.trace import Trace, segment_trace


def _trace(*steps: str) -> Trace:
    trace = segment_trace(Trace(0, "a", "", "\n\n".join(steps), "done"))
    assert [trace.text(i) for i in range(len(trace.steps))] == list(steps)
    return trace


def test_a_header_governs_the_list_after_it_and_nothing_more() -> None:
    trace = _trace(
        "We want the shortest route through the maze.",
        "So the steps are:",
        "1. Read the maze.",
        "2. Put the entrance into a queue.",
        "3. Walk on until the exit turns up.",
        "That is a breadth-first search.",
    )
    assert governed_by_header(trace) == {1: (2, 3, 4)}
    assert find_passages(trace) == (
        Passage(None, range(0, 1)),
        Passage(1, range(2, 5)),
        Passage(None, range(5, 6)),
    )


def test_an_example_goes_on_over_inner_headers_to_the_next_example() -> None:
    trace = _trace(
        "First example:",
        "n = 3, k = 2",
        "For the first row:",
        "the sum is 4, more than k.",
        "So the answer is 4.",
        "Second example:",
        "n = 1, k = 7",
        "So the answer is 0.",
        "So the approach is right.",
    )
    assert governed_by_header(trace) == {0: (1, 2, 3, 4), 2: (3,), 5: (6, 7)}
    assert [(p.header, p.body) for p in find_passages(trace)] == [
        (0, range(1, 5)),
        (5, range(6, 8)),
        (None, range(8, 9)),
    ]


def test_a_header_of_code_governs_the_code() -> None:
    trace = _trace(
        "Now, code:",
        "```python\nprint(1)\n```",
        "This prints one.",
    )
    assert governed_by_header(trace) == {0: (1,)}


def test_a_header_right_before_another_governs_what_that_one_governs() -> None:
    trace = _trace(
        "Testing with the samples:", "Sample 2:", "n = 7", "count = 2", "So the code works."
    )
    assert governed_by_header(trace) == {0: (1, 2, 3), 1: (2, 3)}
    assert find_passages(trace)[0] == Passage(0, range(1, 4))


def test_a_header_governed_by_nothing_is_no_header() -> None:
    at_the_end = _trace("We add both numbers.", "So the code is:")
    assert governed_by_header(at_the_end) == {}
    taken_back = _trace("So the code is:", "Wait, the limits are larger than that.")
    assert governed_by_header(taken_back) == {}
    assert [p.body for p in find_passages(taken_back)] == [range(0, 1), range(1, 2)]


def test_a_long_sentence_with_a_colon_is_no_header() -> None:
    long = (
        "Since every student hands the book on to exactly one friend and gets exactly one back,"
        " the friends form cycles, and so we may say this:"
    )
    assert governed_by_header(_trace(long, "books return after a full turn")) == {}


def test_a_line_of_two_megabytes_is_read_like_a_short_one() -> None:
    found = []
    for n_times in (1, 20_000):
        line = "Many " + "words without a full stop " * n_times
        trace = _trace("First example:", line.strip(), f"{line}(at last).", "Second example:")
        found.append(governed_by_header(trace))
    assert found == [{0: (1,)}, {0: (1,)}]


def test_pseudo_code_in_lower_case_stays_in_one_piece() -> None:
    trace = _trace(
        "For each node in 1 to n:",
        "if it has children:",
        "count its leaves, starting from 0",
        "if count < 3 then return No.",
        "After all nodes, we return Yes.",
    )
    assert find_passages(trace)[0] == Passage(0, range(1, 4))


def test_cases_told_apart_by_a_number_stand_beside_each_other() -> None:
    trace = _trace("k=0:", "word is abcd", "k=1:", "word is dabc", "Both turns count.")
    assert governed_by_header(trace) == {0: (1,), 2: (3,)}


def test_a_markdown_heading_is_a_header() -> None:
    trace = _trace("### Plan", "Sort both lists and walk through them.", "Now, the details.")
    assert governed_by_header(trace) == {0: (1,)}


def test_a_long_example_is_cut_into_passages_but_its_header_governs_all() -> None:
    lines = [
        f"Row {i} holds {i}, {i + 1} and {i + 2}, summing up to {3 * i + 3}; we go on."
        for i in range(40)
    ]
    trace = _trace("First example:", *lines)
    assert governed_by_header(trace) == {0: tuple(range(1, 41))}
    passages = find_passages(trace)
    assert len(passages) > 3
    assert passages[0].header == 0
    assert all(passage.header is None for passage in passages[1:])


def test_fenced_blocks_that_follow_one_another_are_passages_of_their_own() -> None:
    first, second = "```python\nx = 1\n```", "```python\nx = 2\n```"
    trace = _trace("In code:", first, second, "count = 0", "The plan holds.")
    assert governed_by_header(trace) == {0: (1,)}
    assert find_passages(trace)[:2] == (Passage(0, range(1, 2)), Passage(None, range(2, 4)))


_LINES = st.sampled_from(
    [
        "First example:",
        "So the plan is:",
        "In code:",
        "for each row:",
        "- sort the rows",
        "n = 5, m = 2",
        "count = 0",
        "Wait, no. That is wrong.",
        "So the code works.",
        "The greedy choice is safe since later gaps are never smaller.",
        "x = int(input())\nprint(x)",
        "    total += x",
    ]
)


@given(st.lists(_LINES, min_size=1, max_size=30))
def test_every_step_is_in_one_passage_and_headers_govern_what_follows(lines: list[str]) -> None:
    trace = segment_trace(Trace(0, "a", "", "\n\n".join(lines), "done"))
    passages = find_passages(trace)
    assert [i for passage in passages for i in passage.steps] == list(range(len(trace.steps)))
    assert all(len(passage.body) > 0 for passage in passages)
    governed = governed_by_header(trace)
    for header, steps in governed.items():
        assert steps == tuple(range(header + 1, header + 1 + len(steps)))
        assert steps
    assert all(p.header in governed for p in passages if p.header is not None)
