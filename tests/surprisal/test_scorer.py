"""What every scorer keeps to: one suite for the fake and for models of several kinds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asap.surprisal import (
    FakeScorer,
    ScoreRequest,
    StepScorer,
    load_scorer,
    open_server_scorer,
)
from asap.trace import Step


@pytest.fixture(params=["fake", "llama", "qwen2", "gemma2", "server"])
def scorer(
    request: pytest.FixtureRequest, model_folder: Callable[[str], Path]
) -> Iterator[StepScorer]:
    if request.param == "fake":
        yield FakeScorer()
    elif request.param == "server":
        server = request.getfixturevalue("fault_server")
        request.getfixturevalue("scoring_server")(model_folder("llama"), length=97)
        with open_server_scorer(server.url, str(model_folder("llama"))) as opened:
            yield opened
    else:
        yield load_scorer(str(model_folder(request.param)), dtype="fp32", device="cpu", window=96)


def test_one_value_per_step_in_order(scorer: StepScorer, requests: list[ScoreRequest]) -> None:
    found = scorer.score(requests, scorer.statistics)
    assert len(found) == len(requests)
    for request, scores in zip(requests, found, strict=True):
        for name in (
            "first_token_index",
            "first_token_id",
            "first_token",
            *sorted(scorer.statistics),
        ):
            assert len(getattr(scores, name)) == len(request.steps), name
        assert list(scores.first_token_index) == sorted(scores.first_token_index)
        values = [*scores.surprisal, *scores.mean_nll, *scores.sum_nll, *scores.sum_entropy]
        assert all(math.isfinite(value) and value >= 0 for value in values)
        assert all(
            mean <= total + 1e-6
            for mean, total in zip(scores.mean_nll, scores.sum_nll, strict=True)
        )


def test_surprisal_alone_by_default(scorer: StepScorer, requests: list[ScoreRequest]) -> None:
    (scores,) = scorer.score(requests[:1])
    assert len(scores.surprisal) == len(requests[0].steps)
    assert (scores.mean_nll, scores.sum_nll) == ((), ())
    assert (scores.first_entropy, scores.sum_entropy) == ((), ())


def test_twice_the_same(scorer: StepScorer, requests: list[ScoreRequest]) -> None:
    asked = scorer.statistics
    assert scorer.score(requests, asked) == scorer.score(requests, asked)


def test_requests_do_not_see_each_other(scorer: StepScorer, requests: list[ScoreRequest]) -> None:
    together = scorer.score(requests)
    for request, scores in zip(requests, together, strict=True):
        assert scorer.score([request])[0].surprisal == pytest.approx(scores.surprisal, abs=1e-3)


def test_no_requests_and_no_steps(scorer: StepScorer) -> None:
    assert scorer.score([]) == []
    (scores,) = scorer.score([ScoreRequest("a question", "Some thinking.", ())])
    assert scores.surprisal == ()


def test_only_some_steps(scorer: StepScorer, requests: list[ScoreRequest]) -> None:
    request = requests[0]
    some = ScoreRequest(request.question, request.thinking, request.steps[1::2])
    (all_scores,), (scores,) = scorer.score([request]), scorer.score([some])
    assert scores.surprisal == pytest.approx(all_scores.surprisal[1::2], abs=1e-3)
    assert scores.first_token_index == all_scores.first_token_index[1::2]


def test_it_has_a_name(scorer: StepScorer) -> None:
    assert scorer.name


def test_the_fake_counts_and_takes_a_function() -> None:
    scorer = FakeScorer(lambda text: float(len(text)), name="lengths")
    steps = (Step(0, 2), Step(4, 9))
    (scores,) = scorer.score([ScoreRequest("", "ab\n\ncdefg", steps)])
    assert scores.surprisal == (2.0, 5.0)
    # "<think>" is three tokens; the line end goes with "ab"
    assert scores.first_token_index == (3, 4)
    assert scores.first_token == ("\nab", "\n\ncdefg")
    assert (scorer.n_calls, scorer.n_requests, scorer.name) == (1, 1, "lengths")


def test_the_fake_ties_on_repeats() -> None:
    steps = (Step(0, 5), Step(7, 12), Step(14, 16))
    (scores,) = FakeScorer().score([ScoreRequest("", "Wait.\n\nWait.\n\nNo", steps)])
    assert scores.surprisal[0] == scores.surprisal[1] != scores.surprisal[2]
