"""Problems judged per second: our judge and one of the paper's kind, side by side on one core.

The paper's kind, written afresh from a description: for each problem a manager, a process, and in
it solution and tests together under a guard that sets dangerous functions to None; 3 s of wall
time, one after the other. Ours judges the same canonical solutions with the same tests at full
isolation, also under 3 s of wall time. Then ours alone on more cores.

    python benchmarks/judge.py                    # HumanEval, HumanEval+, LeetCodeDataset
    python benchmarks/judge.py --cores 1,2,4      # and how it grows
    python benchmarks/judge.py --smoke            # ten seconds, for a test

The data sets are read from the folder that ASAP_REAL_DATA names.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import contextlib
import gzip
import importlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap.judge import CallProblem, Judge

LIMIT_S = 3.0
FILES = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "humaneval+": "humaneval-plus/HumanEvalPlus-OriginFmt.jsonl.gz",
    "leetcode": "leetcode-dataset/LeetCodeDataset-v0.3.1-test.jsonl.gz",
}
FORBIDDEN = {
    os: "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename "
    "truncate replace unlink fchmod fchown chmod chown chroot getcwd chdir",
    shutil: "rmtree move chown",
    subprocess: "Popen",
    builtins: "exit quit help",
}


@dataclass(frozen=True)
class Item:
    """One canonical solution, for either judge."""

    problem: CallProblem
    solution: str
    program: str
    """Solution and tests in one text, as the paper's kind runs them."""


@dataclass(frozen=True)
class Result:
    """One pass over a benchmark."""

    n_problems: int
    n_passed: int
    total_s: float
    cpu_s: float
    """Of all processes together; on a machine with other work the fairer one."""

    @property
    def rate(self) -> float:
        """Problems per second."""
        return self.n_problems / self.total_s


class OutOfTime(Exception):
    """What the paper's kind raises inside a solution that takes too long."""


def read_items(name: str, data: Path) -> list[Item]:
    """The problems of a benchmark with their own solutions."""
    with gzip.open(data / FILES[name], "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [make_leetcode(row) if name == "leetcode" else make_humaneval(row) for row in rows]


def make_humaneval(row: dict[str, Any]) -> Item:
    """HumanEval's format, which HumanEval+ has as well."""
    tree = ast.parse(row["prompt"] + "    pass\n")
    tree.body = [node for node in tree.body if getattr(node, "name", "") != row["entry_point"]]
    preamble = ast.unparse(tree) + "\n"
    solution = row["prompt"] + row["canonical_solution"]
    problem = CallProblem(row["task_id"], preamble, row["entry_point"], preamble + row["test"])
    return Item(problem, solution, f"{solution}\n{row['test']}\ncheck({row['entry_point']})")


def make_leetcode(row: dict[str, Any]) -> Item:
    """LeetCodeDataset's."""
    tests = f"{row['prompt']}\n{row['test']}"
    problem = CallProblem(row["task_id"], row["prompt"], row["entry_point"], tests)
    program = f"{row['prompt']}\n{row['completion']}\n{row['test']}\ncheck({row['entry_point']})"
    return Item(problem, row["completion"], program)


def make_own_items() -> list[Item]:
    """A few problems that need no data."""
    items = []
    for number in range(8):
        tests = f"def check(candidate):\n    assert candidate(3) == {3 + number}\n"
        solution = f"def add(x):\n    return x + {number}\n"
        problem = CallProblem(str(number), "", "add", tests)
        items.append(Item(problem, solution, f"{solution}\n{tests}\ncheck(add)"))
    return items


def judge_like_the_paper(items: Sequence[Item]) -> Result:
    """One problem after the other, everything in one process."""
    n_passed, start_s, start_cpu_s = 0, time.perf_counter(), read_cpu_s()
    for item in items:
        with multiprocessing.Manager() as manager:
            result = manager.list()
            process = multiprocessing.Process(target=run_in_process, args=(item.program, result))
            process.start()
            process.join(LIMIT_S + 1)
            if process.is_alive():
                process.kill()
                process.join()
            n_passed += list(result) == ["passed"]
    total_s, cpu_s = time.perf_counter() - start_s, read_cpu_s() - start_cpu_s
    return Result(len(items), n_passed, total_s, cpu_s)


def read_cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run_in_process(program: str, result: Any) -> None:
    """The body of its process."""
    rmtree, chdir, rmdir, unlink = shutil.rmtree, os.chdir, os.rmdir, os.unlink
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    for module, names in FORBIDDEN.items():
        for name in names.split():
            setattr(module, name, None)
    try:
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream), time_limit():
            exec(program, {})
        result.append("passed")
    except OutOfTime:
        result.append("timed out")
    except BaseException as error:
        result.append(f"failed: {error}")
    os.chdir, os.rmdir, os.unlink = chdir, rmdir, unlink
    os.chdir("/")
    rmtree(folder)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raises in the middle of whatever runs."""

    def stop(*_: object) -> None:
        raise OutOfTime

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def judge_with_ours(items: Sequence[Item], workers: int) -> Result:
    """Our judge, its processes started before the clock is."""
    empty_cpu_s = -read_cpu_s()
    with Judge(workers=workers, timing="paper"):
        pass
    empty_cpu_s += read_cpu_s()
    start_cpu_s = read_cpu_s()
    with Judge(workers=workers, timing="paper") as judge:
        start_s = time.perf_counter()
        verdicts = list(judge.judge((item.problem, item.solution) for item in items))
        total_s = time.perf_counter() - start_s
    n_passed = sum(verdict.outcome == "passed" for verdict in verdicts)
    cpu_s = read_cpu_s() - start_cpu_s - empty_cpu_s
    return Result(len(items), n_passed, total_s, cpu_s)


def describe(who: str, n_cores: int, result: Result) -> str:
    """One line."""
    return (
        f"  {who:<16} {n_cores} core{'s' if n_cores > 1 else ' '} {result.rate:8.1f} problems/s "
        f"{result.total_s:8.2f} s "
        f"{result.cpu_s:8.2f} s of CPU  {result.n_problems - result.n_passed} not passed"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--benchmarks", default=",".join(FILES))
    parser.add_argument("--cores", default="1", help="numbers of cores for ours, such as 1,2,4")
    parser.add_argument("--first", type=int, help="only so many problems of each")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    counts = [int(text) for text in arguments.cores.split(",")]
    if max(counts) > len(cores):
        sys.exit(f"{max(counts)} cores are asked for, {len(cores)} are here")
    with contextlib.suppress(ImportError):
        importlib.import_module("numpy")  # after the guard it could not be imported any more
    data = os.environ.get("ASAP_REAL_DATA", "")
    if not data and not arguments.smoke:
        sys.exit("set ASAP_REAL_DATA to the folder of the data sets, or give --smoke")
    for name in ["own"] if arguments.smoke else arguments.benchmarks.split(","):
        items = make_own_items() if arguments.smoke else read_items(name, Path(data))
        items = items[: arguments.first]
        print(f"{name}: {len(items)} problems")
        os.sched_setaffinity(0, cores[:1])
        paper = judge_like_the_paper(items)
        print(describe("the paper's kind", 1, paper), flush=True)
        for n_cores in counts:
            os.sched_setaffinity(0, cores[:n_cores])
            ours = judge_with_ours(items, n_cores)
            line = describe("ours", n_cores, ours)
            faster, cheaper = ours.rate / paper.rate, paper.cpu_s / ours.cpu_s
            print(f"{line}  x{faster:.2f} by time, x{cheaper:.2f} by CPU", flush=True)
    os.sched_setaffinity(0, cores)


if __name__ == "__main__":
    main()
