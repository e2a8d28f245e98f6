"""Two arms on the same problems, by hand."""

from __future__ import annotations

import pytest

from asap.bench import Completion, Graded, compare_arms
from asap.errors import InputError
from asap.judge import Verdict


def graded(id, is_passed, n_tokens=10, sample=0, total_s=1.0):
    completion = Completion(
        "humaneval", id, sample, 6144, None, None, "", n_tokens, "stop", 0.1, total_s
    )
    return Graded(completion, Verdict("passed" if is_passed else "wrong_answer", None, "", 0.1))


def run(passed, tokens=None):
    counts = tokens or [10] * len(passed)
    return [graded(f"p{n}", passed[n], counts[n]) for n in range(len(passed))]


def test_two_single_runs():
    first = run([True] * 9 + [False], tokens=[100, 200, 300, 400, 500, 600, 70, 80, 90, 100])
    second = run([False] * 8 + [True] * 2, tokens=[110, 220, 330, 440, 550, 660, 77, 88, 99, 110])
    compared = compare_arms([first], [list(reversed(second))])
    assert compared.n_problems == 10
    assert compared.accuracy.estimate == pytest.approx(0.7)
    assert compared.accuracy.low < 0.7 < compared.accuracy.high
    # 8 against 1: 2·(1 + 9) / 2^9.
    assert compared.mcnemar_p == 20 / 512
    assert compared.smallest_accuracy >= 0.6
    # Every problem is shorter by a tenth: all ranks negative, 2 of 2^10 sign patterns.
    assert compared.tokens.mean.estimate == pytest.approx(-24.4)
    assert (compared.tokens.test.statistic, compared.tokens.test.p_value) == (0.0, 2 / 1024)
    assert compared.common_tokens.n_problems == 1
    assert (compared.common_tokens.first, compared.common_tokens.second) == (90, 99)
    assert compared.seconds is not None
    assert compared.seconds.test.n_zeros == 10


def test_two_arms_that_are_one_and_the_same():
    arm = run([True, False, True] * 20)
    compared = compare_arms([arm], [arm])
    assert (compared.accuracy.estimate, compared.accuracy.low, compared.accuracy.high) == (0, 0, 0)
    assert compared.mcnemar_p == 1.0
    assert compared.smallest_accuracy == 6 / 60
    assert compared.tokens.test.p_value == 1.0


def test_seeds_are_averaged_per_problem_and_drawn_per_arm():
    first = [run([True, True], [10, 10]), run([False, False], [30, 30])]
    second = [run([True, False], [20, 20])]
    compared = compare_arms(first, second)
    assert compared.mcnemar_p is None
    assert compared.accuracy.estimate == 0.0
    # Two equal seeds of the first arm: 0 or 1; two equal problems of the second: 0 or 1.
    assert (compared.accuracy.low, compared.accuracy.high) == (-1.0, 1.0)
    assert compared.tokens.mean.estimate == 0.0
    assert compared.tokens.test.n_zeros == 2


def test_samples_are_averaged_per_problem():
    first = [graded("p0", True, 10), graded("p0", False, 30, sample=1), graded("p1", True, 20)]
    second = [graded("p0", False, 20), graded("p1", True, 20)]
    compared = compare_arms([first], [second])
    assert compared.mcnemar_p is None
    assert compared.accuracy.estimate == 0.25
    # (1.959964 + 0.841621) times the standard error of {0.5, 0}, which is 0.25.
    assert compared.smallest_accuracy == pytest.approx(0.700396, abs=1e-6)
    assert compared.tokens.mean.estimate == 0.0


def test_times_are_compared_only_where_there_are_times():
    first = [graded("p0", True, total_s=1.0), graded("p1", True, total_s=2.0)]
    second = [graded("p0", True, total_s=4.0), graded("p1", True, total_s=6.0)]
    compared = compare_arms([first], [second])
    assert compared.seconds is not None
    assert compared.seconds.mean.estimate == -3.5
    cut = [graded("p0", True, total_s=None), graded("p1", True, total_s=2.0)]
    assert compare_arms([first], [cut]).seconds is None


def test_runs_on_other_problems_are_refused():
    with pytest.raises(InputError, match=r"do not answer the same problems: 1 .* p2"):
        compare_arms([run([True, True, True])], [run([True, True])])
    with pytest.raises(InputError, match="nothing to compare"):
        compare_arms([[]], [[]])
