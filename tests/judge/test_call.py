"""Functions that tests call in another process: outcomes, plain values, limits, order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from asap.errors import InputError
from asap.judge import CallProblem, Judge, StdioProblem, Verdict

JudgeOne = Callable[..., Verdict]
DOUBLE = (
    "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(4) == 8, 'four'\n"
)


@pytest.mark.parametrize(
    ("solution", "outcome", "test_index", "message"),
    [
        ("def f(x): return 2 * x", "passed", None, ""),
        ("def f(x): return 2", "wrong_answer", 1, "four"),
        ("def f(x): return None", "wrong_answer", 0, "assert candidate(1) == 2"),
        ("def f(x): return y", "runtime_error", 0, "NameError: name 'y' is not defined"),
        ("def f(x, y): return 1", "runtime_error", 0, "TypeError"),
        ("def f(x):\n  return 2 * x if x < 2 else x[0]", "runtime_error", 1, "TypeError"),
        ("raise ValueError('at once')\ndef f(x): pass", "runtime_error", None, "at once"),
        ("def f(x) return x", "runtime_error", None, "SyntaxError"),
        ("def g(x): return 2 * x", "no_answer", None, "defines no f"),
        ("f = 3", "no_answer", None, "f cannot be called"),
        ("", "no_answer", None, "no code"),
        ("  \n\n", "no_answer", None, "no code"),
        ("def f(x): return bytearray(2 << 30)", "memory", 0, "MemoryError"),
        ("def f(x): return object()", "wrong_answer", 0, "type object"),
        ("import ctypes\ndef f(x): ctypes.string_at(0)", "runtime_error", 0, "SIGSEGV"),
        ("def f(x):\n  while True: pass", "timed_out", 0, "0.5 s of CPU time"),
        ("while True: pass", "timed_out", None, "0.5 s of CPU time"),
    ],
)
def test_outcomes(
    solution: str, outcome: str, test_index: int | None, message: str, judge_one: JudgeOne
) -> None:
    verdict = judge_one(CallProblem("double", "", "f", DOUBLE, 0.5), solution)
    assert (verdict.outcome, verdict.test_index) == (outcome, test_index), verdict
    assert message in verdict.message


@pytest.mark.parametrize(
    ("solution", "outcome"),
    [
        ("class Solution:\n    def m(self, x): return 2 * x", "passed"),
        ("class Solution:\n    def other(self, x): return 2 * x", "no_answer"),
        ("class Other:\n    def m(self, x): return 2 * x", "no_answer"),
        ("class Solution:\n    def __init__(self): self.a = b", "runtime_error"),
        ("class Solution:\n    def __init__(self): self.q.r = 1", "runtime_error"),
    ],
)
def test_methods(solution: str, outcome: str, judge_one: JudgeOne) -> None:
    assert judge_one(CallProblem("m", "", "Solution().m", DOUBLE), solution).outcome == outcome


def test_the_preamble_runs_before_the_solution(judge_one: JudgeOne) -> None:
    problem = CallProblem("p", "import math\ndef two(): return 2", "f", DOUBLE)
    solution = "def f(x: math.inf): return two() * x"
    assert judge_one(problem, solution).outcome == "passed"


def test_the_solution_is_compiled_as_it_stands(judge_one: JudgeOne) -> None:
    # Annotations are evaluated, unless the solution itself asks for the contrary.
    solution = "def f(x: undefined): return 2 * x"
    problem = CallProblem("p", "", "f", DOUBLE)
    assert judge_one(problem, solution).outcome == "runtime_error"
    future = f"from __future__ import annotations\n{solution}"
    assert judge_one(problem, future).outcome == "passed"


def test_tests_may_call_the_function_by_its_name(judge_one: JudgeOne) -> None:
    tests = "def check(candidate):\n    assert f(1) == candidate(1) == 2\n"
    problem = CallProblem("named", "", "f", tests)
    assert judge_one(problem, "def f(x): return 2 * x").outcome == "passed"
    assert judge_one(problem, "def f(x): return x").outcome == "wrong_answer"


def test_the_tests_are_nowhere_in_the_solution_s_process(judge_one: JudgeOne) -> None:
    # Every writable page of the process is read through raw pointers: no call leaves the memory.
    solution = """
