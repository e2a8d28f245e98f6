"""Where the sandbox is incomplete the judge refuses, and says what is missing; never in silence."""

from __future__ import annotations

import dataclasses
import platform
import sys
from collections.abc import Callable
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


def test_a_judge_that_was_not_entered_has_no_record() -> None:
    with pytest.raises(RuntimeError, match="enter the judge"):
        _ = Judge().sandbox


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


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="Linux only"), Judge():
        pass
