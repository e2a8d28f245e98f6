"""Answers are joined with problems by id, whatever their order."""

from __future__ import annotations

import pytest

from asap.bench import Solution, judge_canonical, judge_solutions
from asap.errors import InputError

N = 4


@pytest.fixture
def dataset(open_rows, humaneval_row):
    """Problem n asks for a function that returns n."""
    rows = [
        humaneval_row
        | {
            "task_id": f"HumanEval/{n}",
            "prompt": 'def number():\n    """ Which? """\n',
            "entry_point": "number",
            "canonical_solution": f"    return {n}\n",
            "test": f"def check(candidate):\n    assert candidate() == {n}\n",
        }
        for n in range(N)
    ]
    return open_rows("humaneval", rows)


def answer(problem, value, sample=0):
    text = None if value is None else f"def number():\n    return {value}\n"
    return Solution(f"HumanEval/{problem}", sample, text)


def outcomes(dataset, solutions, judge):
    judged = judge_solutions(dataset, solutions, judge)
    return {(s.id, s.sample): verdict.outcome for s, verdict in judged}


def test_trap_35_answers_in_any_order_meet_their_own_problems(dataset, judge):
    """The paper's code puts cached rows first, files answers by index and joins them by position:
    after a resume right answers fail, and wrong ones may pass.
    """
    right = [answer(n, n) for n in range(N)]
    for order in ([3, 0, 1, 2], [2, 3, 1, 0], [0, 1, 2, 3]):
        judged = outcomes(dataset, [right[n] for n in order], judge)
        assert judged == {(f"HumanEval/{n}", 0): "passed" for n in range(N)}
    wrong = [answer(n, (n + 1) % N) for n in range(N)]
    assert set(outcomes(dataset, wrong, judge).values()) == {"wrong_answer"}


def test_trap_35_a_part_of_the_answers_is_judged_alone(dataset, judge):
    """As after a kill: all finished, some finished, none."""
    assert outcomes(dataset, [answer(2, 2)], judge) == {("HumanEval/2", 0): "passed"}
    assert outcomes(dataset, [], judge) == {}


def test_every_sample_has_its_own_verdict(dataset, judge):
    solutions = [answer(1, 1), answer(0, 9), answer(1, 8, sample=1), answer(1, None, sample=2)]
    assert outcomes(dataset, solutions, judge) == {
        ("HumanEval/1", 0): "passed",
        ("HumanEval/1", 1): "wrong_answer",
        ("HumanEval/1", 2): "no_answer",
        ("HumanEval/0", 0): "wrong_answer",
    }


def test_a_response_without_an_answer_never_reaches_the_judge(dataset):
    class NoJudge:
        def judge(self, pairs):
            assert list(pairs) == []
            return iter(())

    ((_, verdict),) = judge_solutions(dataset, [answer(0, None)], NoJudge())
    assert (verdict.outcome, verdict.test_index, verdict.cpu_s) == ("no_answer", None, 0.0)


def test_verdicts_meet_their_solutions_where_the_judge_reads_ahead(dataset, judge):
    class ReadsAhead:
        def judge(self, pairs):
            return judge.judge(list(pairs))

    solutions = [answer(n, n if n % 2 else -1) for n in reversed(range(N))]
    assert outcomes(dataset, solutions, ReadsAhead()) == {
        (f"HumanEval/{n}", 0): "passed" if n % 2 else "wrong_answer" for n in range(N)
    }


def test_an_answer_to_no_question_is_refused(dataset, judge):
    with pytest.raises(InputError, match=r"humaneval has no problem 'HumanEval/9'"):
        outcomes(dataset, [answer(9, 9)], judge)


def test_two_answers_of_one_name_are_refused(dataset, judge):
    with pytest.raises(InputError, match=r"sample 0 of 'HumanEval/1' comes twice"):
        outcomes(dataset, [answer(1, 1), answer(1, 2)], judge)


def test_the_ceiling_is_that_of_the_canonical_solutions(dataset, judge):
    verdicts = judge_canonical(dataset, judge)
    assert list(verdicts) == [f"HumanEval/{n}" for n in range(N)]
    assert {verdict.outcome for verdict in verdicts.values()} == {"passed"}


def test_limits_by_id_take_the_place_of_the_problems_own(dataset):
    limits = {}

    class Notes:
        def judge(self, pairs):
            limits.update({problem.id: problem.cpu_limit_s for problem, _ in pairs})
            return iter(())

    solutions = [answer(0, 0), answer(1, 1)]
    list(judge_solutions(dataset, solutions, Notes(), {"HumanEval/1": 12.5}))
    assert limits == {"HumanEval/0": None, "HumanEval/1": 12.5}
    judge_canonical(dataset, Notes())
    assert min(limits.values()) >= 240  # the slowest of LeetCodeDataset took 58 s under load
