"""The smoke mode of the accelerator's benchmark, and its count of operations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_score.py"


@pytest.mark.slow
def test_smoke() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ASAP_REAL_DATA"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), "--smoke"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert "packed: True" in done.stdout
    # What the scorer read is what the tokenizer counts, up to each trace's last step.
    (n_tokens,) = re.findall(r"3 traces, ([\d,]+) tokens", done.stdout)
    found = re.search(r"ours: ([\d.]+) s, .*, ([\d,]+) tokens/s, ([\d.]+)% of the", done.stdout)
    assert found
    n_read = float(found[1]) * int(found[2].replace(",", ""))
    assert 0.7 * int(n_tokens.replace(",", "")) < n_read < 1.1 * int(n_tokens.replace(",", ""))
    assert "the paper's procedure" in done.stdout
