"""The smoke mode of the judge's benchmark: it runs, and both judges pass the same solutions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "judge.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the judge runs on Linux")
def test_smoke() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--smoke"], capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"([\d.]+) problems/s .* (\d+) not passed", done.stdout)
    assert [n_failed for _, n_failed in lines] == ["0", "0"]
    assert all(float(rate) > 0 for rate, _ in lines)
