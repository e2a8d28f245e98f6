"""LiveCodeBench, on problems of our own in its exact format: programs, methods, shards, errata."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
import zlib

import pytest

from asap.bench import open_benchmark
from asap.errors import InputError


def pack(tests):
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def as_tests(pairs, testtype):
    return [{"input": i, "output": o, "testtype": testtype} for i, o in pairs]


def program_row(**changes):
    """Sum of the numbers on a line."""
    public = as_tests([("1 2\n", "3\n")], "stdin")
    private = as_tests([("4 5 6\n", "15\n"), ("0\n", "0\n")], "stdin")
    return {
        "question_title": "Sum",
        "question_content": "Print the sum of the numbers on the line.",
        "platform": "atcoder",
        "question_id": "abc900_a",
        "contest_id": "abc900",
        "contest_date": "2024-01-06T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(public),
        "private_test_cases": pack(private),
        "metadata": "{}",
    } | changes


def method_row(public, private, **changes):
    return program_row(
        question_title="pairs-of-numbers",
        platform="leetcode",
        question_id="9001",
        starter_code="class Solution:\n    def pair(self, a: int, b: int) -> List[int]:\n        ",
        public_test_cases=json.dumps(as_tests(public, "functional")),
        private_test_cases=pack(as_tests(private, "functional")),
        metadata=json.dumps({"func_name": "pair"}),
        **changes,
    )


PAIRS = ([("1\n2", "[1, 2]")], [("3\n[4]", "[3, [4]]"), ('"x"\nnull', '["x", null]')])


def method(body, name="pair", head="class Solution:\n    def {}(self, a, b):\n        {}\n"):
    return head.format(name, body)


def test_a_program_reads_and_prints(open_rows, verdict_of):
    dataset = open_rows("livecodebench:v1", [program_row()])
    (problem,) = dataset.problems()
    assert (problem.id, problem.inputs, problem.outputs) == (
        "abc900_a",
        ("1 2\n", "4 5 6\n", "0\n"),
        ("3\n", "15\n", "0\n"),
    )
    assert problem.cpu_limit_s == 6.0
    assert verdict_of(dataset, "print(sum(map(int, input().split())))").outcome == "passed"
    assert verdict_of(dataset, "print(3)").outcome == "wrong_answer"


def test_private_tests_may_be_plain_json(open_rows):
    plain = json.dumps(as_tests([("7\n", "7\n")], "stdin"))
    (problem,) = open_rows("livecodebench:v1", [program_row(private_test_cases=plain)]).problems()
    assert problem.inputs == ("1 2\n", "7\n")


@pytest.mark.parametrize(
    ("solution", "outcome"),
    [
        (method("return [a, b]"), "passed"),
        # A tuple at the top is a list, one further down is not.
        (method("return (a, b)"), "passed"),
        (method("return (a, tuple(b) if isinstance(b, list) else b)"), "wrong_answer"),
        (method("return {0: a, 1: b}"), "wrong_answer"),
        (method("return [a, a]"), "wrong_answer"),
        # Not a class: upstream takes the function of the module.
        ("def pair(a, b):\n    return [a, b]\n", "passed"),
        (method("return [a, b]", name="other"), "no_answer"),
        (method("raise SystemError"), "runtime_error"),
        # One object for all tests.
        (
            "class Solution:\n    n = 0\n    def pair(self, a, b):\n        self.n += 1\n"
            "        return [a, b] if self.n < 3 else []\n",
            "wrong_answer",
        ),
        # Upstream's star imports stand before every solution.
        (method("return list(chain([a], [b])) if gcd(4, 6) == 2 else []"), "passed"),
        (
            "class Solution:\n    def pair(self, a: int, b: int) -> List[int]: return [a, b]\n",
            "passed",
        ),
    ],
)
def test_a_method_is_called(open_rows, verdict_of, solution, outcome):
    dataset = open_rows("livecodebench:v1", [method_row(*PAIRS)])
    assert verdict_of(dataset, solution).outcome == outcome


@pytest.mark.parametrize(
    ("expected", "returned", "outcome"),
    [
        ("1", "True", "passed"),
        ("1", "1.0", "passed"),
        ("0.3", "0.1 + 0.2", "wrong_answer"),
        ("[[1]]", "[(1,)]", "wrong_answer"),
        ("[1]", "{1}", "wrong_answer"),
        ("null", "None", "passed"),
        ('"ab"', "'ab'", "passed"),
    ],
)
def test_functional_comparison_is_upstreams(open_rows, verdict_of, expected, returned, outcome):
    dataset = open_rows("livecodebench:v1", [method_row([("1\n2", expected)], [])])
    assert verdict_of(dataset, method(f"return {returned}")).outcome == outcome


def test_each_functional_test_has_upstreams_six_seconds(open_rows):
    (problem,) = open_rows("livecodebench:v1", [method_row(*PAIRS)]).problems()
    # Three tests, and what the solution runs before them.
    assert (problem.call_limit_s, problem.cpu_limit_s) == (6.0, 24.0)
    (problem,) = open_rows("livecodebench:v1", [method_row(PAIRS[0] * 100, [])]).problems()
    assert (problem.call_limit_s, problem.cpu_limit_s) == (6.0, 300.0)


def test_a_wrong_output_is_told_in_its_own_words(open_rows, verdict_of):
    dataset = open_rows("livecodebench:v1", [method_row(*PAIRS)])
    verdict = verdict_of(dataset, method("return [a, a]"))
    assert (verdict.test_index, verdict.message) == (0, "input 0: [1, 1] instead of [1, 2]")


def test_the_preamble_hides_names_as_upstreams_does(open_rows):
    """`operator.pow`, `io.open` and `math.pow` are imported, then `builtins` restores its own."""
    (problem,) = open_rows("livecodebench:v1", [program_row()]).problems()
    program = problem.preamble + (
        "print(pow(2, 5, 7), sys.getrecursionlimit(), datetime.datetime.__name__, "
        "type(deque()).__name__, List[int], open is builtins_open)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", "builtins_open = open\n" + program],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert finished.stdout.split() == [
        "4",
        "50000",
        "datetime",
        "deque",
        "typing.List[int]",
        "True",
    ]


def test_hostile_private_tests_are_refused_and_do_nothing(open_rows, tmp_path):
    class RunsACommand:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    hostile = base64.b64encode(zlib.compress(pickle.dumps(RunsACommand()))).decode()
    dataset = open_rows("livecodebench:v1", [program_row(private_test_cases=hostile)])
    assert list(dataset.questions) == ["abc900_a"]
    with pytest.raises(InputError, match=r"line 1 .*only a text"):
        list(dataset.problems())
    assert not (tmp_path / "ran").exists()


def test_a_problem_without_tests_and_a_name_that_is_none_are_refused(open_rows):
    bare = program_row(public_test_cases="[]", private_test_cases="[]")
    with pytest.raises(InputError, match="no tests"):
        list(open_rows("livecodebench:v1", [bare]).problems())
    strange = method_row(*PAIRS) | {"metadata": json.dumps({"func_name": "x(); y"})}
    with pytest.raises(InputError, match="no name of a function"):
        list(open_rows("livecodebench:v1", [strange]).problems())


def test_prompts_tell_programs_from_methods(open_rows):
    dataset = open_rows("livecodebench:v1", [program_row(), method_row(*PAIRS)])
    program, method_ = (question.prompt for question in dataset.questions.values())
    assert "standard input" in program
    assert "Print the sum of the numbers on the line." in program
    assert "standard input" not in method_
    assert "def pair(self, a: int, b: int) -> List[int]:" in method_
    assert all(question.canonical is None for question in dataset.questions.values())
    statements = {question.statement for question in dataset.questions.values()}
    assert statements == {"Print the sum of the numbers on the line."}


def test_errata_are_marked_by_id_and_by_title(open_rows):
    rows = [
        program_row(question_id="abc337_e"),
        program_row(question_id="3445", question_title="most-frequent-ids"),
        program_row(),
    ]
    questions = open_rows("livecodebench:v1", rows).questions
    assert {id: question.has_erratum for id, question in questions.items()} == {
        "abc337_e": True,
        "3445": True,
        "abc900_a": False,
    }


@pytest.fixture
def shards(tmp_path, write_jsonl):
    for number in range(1, 7):
        name = "test.jsonl" if number == 1 else f"test{number}.jsonl"
        write_jsonl(tmp_path / name, [program_row(question_id=f"v{number}")])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("livecodebench", ["v1", "v2", "v3", "v4", "v5", "v6"]),
        ("livecodebench:v1_v3", ["v1", "v2", "v3"]),
        ("livecodebench:v4_v5", ["v4", "v5"]),
        ("livecodebench:v6", ["v6"]),
    ],
)
def test_a_part_is_a_range_of_files(shards, name, ids):
    dataset = open_benchmark(name, shards)
    assert list(dataset.questions) == ids
    assert [problem.id for problem in dataset.problems()] == ids
    assert dataset.name == name


@pytest.mark.parametrize("part", ["v7", "v3_v1", "v1_v9", "v1-v3", "v1_"])
def test_a_part_that_is_none_is_refused(shards, part):
    with pytest.raises(InputError, match="its shards are v1, v2, v3, v4, v5, v6"):
        open_benchmark(f"livecodebench:{part}", shards)


def test_one_file_may_stand_for_one_shard_only(shards):
    file = shards / "test4.jsonl"
    assert list(open_benchmark("livecodebench:v4", file).questions) == ["v4"]
    with pytest.raises(InputError, match="name the folder"):
        open_benchmark("livecodebench:v4_v5", file)


def test_a_folder_that_lacks_a_shard_is_refused(shards):
    (shards / "test5.jsonl").unlink()
    with pytest.raises(InputError, match=r"must hold one file test5.jsonl"):
        open_benchmark("livecodebench:v4_v5", shards)
