"""Programs on stdin: LiveCodeBench's comparison row by row, and both ways of running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asap.errors import InputError
from asap.judge import Judge, StdioProblem, Verdict, compare_output

COMPARISONS = [
    ("trailing spaces", "1 2  \n3\t\n", "1 2\n3", True),
    ("trailing newlines", "1\n\n\n", "1\n", True),
    ("a leading blank line", "\n1\n2", "1\n2", True),
    ("CRLF", "1 2\r\n3\r\n", "1 2\n3\n", True),
    ("spaces between numbers", "1  2", "1 2", True),
    ("spaces between words", "a  b", "a b", False),
    ("a decimal point", "1.0", "1", True),
    ("an exponent", "1e3", "1000", True),
    ("a sign", "+5", "5", True),
    ("an underscore", "1_000", "1000", True),
    ("an Arabic digit", "\u0663", "3", True),
    ("binary rounding", "0.30000000000000004", "0.3", False),
    ("case", "yes", "YES", False),
    ("not a number, other case", "NaN", "nan", False),
    ("not a number, same text", "nan", "nan", True),
    ("a signalling not-a-number", "sNaN", "1", False),
    ("a missing line", "1", "1\n2", False),
    ("an extra line", "1\n2\n3", "1\n2", False),
    ("a blank line inside", "1\n\n2", "1\n2", False),
    ("numbers against words", "1 2", "one two", False),
    ("fewer numbers", "1", "1 2", False),
    ("an exponent beyond all", "1e99999999999999999999", "1", False),
    ("nothing", "", "", True),
]


@pytest.mark.parametrize(("actual", "expected", "is_right"), [row[1:] for row in COMPARISONS])
def test_outputs_are_compared_as_livecodebench_does(
    actual: str, expected: str, is_right: bool
) -> None:
    assert compare_output(actual, expected) is is_right


# Each prints the sum of the numbers in the two lines of the input.
STYLES = {
    "input": ("print(int(input()) + int(input()))", "passed", "passed"),
    "readline": (
        "import sys\nprint(int(sys.stdin.readline()) + int(sys.stdin.readline()))",
        "passed",
        "passed",
    ),
    "read": ("import sys\nprint(sum(map(int, sys.stdin.read().split())))", "passed", "passed"),
    "binary read": (
        "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
        "passed",
        "passed",
    ),
    "a thread": (
        "import threading\ndef run(): print(int(input()) + int(input()))\n"
        "thread = threading.Thread(target=run)\nthread.start()\nthread.join()",
        "passed",
        "passed",
    ),
    "exit": ("import sys\nprint(int(input()) + int(input()))\nsys.exit()", "passed", "passed"),
    "exit with a code": (
        "import sys\nprint(int(input()) + int(input()))\nsys.exit(1)",
        "passed",
        "passed",
    ),
    "a main guard": (
        "def main():\n    print(int(input()) + int(input()))\n"
        "if __name__ == '__main__':\n    main()",
        "passed",
        "passed",
    ),
    "lines of stdin": (
        "import sys\nprint(sum(int(line) for line in sys.stdin))",
        "passed",
        "runtime_error",
    ),
    "binary readline": (
        "import sys\nread = sys.stdin.buffer.readline\nprint(int(read()) + int(read()))",
        "passed",
        "wrong_answer",
    ),
    "open(0)": ("print(sum(map(int, open(0).read().split())))", "passed", "wrong_answer"),
    "os.read": (
        "import os\nprint(sum(map(int, os.read(0, 100).split())))",
        "passed",
        "wrong_answer",
    ),
    "binary write": (
        "import sys\ntotal = int(input()) + int(input())\n"
        "sys.stdout.buffer.write(str(total).encode())",
        "passed",
        "runtime_error",
    ),
    "global": (
        "total = 0\ndef add():\n    global total\n    try: total += int(input())\n"
        "    except NameError: pass\nadd()\nadd()\nprint(total)",
        "passed",
        "wrong_answer",
    ),
    "a hard exit": (
        "import os\nprint(int(input()) + int(input()), flush=True)\nos._exit(0)",
        "passed",
        "runtime_error",
    ),
    "an error at the end": (
        "print(int(input()) + int(input()))\nraise ValueError",
        "runtime_error",
        "runtime_error",
    ),
    "no newline at the end": (
        "import sys\nsys.stdout.write(str(int(input()) + int(input())))",
        "passed",
        "passed",
    ),
    "at exit": (
        "import atexit\ntotal = int(input()) + int(input())\natexit.register(print, total)",
        "passed",
        "wrong_answer",
    ),
}
PROBLEM = StdioProblem("sum", "from builtins import *\nfrom io import *\n", ("3\n4\n",), ("7\n",))


@pytest.fixture(scope="module")
def official() -> Iterator[Judge]:
    with Judge(stdin="official") as judge:
        yield judge


@pytest.mark.parametrize("style", STYLES)
def test_a_program_runs_with_a_real_stdin(style: str, judge: Judge) -> None:
    solution, expected, _ = STYLES[style]
    [verdict] = judge.judge([(PROBLEM, solution)])
    assert verdict.outcome == expected, verdict


@pytest.mark.parametrize("style", STYLES)
def test_a_program_runs_as_upstream_runs_it(style: str, official: Judge) -> None:
    solution, _, expected = STYLES[style]
    [verdict] = official.judge([(PROBLEM, solution)])
    assert verdict.outcome == expected, verdict


@pytest.fixture(params=["real", "official"])
def any_judge(request: pytest.FixtureRequest, judge: Judge, official: Judge) -> Judge:
    return judge if request.param == "real" else official


def judge_program(
    judge: Judge, solution: str, *tests: tuple[str, str], preamble: str = ""
) -> Verdict:
    inputs, outputs = zip(*tests, strict=True)
    [verdict] = judge.judge([(StdioProblem("p", preamble, inputs, outputs, 0.5), solution)])
    return verdict


def test_the_first_failing_test_is_named(any_judge: Judge) -> None:
    tests = [("1", "2"), ("2", "4"), ("3", "7"), ("4", "9")]
    verdict = judge_program(any_judge, "print(2 * int(input()))", *tests)
    assert (verdict.outcome, verdict.test_index) == ("wrong_answer", 2)
    assert "'6' is not '7'" in verdict.message


def test_the_preamble_serves_the_program(any_judge: Judge) -> None:
    verdict = judge_program(any_judge, "print(sqrt(16))", ("", "4"), preamble="from math import *")
    assert verdict.outcome == "passed"


def test_streams_that_the_preamble_binds_are_the_program_s_own(judge: Judge) -> None:
    solution = "stdout.write(str(int(input()) + int(stdin.readline())))"
    verdict = judge_program(judge, solution, ("3\n4\n", "7"), preamble="from sys import *")
    assert verdict.outcome == "passed", verdict


def test_large_inputs_and_outputs_pass_whole(any_judge: Judge) -> None:
    text = "\n".join(map(str, range(100_000)))
    verdict = judge_program(any_judge, "import sys\nprint(sys.stdin.read())", (text, text))
    assert verdict.outcome == "passed"


def test_text_beyond_ascii_passes_whole(any_judge: Judge) -> None:
    assert (
        judge_program(any_judge, "print(input())", ("naïve 日本 🙂", "naïve 日本 🙂")).outcome
        == "passed"
    )


def test_one_run_knows_nothing_of_another(any_judge: Judge) -> None:
    solution = "import math\nmath.seen = getattr(math, 'seen', 0) + 1\nprint(math.seen)"
    assert judge_program(any_judge, solution, ("", "1"), ("", "1")).outcome == "passed"


@pytest.mark.parametrize(
    ("solution", "outcome", "message"),
    [
        ("1 / 0", "runtime_error", "ZeroDivisionError: division by zero"),
        ("print(", "runtime_error", "SyntaxError"),
        ("input()\ninput()", "runtime_error", ""),
        ("a = bytearray(2 << 30)", "memory", "MemoryError"),
        ("while True: pass", "timed_out", "0.5 s of CPU time"),
        ("", "no_answer", "no code"),
        (" \n", "no_answer", "no code"),
    ],
)
def test_what_goes_wrong_is_named(
    solution: str, outcome: str, message: str, any_judge: Judge
) -> None:
    verdict = judge_program(any_judge, solution, ("1", "1"))
    assert verdict.outcome == outcome
    assert message in verdict.message


def test_a_problem_without_tests_is_refused(judge: Judge) -> None:
    with pytest.raises(InputError, match="needs tests"):
        list(judge.judge([(StdioProblem("empty", "", (), ()), "print()")]))


def test_a_preamble_that_fails_is_the_problem_s_fault(any_judge: Judge) -> None:
    problem = StdioProblem("odd", "import no_such_module", ("",), ("",))
    with pytest.raises(InputError, match="problem odd cannot be run: ModuleNotFoundError"):
        list(any_judge.judge([(problem, "print()")]))


def test_run_gives_what_programs_print_and_none_where_they_do_not_end_well(judge: Judge) -> None:
    programs = [
        "print(6 * 7)",
        "1 / 0",
        "print('no')\nraise SystemExit(1)",
        "import sys; print(repr(sys.stdin.read()))",
        "while True: print('x' * 100000)",
        "",
    ]
    assert list(judge.run(programs)) == ["42\n", None, "no\n", "''\n", None, ""]


def test_run_needs_an_entered_judge() -> None:
    with pytest.raises(RuntimeError, match="enter the judge first"):
        next(Judge().run(["print(1)"]))