import ctypes, gc, sys
def f(word):
    needle = (word[::-1] + "-hidden").encode()
    seen = [o for o in gc.get_objects()]
    texts = [repr(o) for o in seen if type(o) in (str, bytes, dict, list, tuple)]
    return any(needle.decode() in text for text in texts)
"""
    tests = "SECRET = 'drow-hidden'\ndef check(candidate):\n    assert candidate('word') is False\n"
    assert judge_one(CallProblem("hidden", "", "f", tests), solution).outcome == "passed"


@pytest.mark.parametrize(
    "value",
    [
        "None, True, 0, -1, 1.5, 'a', ''",
        "1e308 * 10, 5e-324, 0.1 + 0.2, -0.0",
        "2 ** 63, -2 ** 63, 2 ** 64, 10 ** 4000, -10 ** 400",
        "[2 ** 70, 1], [True, 2.0, 3], [[], [[]]], [1, 'a', None]",
        "'\\ud800', '\\x00', '日本', '\\\\', '\"', '🙂' * 1000",
        "(), (1,), ((1, 2), [3]), [(1, [2])]",
        "set(), {1, 2}, frozenset({1, (2, 3)}), {frozenset({1})}",
        "{}, {1: 2}, {'tuple': [1]}, {(1, 2): {3: [4]}}, {None: 1, 1.5: 2, True: 3}",
        "b'', b'\\xff\\x00', bytearray(b'ab'), 1j, complex(1, -2)",
        "range(3), range(10, 2, -3), __import__('collections').deque([1, (2,)])",
    ],
)
def test_plain_values_cross_and_come_back_the_same(value: str, judge_one: JudgeOne) -> None:
    tests = f"""
def same(a, b):
    return type(a) is type(b) and (a == b) and repr(a) == repr(b)
def check(candidate):
    for value in ({value},):
        assert same(candidate(value), value), value
        assert same(candidate(key=[value]), [value]), value
"""
    solution = "def f(*args, **kwargs): return args[0] if args else kwargs['key']"
    verdict = judge_one(CallProblem("same", "", "f", tests), solution)
    assert verdict.outcome == "passed", verdict


def test_subclasses_cross_as_their_base(judge_one: JudgeOne) -> None:
    solution = """
import collections, enum
class Colour(enum.IntEnum): RED = 2
Point = collections.namedtuple("Point", "x y")
def f():
    default = collections.defaultdict(int, a=1)
    return [Colour.RED, Point(1, 2), default, collections.Counter("aab"),
            collections.OrderedDict(b=1)]
"""
    tests = """
def check(candidate):
    values = candidate()
    assert values == [2, (1, 2), {"a": 1}, {"a": 2, "b": 1}, {"b": 1}]
    assert list(map(type, values)) == [int, tuple, dict, dict, dict]
"""
    verdict = judge_one(CallProblem("bases", "", "f", tests), solution)
    assert verdict.outcome == "passed", verdict


def test_numpy_scalars_cross(judge: Judge, judge_one: JudgeOne) -> None:
    if not any(name.startswith("numpy") for name in judge.sandbox.packages):
        pytest.skip("numpy is not installed")
    tests = """
import numpy
def check(candidate):
    for value in (numpy.float64(1.5), numpy.int32(3), numpy.bool_(True), numpy.complex64(1j)):
        back = candidate(value)
        assert type(back) is type(value) and back == value
"""
    assert judge_one(CallProblem("np", "", "f", tests), "def f(x): return x").outcome == "passed"


NODES = """
class ListNode:
    def __init__(self, val=0, next=None): self.val, self.next = val, next
class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val, self.left, self.right = val, left, right
"""


def test_linked_nodes_cross_however_long(judge_one: JudgeOne) -> None:
    solution = """
def f(head, tree):
    previous = None
    while head: head.next, previous, head = previous, head, head.next
    tree.left, tree.right = tree.right, tree.left
    return previous, tree
