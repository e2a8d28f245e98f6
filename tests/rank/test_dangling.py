"""Dangling references on a thinking of four steps whose mentions were counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.rank import KeptText, dangling_rate, find_references, list_dangling
from asap.trace import Trace, segment_trace

STEPS = [
    "We have max_sum = 40 and the list [3, 25] for 99.",  # max_sum, 40, [3,25], 25, 99
    "Then max_sum grows to 65 for 'abc'.",  # max_sum, 65, 'abc'
    "So max_sum is 65, not 40, for 'abc' and 99.",  # max_sum, 65, 40, 'abc', 99
    "Now max_sum = 7, so it's at 3 in the end.",  # max_sum, given a value anew
]
TRACE = segment_trace(Trace(0, "a", "What is 99?", "\n\n".join(STEPS), "7"))


def keep(trace: Trace, *steps: int) -> KeptText:
    spans = tuple((trace.steps[i].start, trace.steps[i].end) for i in steps)
    return KeptText("\n\n".join(trace.text(i) for i in steps), spans)


@pytest.mark.parametrize(
    ("steps", "dangling", "rate"),
    [
        ((0, 1, 2, 3), (), 0),
        ((0,), (), 0),
        ((1,), ("max_sum",), 1 / 3),
        ((2,), ("max_sum", "65", "40", "'abc'"), 4 / 5),  # the question mentions 99
        ((3,), (), 0),
        ((0, 2), ("65", "'abc'"), 2 / 7),  # max_sum, 40, [3,25], 25, 65, 'abc', 99
        ((2, 3), ("max_sum", "65", "40", "'abc'"), 4 / 5),  # given a value after the first mention
    ],
)
def test_what_dangles(steps: tuple[int, ...], dangling: tuple[str, ...], rate: float) -> None:
    references = find_references(TRACE)
    assert list_dangling(references, keep(TRACE, *steps)) == dangling
    assert dangling_rate(references, keep(TRACE, *steps)) == pytest.approx(rate)


def test_nothing_can_be_said_of_new_text_and_of_none() -> None:
    references = find_references(TRACE)
    assert dangling_rate(references, KeptText("max_sum", None)) is None
    assert list_dangling(references, KeptText("max_sum", None)) is None
    assert dangling_rate(references, KeptText("", ())) is None


def test_a_mention_cut_in_two_is_none() -> None:
    references = find_references(TRACE)
    start = TRACE.thinking.index("max_sum")
    assert dangling_rate(references, KeptText("max", ((start, start + 3),))) is None
    whole = KeptText("max_sum", ((start, start + 3), (start + 3, start + 7)))
    assert dangling_rate(references, whole) == 0


@pytest.mark.parametrize(
    ("thinking", "names"),
    [
        ("The result is good at 5.", ()),  # a word, nothing is assigned to it
        ("result = 5\n\nThe result is good", ("result",)),
        ("for i, x in pairs: use i", ("i", "x")),
        ("For example, n = 12 here, as follows", ("n", "12")),
        ("a = 5, I mean a list", ()),  # an article, a pronoun
        ("At index 3, it's 's' and isn't 3", ()),  # one character, one digit
        ("at2 is x1 or dp_table or maxSum", ("x1", "dp_table", "maxSum")),
        ("print(sum(a[12])) of 3.5", ("12", "3.5")),
        ('Take "ab c" and [1, 2] and [i]', ("ab c", "[1,2]")),
        # never from one quote's end to the next one's beginning
        ("the '+' sign. So 'x' comes", ()),
        ("a ' here and a ' there", ()),
    ],
)
def test_what_is_a_reference(thinking: str, names: tuple[str, ...]) -> None:
    found = find_references(Trace(0, "a", "", thinking, "")).names
    assert found == tuple("'abc'" if name == "ab c" else name for name in names)


WORDS = st.sampled_from(
    ["x_1", "x_1 = 3", "77", "the", "'ab'", "12.5", "count = 1", "count", "\n\n"]
)


@given(st.lists(WORDS, min_size=1, max_size=30), st.data())
def test_the_whole_and_every_beginning_of_it_dangle_nowhere(
    words: list[str], data: st.DataObject
) -> None:
    trace = Trace(0, "a", "", " ".join(words), "")
    references = find_references(trace)
    end = data.draw(st.integers(0, len(trace.thinking)))
    for stop in (end, len(trace.thinking)):
        assert not dangling_rate(references, KeptText(trace.thinking[:stop], ((0, stop),)))
