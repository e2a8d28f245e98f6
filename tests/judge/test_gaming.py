"""A wrong solution passes by no trick: what it does, and the verdict that it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asap.judge import CallProblem, StdioProblem, Verdict

ALWAYS_EQUAL = """
class Equal({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def f(x): return Equal({value})
"""

FRAME = """
import os
def send(fd, data):
    os.write(fd, len(data).to_bytes(4, 'little') + data)
"""

TRICKS = {
    "an object that equals all": (ALWAYS_EQUAL.format(base="object", value=""), "wrong_answer"),
    "a number that equals all": (ALWAYS_EQUAL.format(base="int", value="1"), "wrong_answer"),
    "a float that equals all": (ALWAYS_EQUAL.format(base="float", value="1"), "wrong_answer"),
    "a text that equals all": (ALWAYS_EQUAL.format(base="str", value="'a'"), "wrong_answer"),
    "a list that equals all": (ALWAYS_EQUAL.format(base="list", value="[1]"), "wrong_answer"),
    "a dict that equals all": (ALWAYS_EQUAL.format(base="dict", value=""), "wrong_answer"),
    "a mock": ("from unittest.mock import ANY\ndef f(x): return ANY", "wrong_answer"),
    "frames": (
        """
import sys
def f(x):
    frame = sys._getframe()
    while frame is not None:
        for value in [*frame.f_locals.values(), *frame.f_code.co_consts]:
            if value == x * x: return value
        frame = frame.f_back
""",
        "wrong_answer",
    ),
    "every text in memory": (
        """
import gc
def f(x):
    texts = [o for o in gc.get_objects() if isinstance(o, dict)]
    found = [v for d in texts for v in list(d.values()) if isinstance(v, str) and 'x * x' in v]
    return x * x if any('def check' in text for text in found) else None
""",
        "wrong_answer",
    ),
    "patched builtins": (
        """
import builtins
builtins.AssertionError = type('Fine', (Exception,), {})
builtins.isinstance = lambda *a: True
def f(x): return None
""",
        None,
    ),
    "a patched server": (
        """
import sys
module = sys.modules['asap.judge.solution']
module._answer = lambda *a: b'["passed", null]'
def f(x): return None
""",
        "violation",
    ),
    "another check": (
        "def check(candidate): pass\nclass AssertionError(Exception): pass\ndef f(x): return 0",
        "wrong_answer",
    ),
    "settrace": (
        """
import sys
def trace(frame, event, argument):
    frame.f_trace_lines = False
    return trace
sys.settrace(trace)
def f(x): return -1
""",
        "wrong_answer",
    ),
    "exit 0 at once": ("import sys\nsys.exit(0)", "runtime_error"),
    "exit 0 in the call": ("import sys\ndef f(x): sys.exit(0)", "runtime_error"),
    "a hard exit": ("import os\ndef f(x): os._exit(0)", "runtime_error"),
    "an exit at the end": ("import atexit, os\natexit.register(os._exit, 0)\ndef f(x): pass", None),
    "passed on stdout": ("def f(x):\n    print('passed')\n    return 'passed'", "wrong_answer"),
    "a verdict to every descriptor": (
        """
import os, json
verdict = json.dumps({"outcome": "passed", "test_index": None, "message": ""}).encode()
for fd in range(64):
    try: os.write(fd, verdict)
    except OSError: pass
os._exit(0)
""",
        "violation",
    ),
    "frames with a verdict": (
        FRAME + "send(4, b'[\"passed\", null]')\nos._exit(0)",
        "violation",
    ),
    "an answer before the call": (
        FRAME + "send(4, b'[\"value\", 9]')\ndef f(x): return 9",
        "violation",
    ),
    "two answers at once": (  # noted at once, or taken for the answer to the next call
        FRAME + "def f(x):\n    send(4, b'[\"value\", 9]')\n    return x * x",
        None,
    ),
    "a frame too large": (
        FRAME + "os.write(4, (1 << 31).to_bytes(4, 'little'))\nos._exit(0)",
        "violation",
    ),
    "a frame nested deep": (
        FRAME + "send(4, b'[' * 100000 + b']' * 100000)\nos._exit(0)",
        "violation",
    ),
    "a class by name": (
        FRAME + "send(4, b'{\"ListNode\": [[1, 5]]}')\nos._exit(0)",
        "violation",
    ),
    "a message that is none": (
        FRAME
        + """
import json
send(4, json.dumps(["raised", {"int": "f" * 99999}]).encode())
os._exit(0)
""",
        "violation",
    ),
    "a half frame": (FRAME + "os.write(4, b'abc')\nos._exit(0)", "runtime_error"),
    "closed descriptors": ("import os\ndef f(x): os.closerange(0, 64)", "runtime_error"),
    "crossed descriptors": ("import os\ndef f(x): return os.dup2(3, 4)", "runtime_error"),
    "a swallowed time-out": (
        """
import signal
for number in range(1, 65):
    try: signal.signal(number, lambda *a: None)
    except (OSError, ValueError): pass
def f(x):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
        "timed_out",
    ),
    "a thread that answers later": (
        """
import threading, time
def f(x):
    threading.Thread(target=lambda: time.sleep(9), daemon=True).start()
    raise AssertionError
""",
        "runtime_error",
    ),
    "an endless recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
        None,
    ),
    "a list nested deep": (
        "def f(x):\n    value = []\n    for _ in range(100000): value = [value]\n    return value",
        "wrong_answer",
    ),
    "an answer too large": ("def f(x): return 'a' * (70 << 20)", "wrong_answer"),
    "a number too large": ("def f(x): return 1 << (1 << 24)", "wrong_answer"),
    "an error that cannot be told": (
        "class E(Exception):\n    def __str__(self): return 1 / 0\ndef f(x): raise E",
        "runtime_error",
    ),
    "an error that is no Exception": ("def f(x): raise GeneratorExit", "runtime_error"),
    "a function": ("def f(x): return lambda: x * x", "wrong_answer"),
    "a generator": ("def f(x): yield x * x", "wrong_answer"),
    "not a number": ("def f(x): return float('nan')", "wrong_answer"),
}


