"""`extract` on hand-written traces of which a reader can say what must go and what must stay."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asap.prune.extract import find_drops, list_evidence, order_drops
from asap.prune.passage import find_passages, governed_by_header
from asap.trace import STEP_REASONS, StepTokens, Trace, segment_trace


def _trace(*steps: str, question: str = "", answer: str) -> Trace:
    """A trace whose tokens are its words."""
    trace = segment_trace(Trace(0, "a", question, "\n\n".join(steps), answer))
    assert [trace.text(i) for i in range(len(trace.steps))] == list(steps)
    return _count_words(trace)


def _count_words(trace: Trace) -> Trace:
    words = tuple(len(trace.text(i).split()) for i in range(len(trace.steps)))
    return replace(trace, tokens=StepTokens(sum(words), words, words))


def _ratio_without(trace: Trace, *gone: int) -> float:
    """The ratio at which exactly these steps have to go."""
    assert trace.tokens is not None
    return 1.0 - sum(trace.tokens.inner[i] for i in gone) / trace.tokens.total


def _reasons(trace: Trace, *gone: int) -> dict[int, tuple[str, int | None]]:
    """Why these steps go, which have to, by step: the reason's name and the step it is about."""
    drops = find_drops(trace, _ratio_without(trace, *gone))
    return {i: (reason.name, reason.step_index) for i, reason in sorted(drops.reasons.items())}


def _dropped(trace: Trace, ratio: float) -> set[int]:
    return {i for group in order_drops(trace, ratio) for i in group}


PROGRAM = """```python
def widest_gap(marks):
    marks.sort()
    best = 0
    for left, right in zip(marks, marks[1:]):
        best = max(best, right - left)
    return best * 17
```"""


def test_a_draft_of_the_answer_goes_first_and_its_header_with_it() -> None:
    trace = _trace(
        "We need widest_gap of the marks, which has nothing to do with the order they come in.",
        "So the code is:",
        PROGRAM,
        "Sorting marks first puts neighbours together, so zip pairs each left with its right.",
        "The result is multiplied by 17 since each mark is 17 millimetres from the next.",
        answer=PROGRAM,
    )
    assert order_drops(trace, _ratio_without(trace, 1, 2)) == ((1, 2),)
    assert _reasons(trace, 1, 2) == {1: ("header", None), 2: ("draft", None)}


def test_a_draft_with_other_lines_among_the_answers_is_a_draft_still() -> None:
    draft = PROGRAM.replace("    best = 0\n", "    best = 0  # so far\n").replace("* 17", "* 16")
    trace = _trace(
        "Sorting marks first puts neighbours together, so zip pairs each left with its right.",
        "The widest_gap is then the best of them all, which max keeps track of.",
        draft,
        answer=PROGRAM,
    )
    assert _dropped(trace, _ratio_without(trace, 2)) == {2}


CHECKED_TWICE = (
    "The widest_gap is between neighbours once the marks are sorted.",
    "First example:",
    "marks = 3, 9, 4",
    "sorted that is 3, 4, 9, and the gaps are 1 and 5.",
    "So the answer is 85.",
    "Now zip pairs every left with its right, and best keeps the largest right - left.",
    "First example again:",
    "sorting 3, 9, 4 gives 3, 4, 9, so left and right are 3 and 4, then 4 and 9.",
    "best is 1 and then 5, times 17.",
    "So the answer is 85.",
)


def test_of_two_checks_of_one_example_with_one_result_the_first_stays() -> None:
    trace = _trace(*CHECKED_TWICE, answer=PROGRAM)
    assert _dropped(trace, _ratio_without(trace, 6, 7, 8, 9)) == {6, 7, 8, 9}
    second_pass = dict.fromkeys((7, 8, 9), ("second_pass", 1))
    assert _reasons(trace, 6, 7, 8, 9) == {6: ("header", None), **second_pass}


def test_of_two_checks_of_one_example_that_disagree_the_last_stays() -> None:
    steps = [*CHECKED_TWICE]
    steps[4] = "So the answer is 5."
    trace = _trace(*steps, answer=PROGRAM)
    dropped = _dropped(trace, _ratio_without(trace, 1, 2, 3, 4))
    assert {2, 3, 4} <= dropped
    assert not dropped & {6, 7, 8, 9}
    # The pass that stands is the later one, which begins with its header.
    assert _reasons(trace, 1, 2, 3, 4)[2] == ("second_pass", 6)


def test_checks_of_different_examples_are_no_second_passes() -> None:
    steps = [*CHECKED_TWICE]
    steps[6] = "Second example:"
    steps[7] = "marks = 8, 2, 30, so left and right are 2 and 8, then 8 and 30."
    steps[8] = "best is 6 and then 22, times 17."
    steps[9] = "So the answer is 374."
    trace = _trace(*steps, "So the code works.", "This should work.", answer=PROGRAM)
    assert _dropped(trace, _ratio_without(trace, 10, 11)) == {10, 11}
    assert _reasons(trace, 10, 11) == dict.fromkeys((10, 11), ("no_evidence", None))


