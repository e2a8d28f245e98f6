"""The benchmark of the view: it runs, on a run too small to say anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asap
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "view.py"


def test_smoke(
    tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", make_rows(12))
    recipe = asap.load_recipe("default", {})
    corpus = asap.open_corpus([str(source)], None, recipe.require)
    asap.prune_corpus(corpus, tmp_path / "run", recipe, Tools(FakeCounter(), FakeScorer()))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--run", str(tmp_path / "run"), "--traces", "70"],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "70 traces" in done.stdout
    actions = re.findall(r"^  (\S.*?) +[\d,]+ +[\d,]+   of \d+$", done.stdout, re.MULTILINE)
    assert {"numeric filter", "sort by kept", "open a trace"} <= set(actions)
    assert "search 'xylophonequartz': first hits" in actions
