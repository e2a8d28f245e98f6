"""Whatever a solution does to break out, it does not; as root and as an unprivileged user."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "attacks.py"


def load_attacks() -> Any:
    spec = importlib.util.spec_from_file_location("asap_tests_attacks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_withstood(results: dict[str, Any]) -> None:
    assert results["worked"] == []
    assert results["leftovers"] == 0
    assert results["bystander_lives"]
    assert results["files_are_whole"]


def test_no_attack_works(run_script: Callable[..., Any]) -> None:
    results = run_script("attacks.py", "judged", path="/nowhere")
    assert_withstood(results)
    assert results["kind"] == "landlock+seccomp"


def test_no_attack_works_inside_bubblewrap(run_script: Callable[..., Any]) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    results = run_script("attacks.py", "judged")
    if "bubblewrap" not in results["kind"]:
        pytest.skip("bubblewrap does not run here")
    assert_withstood(results)


@pytest.mark.slow
def test_the_attacks_work_where_nothing_stops_them() -> None:
    attacks = load_attacks()
    finished = subprocess.run(
        [sys.executable, str(SCRIPT), "plain"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"ASAP_TEST_SECRET": "hush"},
    )
    results = json.loads(finished.stdout)
    failed = [name for name in attacks.ATTACKS if results.get(name) == "failed"]
    assert failed == []
    assert results.keys() >= attacks.ATTACKS.keys() - attacks.NOT_EVERYWHERE
