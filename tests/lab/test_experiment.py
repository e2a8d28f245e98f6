"""The whole experiment, a thousandth of its size, in this process; and its jobs in others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asap.errors import MissingExtraError, RunFolderError, RunStopped
from asap.lab import SCALES, Network, Scale, experiment, run_lab
from asap.lab.pool import Job, run_jobs

TINY = SCALES["tiny"]
MICRO = replace(
    TINY,
    network=Network(hidden=16, layers=1, heads=2, intermediate=32),
    n_base=48,
    n_train=12,
    n_validation=4,
    n_test=10,
    arms=("original", "oracle", "anti-oracle", "random", "asap", "clean-anchor"),
    seeds=(1, 2),
    budgets=(16, 48),
)


class Killed(Exception):
    pass


def test_what_the_pictures_need_is_asked_for_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"drawing plots needs the extra 'view'"):
        run_lab(MICRO, tmp_path / "lab", ("shared",), workers=1, device="cpu", command="lab")
    assert not (tmp_path / "lab").exists()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Runs a lab job by job in this process; its base passes the gate unless told otherwise."""
    import torch

    torch.set_num_threads(1)

    def run(
        scale: Scale = MICRO,
        gate: tuple[float, float] = (0.0, 1.0),
        before: Callable[[Job], None] = lambda _: None,
    ) -> Any:
        def inline(jobs: Sequence[Job], workers: int, on_look: Callable[[int], None]) -> None:
            for n, job in enumerate(jobs):
                before(job)
                job.run(*job.arguments)
                on_look(n + 1)

        monkeypatch.setattr(experiment, "run_jobs", inline)
        monkeypatch.setattr(experiment, "GATE", gate)
        return run_lab(scale, tmp_path / "lab", ("shared",), workers=1, device="cpu", command="lab")

    return run


def read_times(regime: Path) -> dict[Path, int]:
    """When each file was written that costs time to make."""
    files = [path for name in ("rows", "bases", "students") for path in (regime / name).rglob("*")]
    files += regime.glob("runs/*/*/*.parquet")
    return {path: path.stat().st_mtime_ns for path in files if path.is_file()}


def test_a_stopped_lab_goes_on_to_its_report(run: Callable[..., Any], tmp_path: Path) -> None:
    n_students = 0

    def stop(job: Job) -> None:
        nonlocal n_students
        n_students += job.run.__name__ == "train_and_answer"
        if n_students == 4:
            raise Killed

    with pytest.raises(Killed):
        run(before=stop)
    lab = tmp_path / "lab"
    assert json.loads((lab / "report.json").read_text("utf-8"))["status"] == "unfinished"
    done = read_times(lab / "shared")
    (results,) = run()
    assert read_times(lab / "shared").items() >= done.items()
    assert [score.arm for score in results.scores] == ["zero-shot", *MICRO.arms]
    assert all(len(s.seed_accuracy) == 2 for s in results.scores if s.arm != "zero-shot")
    assert {score.n_problems for score in results.scores} == {10}
    report = json.loads((lab / "report.json").read_text("utf-8"))
    assert (report["kind"], report["status"]) == ("lab", "finished")
    text = (lab / "report.md").read_text("utf-8")
    assert "no evidence that R1's own redundancy is unsurprising" in text
    check_arms(lab / "shared")
    times = read_times(lab / "shared")
    run()
    assert read_times(lab / "shared") == times
    with pytest.raises(RunFolderError, match="other settings"):
        run(replace(MICRO, n_test=11))


def check_arms(regime: Path) -> None:
    """Same rows, same base; labels for the two that are told them, and for nobody else."""
    seen = {}
    for folder in (regime / "runs").iterdir():
        report = json.loads((folder / "report.json").read_text("utf-8"))
        seen[folder.name] = report["identity"]
    told = {name for name, identity in seen.items() if "labels" in json.dumps(identity)}
    assert told == {"matched-oracle", "matched-anti-oracle"}
    assert len({identity["input"] for identity in seen.values()}) == 1
    rows = {
        json.loads(path.read_text("utf-8"))["data"]["rows"]
        for path in (regime / "students").glob("llama/*/seed-*/report.json")
    }
    assert len(rows) == 1


def test_a_base_outside_the_gate_stops_the_lab_before_any_arm(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(RunStopped, match=r"0\.0% of the validation questions, outside 60% to 90%"):
        run(gate=(0.6, 0.9))
    assert not (tmp_path / "lab" / "shared" / "runs").exists()


def test_a_folder_of_something_else_is_left_alone(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(RunFolderError, match="is no lab"):
        run()


PARENT = """
import sys, time
from pathlib import Path
from asap.lab.pool import Job, run_jobs

if __name__ == "__main__":
    run_jobs([Job(time.sleep, (600,))], 1, lambda n: Path(sys.argv[1]).touch())
"""


def test_the_first_error_ends_the_rest() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        run_jobs([Job(int, ("no number",)), Job(int, ("1",))], 1)


def test_workers_are_gone_with_a_killed_parent(tmp_path: Path) -> None:
    script, sign = tmp_path / "parent.py", tmp_path / "looked"
    script.write_text(PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script), str(sign)]) as parent:
        wait_for(sign.exists)
        workers = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                   if find_parent(pid) == parent.pid]  # fmt: skip
        assert workers
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: all(find_parent(pid) is None for pid in workers))


def find_parent(pid: int) -> int | None:
    """None for a process that is gone, or waits to be."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if text[0] == "Z" else int(text[1])


def wait_for(is_so: Callable[[], bool], seconds: float = 50) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
