"""Arms, scores and differences, worked out by hand."""

from __future__ import annotations

import pytest

from asap.bench import compare_runs, gather_arms, open_eval_run, say_budget
from asap.errors import InputError


@pytest.fixture
def open_arms(tmp_path, write_eval_run):
    """Arms of (label, results) pairs, one folder each."""

    def open_all(*runs, **report):
        opened = []
        for n, (label, results) in enumerate(runs):
            run = open_eval_run(write_eval_run(tmp_path / str(n), label, results, **report))
            opened.append((run.label, run))
        return gather_arms(opened)

    return open_all


def problems(passed, tokens=10, seconds=None):
    return [(f"p{n}", letter == "x", tokens, seconds) for n, letter in enumerate(passed)]


def test_the_score_of_one_run(open_arms):
    rows = [("a", True, 100, 1.0), ("b", False, 300, 2.0), ("c", True, 200, 6.0)]
    results = compare_runs(open_arms(("A", {"humaneval": {6144: rows}})))
    score = results.scores["humaneval", 6144, "A"]
    assert score.metrics.pass_at_1.estimate == 2 / 3
    assert score.metrics.tokens.estimate == 200
    assert score.request_s == 3.0
    assert (score.latency.amortised_s, score.latency.median_s, score.latency.p95_s) == (3.0, 7, 9)
    assert (score.ceiling.n_passed, score.ceiling.n_problems) == (3, 4)
    assert (results.baseline, results.differences) == ("A", {})


def test_seeds_are_one_arm(open_arms):
    first = {"humaneval": {6144: problems("xx", 10, 1.0)}}
    second = {"humaneval": {6144: problems("..", 30, 5.0)}}
    arms = open_arms(("A", first), ("A", second))
    score = compare_runs(arms).scores["humaneval", 6144, "A"]
    assert score.metrics.n_samples == 4
    # Problems are alike, seeds are not: drawing seeds gives 0, 1/2 and 1.
    interval = score.metrics.pass_at_1
    assert (interval.low, interval.estimate, interval.high) == (0.0, 0.5, 1.0)
    interval = score.metrics.tokens
    assert (interval.low, interval.estimate, interval.high) == (10, 20, 30)
    assert (score.latency.amortised_s, score.request_s) == (3.0, 3.0)


def test_p_values_are_adjusted_over_the_arms(open_arms):
    results = compare_runs(
        open_arms(
            ("base", {"humaneval": {6144: problems("..........", 100)}}),
            ("eight", {"humaneval": {6144: problems("xxxxxxxx..", 90)}}),
            ("six", {"humaneval": {6144: problems("xxxxxx....", 100)}}),
        )
    )
    eight, six = (results.differences["humaneval", arm] for arm in ("eight", "six"))
    assert (eight.comparison.mcnemar_p, six.comparison.mcnemar_p) == (2 / 2**8, 2 / 2**6)
    assert (eight.mcnemar_p, six.mcnemar_p) == (4 / 2**8, 2 / 2**6)
    # Ten problems, each shorter by ten tokens: 2 of 2^10 sign patterns.
    assert eight.tokens_p == 4 / 2**10
    assert six.tokens_p == 1.0
    assert eight.seconds_p is None
    assert eight.comparison.accuracy.estimate == pytest.approx(0.8)
    assert eight.comparison.tokens.mean.estimate == -10


def test_the_baseline_can_be_any_arm(open_arms):
    arms = open_arms(
        ("A", {"humaneval": {6144: problems("xx")}}), ("B", {"humaneval": {6144: problems("x.")}})
    )
    results = compare_runs(arms, "B")
    assert results.arms == ("A", "B")
    assert list(results.differences) == [("humaneval", "A")]
    assert results.differences["humaneval", "A"].comparison.accuracy.estimate == 0.5
    with pytest.raises(InputError, match="no arm 'C' to be the baseline, only A, B"):
        compare_runs(arms, "C")


def test_what_an_arm_lacks_is_said(open_arms):
    rows = problems("xx")
    results = compare_runs(
        open_arms(
            ("A", {"humaneval": {2048: rows, 4096: rows, 6144: rows}}),
            ("B", {"humaneval": {2048: rows, 4096: rows}, "cruxeval": {1000: rows}}),
        )
    )
    assert results.budgets == {"humaneval": (2048, 4096, 6144), "cruxeval": (1000,)}
    assert results.common_budget == {"humaneval": 4096, "cruxeval": 1000}
    assert set(results.differences) == {("humaneval", "B")}
    assert results.notes["humaneval"] == ("humaneval under 6k is not in B",)
    assert results.notes["cruxeval"] == (
        "cruxeval is not in A",
        "cruxeval has no differences: the baseline A lacks it",
    )


def test_budgets_that_nobody_shares(open_arms):
    rows = problems("xx")
    results = compare_runs(
        open_arms(("A", {"humaneval": {2048: rows}}), ("B", {"humaneval": {4096: rows}}))
    )
    assert results.common_budget == {}
    assert "humaneval has no budget that all arms share" in results.notes["humaneval"]


def test_runs_that_cannot_be_compared(open_arms):
    arms = open_arms(
        ("A", {"humaneval": {6144: problems("xx")}}), ("B", {"humaneval": {6144: problems("xxx")}})
    )
    with pytest.raises(InputError, match=r"humaneval under 6144 tokens: .* same problems: 1 .* p2"):
        compare_runs(arms)
    with pytest.raises(InputError, match="is named twice"):
        gather_arms([("A", arms[0].runs[0]), ("A", arms[0].runs[0])])


def test_other_rules_of_grading_are_said(tmp_path, write_eval_run):
    results = {"humaneval": {6144: problems("xx")}}
    one = open_eval_run(write_eval_run(tmp_path / "1", "A", results))
    other = open_eval_run(write_eval_run(tmp_path / "2", "B", results, timing="paper"))
    (line,) = compare_runs(gather_arms([("A", one), ("B", other)])).differing_rules
    assert line == "the runs were not made alike: timing is paper or robust"


def test_budgets_in_words():
    assert [say_budget(n) for n in (1024, 6144, 10240, 1000)] == ["1k", "6k", "10k", "1,000"]
