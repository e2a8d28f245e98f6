"""Where the sandbox is incomplete the judge refuses, and says what is missing; never in silence."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.errors import SandboxError
from asap.judge import Judge


def test_the_record_says_what_contains_the_code(judge: Judge) -> None:
    record = judge.sandbox
    assert record.kind in ("landlock+seccomp", "landlock+seccomp+bubblewrap")
    assert record.landlock_abi >= 1
    assert record.working_attacks == ()
    assert record.python == platform.python_version()
    assert record.kernel == platform.release()
    assert record.cpu
    assert (record.timing, record.stdin, record.workers) == ("robust", "real", 1)
    assert (record.memory_mib, record.checker_memory_mib) == (1024, 4096)
    assert dataclasses.is_dataclass(record)


def test_a_judge_that_was_not_entered_has_no_record_and_judges_nothing() -> None:
    with pytest.raises(RuntimeError, match="enter the judge"):
        _ = Judge().sandbox
    with pytest.raises(RuntimeError, match="enter the judge"):
        list(Judge().judge([]))


def test_an_interpreter_that_does_not_start_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(SandboxError, match="does not start: no such luck"), Judge():
        pass


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("landlock", "no landlock;"),
        ("seccomp", "no seccomp;"),
        ("landlock+seccomp", "no landlock and no seccomp;"),
    ],
)
def test_a_missing_layer_is_refused_by_name(
    missing: str, words: str, run_script: Callable[..., Any]
) -> None:
    refusal = run_script("restricted.py", missing, "safe")["refusal"]
    assert words in refusal
    assert "Linux 5.13" in refusal


def test_nothing_missing_is_not_refused(run_script: Callable[..., Any]) -> None:
    assert run_script("restricted.py", "nothing", "safe")["outcome"] == "passed"


@pytest.mark.parametrize(
    ("missing", "attack"), [("landlock", "read a file"), ("seccomp", "start a process")]
)
def test_unsafe_goes_on_and_records_which_attacks_work(
    missing: str, attack: str, run_script: Callable[..., Any]
) -> None:
    result = run_script("restricted.py", missing, "unsafe", path="/nowhere")
    other = {"landlock": "seccomp", "seccomp": "landlock"}[missing]
    assert result["kind"] == f"unsafe: {other}"
    assert attack in result["working_attacks"]
    assert result["outcome"] == "passed"


ENDLESS = """
import sys, types
package = types.ModuleType("asap")
package.__path__ = [sys.argv[1]]
sys.modules["asap"] = package
from asap.judge import CallProblem, Judge
tests = "def check(candidate):\\n    candidate(1)"
with Judge() as judge:
    list(judge.judge([(CallProblem("endless", "", "f", tests, 1000.0), "while True: pass")]))
"""


def find_descendants(root: int) -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {root}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return found - {root}


def watch_descendants(pid: int) -> list[int]:
    """A descriptor of each that is there; forks of the judge's own attack may end meanwhile."""
    watched = []
    for descendant in find_descendants(pid):
        with contextlib.suppress(ProcessLookupError):
            watched.append(os.pidfd_open(descendant))
    if len(watched) < 4:
        for descriptor in watched:
            os.close(descriptor)
        return []
    return watched


def test_nothing_outlives_a_judge_that_is_killed() -> None:
    source = Path(__file__).parents[2] / "src" / "asap"
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(source)]) as process:
        try:
            # Two waiting processes and a fork of each; bubblewrap brings more.
            while len(watched := watch_descendants(process.pid)) < 4:
                assert process.poll() is None
        finally:
            process.kill()
    for descriptor in watched:
        assert select.select([descriptor], [], [], 30) == ([descriptor], [], [])
        os.close(descriptor)


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="Linux only"), Judge():
        pass
