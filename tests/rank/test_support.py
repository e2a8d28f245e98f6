"""Answer support: what the scorer is asked, and the sign of the value."""

from __future__ import annotations

import pytest

from asap.rank import KeptText, answer_support, read_support, support_requests
from asap.surprisal import FakeScorer, ScoreRequest, Statistic, StepScores
from asap.trace import Trace

DRAFT = "total = a + b\nprint(total)"
ANSWER = f"```python\n{DRAFT}\n```"
THINKING = f"First.\n\n{DRAFT}\n\nSecond."
TRACE = Trace(0, "a", "Add.", THINKING, ANSWER)
FIRST = KeptText("First.", ((0, 6),))
FIRST_AND_DRAFT = KeptText(f"First.\n\n{DRAFT}", ((0, 6), (8, 8 + len(DRAFT))))
NEW = KeptText(f"Anew.\n\n{DRAFT}", None)


class LengthScorer(FakeScorer):
    """The NLL of a step is 100 less the characters before it."""

    def score(
        self,
        requests: object,
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        assert isinstance(requests, list)
        assert statistics == {"mean_nll"}
        return [
            StepScores((0,), (0,), ("",), (), mean_nll=(100.0 - request.steps[0].start,))
            for request in requests
        ]


def test_the_answer_is_scored_after_each_thinking_without_drafts() -> None:
    requests = support_requests(TRACE, [FIRST, FIRST_AND_DRAFT, NEW])
    thinkings = ["First.\n\nSecond.", "First.", "First.", "Anew."]
    for request, thinking in zip(requests, thinkings, strict=True):
        [step] = request.steps
        assert request.question == "Add."
        assert request.thinking[step.start : step.end] == ANSWER
        assert request.thinking[: step.start] == f"{thinking}\n</think>\n"


def test_dearer_is_less_support() -> None:
    def score(nll: float) -> StepScores:
        return StepScores((0,), (0,), ("",), (), mean_nll=(nll,))

    assert read_support([score(1.5), score(2.0), score(1.5), score(1.0)]) == [-0.5, 0.0, 0.5]


def test_many_traces_go_in_one_batch() -> None:
    whole = KeptText(THINKING, ((0, len(THINKING)),))
    blank = Trace(1, "b", "", "Hm.", " ")
    items = [(TRACE, [whole, FIRST]), (blank, [FIRST]), (TRACE, [])]
    # "First." is nine characters shorter than "First.\n\nSecond."
    assert answer_support(LengthScorer(), items) == [[0.0, -9.0], [None], []]


def test_a_scorer_takes_the_requests_as_they_are() -> None:
    [[value]] = answer_support(FakeScorer(), [(TRACE, [FIRST])])
    assert value == pytest.approx(0)  # the fake looks at the step's own text alone


def test_requests_are_plain_values() -> None:
    assert all(isinstance(each, ScoreRequest) for each in support_requests(TRACE, [FIRST]))