@pytest.mark.parametrize("name", TRICKS)
def test_no_trick_forges_a_pass(
    name: str, judge_one: Callable[..., Verdict], square_problem: CallProblem
) -> None:
    solution, outcome = TRICKS[name]
    verdict = judge_one(square_problem, solution)
    assert verdict.outcome != "passed"
    if outcome is not None:
        assert verdict.outcome == outcome, verdict


def test_the_honest_solution_passes(
    judge_one: Callable[..., Verdict], square_problem: CallProblem
) -> None:
    assert judge_one(square_problem, "def f(x): return x * x").outcome == "passed"


TOLERANT = """
def check(candidate):
    try:
        candidate(1)
    except {caught}:
        pass
    try:
        candidate(2)
    except {caught}:
        pass
"""


@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
@pytest.mark.parametrize(
    "solution",
    [
        "import os\ndef f(x): os._exit(0)",
        "import os\nos._exit(0)",
        "import os\ndef f(x): os.write(4, bytes(3000))",
        "def f(x): return object()",
        "def g(x): return 1",
    ],
)
def test_tests_that_catch_everything_pass_nothing_that_is_lost(
    solution: str, caught: str, judge_one: Callable[..., Verdict]
) -> None:
    problem = CallProblem("tolerant", "", "f", TOLERANT.format(caught=caught), 1.0)
    assert judge_one(problem, solution).outcome != "passed"
    assert judge_one(problem, "def f(x): raise ValueError").outcome == "passed"


PROGRAM = StdioProblem("echo", "", ("7\n", "8\n"), ("49\n", "64\n"), cpu_limit_s=0.5)
PROGRAM_TRICKS: dict[str, tuple[str, Any]] = {
    "the first answer": ("print(49)", ("wrong_answer", 1)),
    "passed": ("print('passed')", ("wrong_answer", 0)),
    "a hard exit": ("import os\nos._exit(0)", ("wrong_answer", 0)),
    "a right answer and an error": ("print(int(input()) ** 2)\n1 / 0", ("runtime_error", 0)),
    "a right answer and a bad exit": (
        "import os\nprint(int(input()) ** 2, flush=True)\nos._exit(3)",
        ("runtime_error", 0),
    ),
    "a changed input": (
        "import os\nos.write(0, b'0')\nprint(49)",
        ("runtime_error", 0),
    ),
    "an endless loop": ("while True: pass", ("timed_out", 0)),
    "endless output": ("while True: print('a' * 9999)", ("wrong_answer", 0)),
    "closed streams": ("import os\nos.close(1)\nos.close(2)\nwhile True: pass", ("timed_out", 0)),
    "too much memory": ("a = bytearray(2 << 30)", ("memory", 0)),
    "a file that was left behind": (
        "open('/tmp/answers', 'w').write('49')\nprint(49)",
        ("runtime_error", 0),
    ),
}


@pytest.mark.parametrize("name", PROGRAM_TRICKS)
def test_no_program_passes_by_a_trick(name: str, judge_one: Callable[..., Verdict]) -> None:
    solution, expected = PROGRAM_TRICKS[name]
    verdict = judge_one(PROGRAM, solution)
    assert (verdict.outcome, verdict.test_index) == expected, verdict
