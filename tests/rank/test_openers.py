"""The words a trace's own steps begin with."""

from __future__ import annotations

import pytest

from asap.rank.openers import Opener, find_openers, strip_opener
from asap.trace import Trace, segment_trace


def test_openers_are_the_trace_s_own() -> None:
    steps = [
        "Okay, let's see. The task is clear.",
        "Wait, the sum is 4.",
        "So the sum is 4.",
        "So far so good.",  # no opener: `So far` is the beginning of a phrase
        "Let me check again: 1 and 3.",
        "Wait, that is all.",
        "The end.",
    ]
    trace = segment_trace(Trace(0, "a", "", "\n\n".join(steps), ""))
    texts = [opener.text for opener in find_openers(trace)]
    assert texts == ["Okay, let's see.", "Wait,", "So", "Let me check again.", "Wait,"]


@pytest.mark.parametrize(
    ("opener", "text", "expected", "family"),
    [
        ("", "So the sum is 4.", "So the sum is 4.", ""),
        ("Wait,", "So the sum is 4.", "Wait, the sum is 4.", "wait"),
        ("Hmm.", "Wait, but the sum is 4.", "Hmm. The sum is 4.", "hmm"),
        ("So", "The sum is 4.", "So the sum is 4.", "so"),
        ("So", "Alice has 4.", "So Alice has 4.", "so"),  # a name keeps its capital
        ("But wait,", "n is 4.", "But wait, n is 4.", "but wait"),
        ("Let me check.", "n is 4.", "Let me check. n is 4.", "let me"),  # and so does a variable
    ],
)
def test_an_opener_replaces_the_step_s_own(
    opener: str, text: str, expected: str, family: str
) -> None:
    assert Opener(opener).begin(text) == expected
    assert Opener(opener).family == family


def test_all_opening_words_are_stripped() -> None:
    assert strip_opener("Wait, no. But the sum is 4.") == "the sum is 4."
    assert strip_opener("The sum is 4.") == "The sum is 4."
