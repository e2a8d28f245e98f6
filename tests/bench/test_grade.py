"""Answers are joined with problems by id, whatever their order."""

from __future__ import annotations

import pyarrow as pa
import pytest

from asap.bench import Solution, judge_canonical, judge_solutions, read_solutions, scale_limits
from asap.errors import InputError
from asap.judge import CallProblem, Judge, StdioProblem, Verdict

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


def test_the_ceiling_of_some_problems_only(dataset, judge):
    told = []
    verdicts = judge_canonical(dataset, judge, {"HumanEval/2", "HumanEval/0"}, told.append)
    assert list(verdicts) == ["HumanEval/0", "HumanEval/2"]
    assert told == list(verdicts.values())


def test_a_limit_is_four_times_the_canonical_solutions_where_that_is_more(dataset):
    """The default is 10 s of CPU time."""
    verdicts = {
        "HumanEval/0": Verdict("passed", None, "", 2.4),
        "HumanEval/1": Verdict("passed", None, "", 3.0),
        "HumanEval/2": Verdict("timed_out", 0, "", 300.0),
    }
    assert scale_limits(dataset, verdicts) == {"HumanEval/1": 12.0}
    assert scale_limits(dataset, {}) == {}


def test_a_problems_own_limit_stands_where_it_is_the_larger():
    class Problems:
        def problems(self, ids):
            assert set(ids) == {"a", "b", "c"}
            yield CallProblem("a", "", "f", "", cpu_limit_s=20.0)
            yield CallProblem("b", "", "f", "", cpu_limit_s=0.5)
            yield StdioProblem("c", "", ("",), ("",))  # 6 s

    verdicts = {
        "a": Verdict("passed", None, "", 4.0),
        "b": Verdict("passed", None, "", 1.0),
        "c": Verdict("passed", None, "", 2.0),
    }
    assert scale_limits(Problems(), verdicts) == {"b": 4.0, "c": 8.0}


def test_a_scaled_limit_is_what_the_judge_goes_by(open_rows, humaneval_row, judge):
    burn = "import time\n    while time.process_time() < 0.2: pass"
    humaneval_row |= {
        "prompt": 'def number():\n    """ Which? """\n',
        "entry_point": "number",
        "canonical_solution": f"    {burn}\n    return 1\n",
        "test": "def check(candidate):\n    assert candidate() == 1\n",
    }
    slow = open_rows("humaneval", [humaneval_row])
    solution = Solution("HumanEval/900", 0, f"def number():\n    {burn}\n    return 1\n")

    def judged(judge, limit_s):
        ((_, verdict),) = judge_solutions(slow, [solution], judge, {"HumanEval/900": limit_s})
        return verdict.outcome

    assert judged(judge, 0.1) == "timed_out"
    assert judged(judge, 4 * judge_canonical(slow, judge)["HumanEval/900"].cpu_s) == "passed"
    with Judge(timing="paper") as paper:  # where nothing but wall time counts
        assert judged(paper, 0.1) == "passed"


def test_solutions_are_read_from_lines(tmp_path):
    path = tmp_path / "solutions.jsonl"
    path.write_text(
        '{"id": "a", "solution": "x = 1", "model": "m"}\n\n'
        '{"id": "a", "sample": 1, "solution": null}\n',
        encoding="utf-8",
    )
    assert read_solutions(path) == [Solution("a", 0, "x = 1"), Solution("a", 1, None)]


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_solutions_may_be_compressed(tmp_path, name):
    path = tmp_path / "solutions"
    with pa.CompressedOutputStream(str(path), name) as stream:
        stream.write(b'{"id": "a", "solution": "x"}\n' * 2)
    assert read_solutions(path) == [Solution("a", 0, "x")] * 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2 is no JSON: "),
        ("[1]", "line 2 is no JSON object"),
        ('{"solution": "x"}', "line 2 is no solution: 'id': Field required"),
        ('{"id": "a"}', "line 2 is no solution: 'solution': Field required"),
        ('{"id": 1, "solution": "x"}', "line 2 is no solution: 'id': Input should be a valid s"),
        ('{"id": "a", "sample": -1, "solution": "x"}', "line 2 is no solution: 'sample': Input"),
        ('{"id": "a", "sample": true, "solution": "x"}', "line 2 is no solution: 'sample': Input"),
        ('{"id": "a", "solution": ["x"]}', "line 2 is no solution: 'solution': Input should be"),
    ],
)
def test_a_line_that_is_no_solution_is_named(tmp_path, line, reason):
    path = tmp_path / "solutions.jsonl"
    path.write_text(f'{{"id": "a", "solution": "x"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_solutions(path)
    assert str(caught.value).startswith(f"{path}, {reason}")
    assert "\n" not in str(caught.value)


def test_a_file_without_solutions_is_refused(tmp_path):
    path = tmp_path / "solutions.jsonl"
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no solutions"):
        read_solutions(path)
    with pytest.raises(InputError, match=r"absent.jsonl cannot be read: No such file"):
        read_solutions(tmp_path / "absent.jsonl")
