"""A small run of the benchmark of memory and pace."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "volume.py"


def test_every_row_is_run_and_every_tenth_reported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "short", "--rows", "300", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    # So few rows say nothing of pace: 1 is the verdict on that.
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    tenths = re.findall(r"([\d,]+) rows +[\d.]+ s / 10,000 +(\d+) MiB", done.stdout)
    assert len(tenths) >= 5
    assert tenths[-1][0] == "300"
    assert all(int(memory) > 50 for _, memory in tenths)
    assert "last tenth to first: memory" in done.stdout
    assert len((tmp_path / "in.jsonl").read_text("utf-8").splitlines()) == 300