"""
    tests = f"""{NODES}
def check(candidate):
    head = None
    for value in range(20000): head = ListNode(value, head)
    head, tree = candidate(head, TreeNode(1, TreeNode(2), TreeNode(3, TreeNode(4))))
    for value in range(20000):
        assert head.val == value
        head = head.next
    assert head is None
    assert (tree.left.val, tree.right.val, tree.left.left.val) == (3, 2, 4)
    assert tree.right.right is None
"""
    verdict = judge_one(CallProblem("nodes", NODES, "f", tests), solution)
    assert verdict.outcome == "passed", verdict


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("def check(candidate): pass", "never call"),
        ("x = 1", "KeyError"),
        ("def check(candidate) pass", "SyntaxError"),
        ("import no_such_module\ndef check(c): c(1)", "no_such_module"),
        ("def check(candidate):\n    assert False\n    candidate(1)", "AssertionError"),
        ("def check(candidate): candidate(len)", "type builtin_function_or_method"),
    ],
)
def test_broken_tests_are_the_problem_s_fault(
    tests: str, message: str, judge_one: JudgeOne
) -> None:
    with pytest.raises(InputError, match=message):
        judge_one(CallProblem("broken", "", "f", tests), "def f(x): return x")


def test_a_broken_preamble_is_the_problem_s_fault(judge_one: JudgeOne) -> None:
    problem = CallProblem("odd", "import no_such_module", "f", DOUBLE)
    with pytest.raises(InputError, match="problem odd cannot be run: ModuleNotFoundError"):
        judge_one(problem, "def f(x): return 2 * x")


def test_the_judge_goes_on_after_a_broken_problem(judge_one: JudgeOne) -> None:
    with pytest.raises(InputError):
        judge_one(CallProblem("odd", "1 / 0", "f", DOUBLE), "def f(x): return 2 * x")
    problem = CallProblem("double", "", "f", DOUBLE)
    assert judge_one(problem, "def f(x): return 2 * x").outcome == "passed"


def test_cpu_time_counts_and_sleep_does_not(judge_one: JudgeOne) -> None:
    solution = "import time\ndef f(x):\n    time.sleep(0.4)\n    return 2 * x"
    verdict = judge_one(CallProblem("double", "", "f", DOUBLE, 0.5), solution)
    assert verdict.outcome == "passed"
    assert verdict.cpu_s < 0.4


BURN = """
import os, threading, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
"""
IDENTITY = "def check(candidate):\n    for n in range(8):\n        assert candidate(n) == n\n"


@pytest.mark.parametrize(
    ("body", "outcome", "test_index"),
    [
        # 0.8 s altogether, none of them too long.
        ("def f(n): return burn(0.1) or n", "passed", None),
        ("def f(n): return burn(0.6 if n == 5 else 0) or n", "timed_out", 5),
        ("def f(n): return burn(0.6 if n == 7 else 0) or n", "timed_out", 7),
        ("def f(n): return burn(99 if n == 2 else 0) or n", "timed_out", 2),
        ("burn(0.6)\ndef f(n): return n", "timed_out", None),
        # Time spent behind the tests' back is that of the next answer.
        (
            "thread = threading.Thread(target=burn, args=(9,), daemon=True)\n"
            "def f(n):\n    if n == 3: thread.start()\n    if n == 4: thread.join()\n    return n",
            "timed_out",
            4,
        ),
    ],
)
def test_each_call_has_its_limit(
    body: str, outcome: str, test_index: int | None, judge_one: JudgeOne
) -> None:
    problem = CallProblem("limited", BURN, "f", IDENTITY, call_limit_s=0.4)
    verdict = judge_one(problem, body)
    assert verdict.outcome == outcome, verdict
    if outcome == "timed_out":
        assert verdict.message == "more than 0.4 s of CPU time for one call"
    assert verdict.test_index == test_index


def test_all_calls_together_have_theirs_as_well(judge_one: JudgeOne) -> None:
    problem = CallProblem("limited", BURN, "f", IDENTITY, cpu_limit_s=0.5, call_limit_s=0.4)
    verdict = judge_one(problem, "def f(n): return burn(0.1) or n")
    assert (verdict.outcome, verdict.message) == ("timed_out", "more than 0.5 s of CPU time")


@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
@pytest.mark.parametrize(
    "late",
    [
        "burn(0.6)",
        # Notes of its own, to whoever reads them.
        "[os.write(fd, b'?') for fd in range(64) if fd != 4 and can_write(fd)]; burn(0.6)",
        "burn(0.6); os.write(4, b'\\x0b\\0\\0\\0[\"value\",7]'); os._exit(0)",
    ],
)
def test_no_late_answer_passes(late: str, caught: str, judge_one: JudgeOne) -> None:
    tests = f"def check(candidate):\n    try: candidate(7)\n    except {caught}: pass\n"
    problem = CallProblem("limited", BURN, "f", tests, call_limit_s=0.3)
    helper = """
