"""Jobs side by side: an interrupt ends the command and its workers at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys, time
from pathlib import Path
from asap.lab.pool import Job, run_jobs

def work(folder, name):
    Path(folder, name).write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    def look(n_done):
        if len(list(Path(sys.argv[1]).iterdir())) == 2:
            print("both", flush=True)
    run_jobs([Job(work, (sys.argv[1], str(n))) for n in range(4)], 2, look)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interrupt_ends_jobs_that_were_begun_and_begins_no_other(tmp_path: Path) -> None:
    script = tmp_path / "jobs.py"
    script.write_text(SCRIPT, encoding="utf-8")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    # An interrupt is ignored by what was begun in the background, and its children inherit that.
    process = subprocess.Popen(
        [sys.executable, str(script), str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "both\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in said
    assert sorted(path.name for path in jobs.iterdir()) == ["0", "1"]
    assert not any(is_running(int(path.read_text())) for path in jobs.iterdir())
