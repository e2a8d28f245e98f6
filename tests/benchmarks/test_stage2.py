"""The smoke mode of the stage-2 benchmark: it runs, and both sides keep the same steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "stage2.py"


def test_smoke() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ASAP_REAL_DATA"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), "--smoke"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    agreements = re.findall(r"(\d+) of (\d+) and (\d+)", done.stdout)
    assert len(agreements) == 2
    for common, paper, ours in agreements:
        assert common == paper == ours
    assert "peak memory" in done.stdout