def can_write(fd):
    try: return os.write(fd, b'') == 0
    except OSError: return False
"""
    verdict = judge_one(problem, f"{helper}def f(n):\n    {late}\n    return n")
    assert verdict.outcome != "passed", verdict


def test_a_call_may_sleep_within_its_limit(judge_one: JudgeOne) -> None:
    problem = CallProblem("limited", BURN, "f", IDENTITY, call_limit_s=0.3)
    verdict = judge_one(problem, "def f(n): return time.sleep(0.6 if n == 2 else 0) or n")
    assert verdict.outcome == "passed", verdict


def test_an_assertion_s_own_words_are_the_message(judge_one: JudgeOne) -> None:
    verdict = judge_one(CallProblem("double", "", "f", DOUBLE), "def f(x): return 2")
    assert verdict.message == "four"


def test_under_paper_timing_sleep_counts() -> None:
    solution = "import time\ndef f(x):\n    time.sleep({})\n    return 2 * x"
    problem = CallProblem("double", "", "f", DOUBLE)
    with Judge(timing="paper") as judge:
        [quick, slow] = judge.judge([(problem, solution.format(s)) for s in ("0", "1.6")])
    assert (quick.outcome, slow.outcome) == ("passed", "timed_out")
    assert slow.cpu_s < 1


def test_several_workers_keep_the_order_and_read_little_ahead() -> None:
    taken = []

    def pairs() -> Iterator[tuple[CallProblem | StdioProblem, str]]:
        for number in range(200):
            taken.append(number)
            right = "2 * x" if number % 3 else "x"
            yield CallProblem(str(number), "", "f", DOUBLE), f"def f(x): return {right}"

    with Judge(workers=3) as judge:
        verdicts = judge.judge(pairs())
        first = next(verdicts)
        assert len(taken) < 100
        outcomes = [first.outcome, *(verdict.outcome for verdict in verdicts)]
    assert outcomes == ["passed" if number % 3 else "wrong_answer" for number in range(200)]


def test_leaving_early_ends_what_runs() -> None:
    endless = CallProblem("endless", "", "f", DOUBLE, 1000.0)
    with Judge() as judge:
        runner = threading.Thread(
            target=lambda: list(judge.judge([(endless, "while True: pass")])), daemon=True
        )
        hook, threading.excepthook = threading.excepthook, lambda _: None
        runner.start()
        runner.join(0.5)
        assert runner.is_alive()
    runner.join(30)
    threading.excepthook = hook
    assert not runner.is_alive()


def test_no_workers_are_refused() -> None:
    with pytest.raises(InputError, match="workers is 0"):
        Judge(workers=0)


def test_a_message_can_be_printed_and_stored(judge_one: JudgeOne) -> None:
    solution = "def f(x): raise ValueError('\\x1b[31m\\ud800\\n' + 'a' * 5000 + 'end')"
    message = judge_one(CallProblem("double", "", "f", DOUBLE), solution).message
    assert message.isprintable()
    assert message.encode("utf-8").startswith(b"ValueError:  [31m\\ud800 aaa")
    assert len(message) <= 300
