"""`asap view` and `asap report`, the real commands."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
Asap = Callable[..., Done]


@pytest.fixture
def run(pruned: tuple[Path, Done]) -> Path:
    return pruned[0]


def test_it_serves_until_an_interrupt(run: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "asap.cli.main", "view", f"mine={run}", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:\d+/", said)
        assert found, said
        with urllib.request.urlopen(found[0] + "api/runs", timeout=20) as answer:
            (listed,) = json.load(answer)["runs"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (listed["name"], listed["kind"], listed["rows"]) == ("mine", "prune", 12)
    assert process.returncode == 130
    assert (out, err) == ("", "asap: interrupted\n")


def test_a_report_is_written_and_said(asap: Asap, run: Path, tmp_path: Path) -> None:
    done = asap("report", run, "--output", "r.html", "--traces", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"written: r\.html \(\d\.\d MB\)", lines[0])
    assert lines[1:] == ["run: 3 of 12 traces, spread evenly over the run"]
    assert "/api/runs/0/traces/4" in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("verb", ["view", "report"])
def test_what_is_no_run_is_one_line_and_2(asap: Asap, tmp_path: Path, verb: str) -> None:
    more = ["-o", "r.html"] if verb == "report" else ["--no-browser"]
    done = asap(verb, "nowhere", *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "asap: nowhere is no run folder: it has no report.json\n"
    (tmp_path / "report.json").write_text('{"kind": "bake", "format_version": 1}')
    done = asap(verb, ".", *more)
    assert done.returncode == 2
    assert done.stderr.startswith("asap: . is a run of kind 'bake'; this asap shows prune, eval")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("package", ["duckdb", "starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(
    run: Path, environment: dict[str, str], package: str
) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"sys.argv = ['asap', 'view', {str(run)!r}, '--no-browser']\n"
        "from asap.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "asap: asap view needs the extra 'view': pip install 'asap-cot[view]'\n"


@pytest.mark.parametrize("verb", ["view", "report"])
def test_help_has_examples(asap: Asap, verb: str) -> None:
    done = asap(verb, "--help")
    assert done.returncode == 0
    assert f"asap {verb} pruned" in done.stdout