def test_what_is_withdrawn_goes_from_the_start_of_its_passage() -> None:
    trace = _trace(
        "The widest_gap is between neighbours, so zip pairs every left with its right.",
        "So the steps are:",
        "1. Take the largest of the marks for best.",
        "2. Take the smallest of the marks for left.",
        "Wait, that's wrong. The largest and the smallest are no neighbours.",
        "After marks.sort() every left and right are neighbours, and max keeps the best of all.",
        answer=PROGRAM,
    )
    assert order_drops(trace, 0.95)[0] == (1, 2, 3)
    withdrawn = ("withdrawn", 4)
    assert _reasons(trace, 1, 2, 3) == {1: ("header", None), 2: withdrawn, 3: withdrawn}


def test_what_is_said_again_names_where_it_was_said() -> None:
    said = "Sorting marks puts neighbours together, so zip pairs each left with its right."
    trace = _trace(
        "The widest_gap is what the task asks for, and best is where it is kept.",
        said,
        "Then max(best, right - left) runs over all of these pairs, 17 millimetres each.",
        f"So {said.lower()}",
        answer=PROGRAM,
    )
    assert _reasons(trace, 3) == {3: ("repeat", 1)}


def test_what_says_least_for_its_length_says_something_all_the_same() -> None:
    trace = _trace(
        "Sorting marks first puts neighbours together, so zip pairs each left with its right.",
        "Then max(best, right - left) keeps the widest_gap of all, times 17 at the very end.",
        "By the way, whoever hands in this list had better be careful with the word best, which "
        "is a name that many other people would give to something else on a Monday morning.",
        answer=PROGRAM,
    )
    assert _reasons(trace, 2) == {2: ("least_evidence", None)}


def test_doubt_without_withdrawal_leaves_a_passage_where_it_is() -> None:
    trace = _trace(
        "After marks.sort() every left and right are neighbours, and max keeps the best of all.",
        "Wait, is that so for two marks? Yes, zip then gives one pair of left and right.",
        "Okay.",
        "Fine, that looks good to me and nothing else comes to mind.",
        answer=PROGRAM,
    )
    assert _dropped(trace, _ratio_without(trace, 2, 3)) == {2, 3}


def test_a_plan_given_again_goes_before_the_plan() -> None:
    plan = (
        "- sort the marks so that neighbours stand together",
        "- walk through them with zip as left and right",
        "- keep the best right - left and return it times 17",
    )
    trace = _trace(
        "A gap is only a gap between neighbours, the task says.",
        "So the plan is:",
        *plan,
        "Reading is simple since marks come in one line of input.",
        "To sum up, the steps are:",
        *plan,
        answer=PROGRAM,
    )
    assert _dropped(trace, _ratio_without(trace, 6, 7, 8, 9)) == {6, 7, 8, 9}


QUESTION = """def f(word, n):
    parts = word.split('-')
    parts.insert(n, 'quay')
    return '+'.join(parts)
'harbour-mole-pier', 1"""


def test_a_value_answer_keeps_the_way_and_drops_the_second_way() -> None:
    trace = _trace(
        "word.split('-') makes ['harbour', 'mole', 'pier'] of 'harbour-mole-pier'.",
        "parts.insert with n = 1 puts 'quay' second: ['harbour', 'quay', 'mole', 'pier'].",
        "join with '+' then returns 'harbour+quay+mole+pier'.",
        "Let me check that once more, to be on the safe side of things.",
        "Splitting 'harbour-mole-pier' gives three parts, inserting makes four of them.",
        "Joining these four gives what was said before, so the output is 'harbour+quay+mole+pier'.",
        question=QUESTION,
        answer="'harbour+quay+mole+pier'",
    )
    assert _dropped(trace, _ratio_without(trace, 3, 4, 5)) == {3, 4, 5}
    assert "the answer itself" in list_evidence(trace)


def test_an_empty_answer_value_is_concluded_in_words() -> None:
    trace = _trace(
        "The loop takes the last letter off word until there is none.",
        "So the function returns an empty string.",
        "Hmm, the weather is fine and there is nothing else to be said today.",
        question="def f(word):\n    while word: word = word[:-1]\n    return word\n'ab'",
        answer="''",
    )
    assert _dropped(trace, _ratio_without(trace, 2)) == {2}


def test_a_header_stays_if_and_only_if_a_step_it_governs_stays() -> None:
    lines = [f"- marks[{i}] and marks[{i + 1}] are left and right, {i + 7}" for i in range(12)]
    trace = _trace(
        "First example:",
        "We go through it in order:",
        *lines,
        "So the steps are:",
        *(f"{i}. sort, zip and max over the gaps, part {i}" for i in range(1, 9)),
        answer=PROGRAM,
    )
    governed = governed_by_header(trace)
    assert len(governed) == 3
    for percent in range(5, 100, 5):
        gone = _dropped(trace, percent / 100)
        for header, steps in governed.items():
            assert (header in gone) == gone.issuperset(steps), percent


def test_evidence_is_what_the_answer_rests_on_the_rarest_first() -> None:
    trace = _trace(
        "Sort marks, then compare neighbours in marks.",
        "The gaps of marks count 17 millimetres each.",
        "So the code is:",
        PROGRAM,
        answer=PROGRAM,
    )
    assert list_evidence(trace) == ("17", "marks")


def test_an_answer_in_prose_without_evidence_still_runs_down_to_the_ratio() -> None:
    trace = _trace(
        *(f"Thought {word}." for word in ("one", "two", "three", "four", "five")), answer="Yes"
    )
    assert len(_dropped(trace, 0.4)) == 3


def test_a_trace_within_the_ratio_and_a_trace_of_one_step_stay_whole() -> None:
    trace = _trace("one two three", "four", answer="Yes")
    assert order_drops(trace, 1.0) == ()
    assert order_drops(_trace("one two three", answer="Yes"), 0.1) == ()


def test_of_two_steps_one_stays() -> None:
    trace = _trace("The result is 17 times the best gap.", "Well, fine.", answer=PROGRAM)
    assert _dropped(trace, 0.1) == {1}


def test_one_long_list_is_not_dropped_whole() -> None:
    trace = _trace("- sort the marks", "- zip left and right", "- the end", answer=PROGRAM)
    assert 0 < len(_dropped(trace, 0.7)) < 3


def test_token_counts_are_asked_for() -> None:
    trace = replace(_trace("one", "two", answer="Yes"), tokens=None)
    with pytest.raises(ValueError, match="count_tokens"):
        order_drops(trace, 0.5)


_PRINT_DROPS = """
from asap.prune.extract import find_drops
from asap.surprisal import FakeCounter
from asap.trace import Trace, count_tokens, segment_trace
steps = [f"Row {i % 7} holds {i * 7 % 31} marks, a gap of {i % 5}" for i in range(60)]
trace = segment_trace(Trace(0, "a", "", chr(10).join(s + chr(10) for s in steps), "marks[7] = 31"))
print(find_drops(count_tokens([trace], FakeCounter())[0], 0.3))
"""


def test_the_order_is_the_same_in_every_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", _PRINT_DROPS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop()) > 100


_STEPS = st.sampled_from(
    [
        "First example:",
        "Second sample:",
        "So the plan is:",
        "In code:",
        PROGRAM,
        "- sort the marks",
        "marks = 3, 9, 4",
        "best = 5, so the answer is 85.",
        "Wait, that's wrong.",
        "So the code works.",
        "zip pairs every left with its right in marks, and max keeps the best.",
        "    best = max(best, right - left)",
        "Let me think about the limits; n is 1000, which is small enough for sorting.",
        "Let me think about the limits; n is 1000, which is little enough for sorting.",
    ]
)


@given(
    st.lists(_STEPS, min_size=1, max_size=25),
    st.floats(min_value=0.05, max_value=1.0),
    st.sampled_from([PROGRAM, "85", "''", "Nothing of the kind."]),
)
@example([PROGRAM] * 9 + ["First example:"], 0.5, PROGRAM)
@example(
    [
        "best = 5, so the answer is 85.",
        "First example:",
        "zip pairs every left with its right in marks, and max keeps the best.",
        "zip pairs every left with its right in marks, and max keeps the best.",
        "marks = 3, 9, 4",
    ],
    0.5,
    "85",
)
def test_order_of_drops(steps: list[str], ratio: float, answer: str) -> None:
    trace = _count_words(segment_trace(Trace(0, "a", "", "\n\n".join(steps), answer)))
    assert trace.tokens is not None
    groups = order_drops(trace, ratio)
    reasons = find_drops(trace, ratio).reasons
    dropped = [i for group in groups for i in group]
    assert all(groups)
    assert len(dropped) == len(set(dropped)) < len(trace.steps)
    assert set(dropped) <= set(range(len(trace.steps)))
    assert set(reasons) == set(dropped)
    for reason in reasons.values():
        assert reason.name in STEP_REASONS
        about_a_step = reason.name in ("withdrawn", "second_pass", "repeat")
        assert (reason.step_index in range(len(trace.steps))) == about_a_step
    assert groups == order_drops(replace(trace, row=7, id="b"), ratio)
    gone = set(dropped)
    rest = trace.tokens.total - sum(trace.tokens.inner[i] for i in gone)
    if rest > max(1, int(ratio * trace.tokens.total + 1e-9)):
        kept = set(range(len(trace.steps))) - gone - set(governed_by_header(trace))
        assert any(kept <= set(passage.steps) for passage in find_passages(trace))  # one is left
    for header, governed in governed_by_header(trace).items():
        assert (header in gone) == gone.issuperset(governed)
