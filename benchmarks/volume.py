"""Whether a run's memory and pace stay the same from its first rows to its last.

Rows are made from the reasoning of real traces, over and over: `short` cuts it to 600 characters,
puts a fixed answer after it and scores with the fake scorer, so that what asap itself does is all
there is; `real` leaves it as long as it is and scores with the built-in model. The run is what
`asap prune` does, in a process of its own. Resident memory is read as each tenth ends, and
in between; the first tenth is set against the last.

    python benchmarks/volume.py short --rows 1000000 --input traces.jsonl.gz
    python benchmarks/volume.py real --rows 5000 --input traces.jsonl.gz
    python benchmarks/volume.py short --rows 2000            # from examples/

The input is JSON lines with a column `reasoning` or `generation`. Exit code 1: memory or pace of
the last tenth is more than 10 % above that of the first.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asap.corpus import open_corpus
from asap.prune import Tools
from asap.run import Progress, load_recipe, open_tools, prune_corpus
from asap.surprisal import FakeScorer, load_counter

EXAMPLES = Path(__file__).parent.parent / "examples" / "traces.jsonl"
CUT = 600
ANSWER = "```python\nprint(sum(map(int, input().split())))\n```"
ALLOWED = 1.1


def read_reasoning(path: Path) -> Iterator[str]:
    """The thinkings of a file, once."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            text = row.get("reasoning") or row["generation"].partition("<think>")[2]
            yield text.partition("</think>")[0]


def write_input(kind: str, n_rows: int, source: Path, path: Path) -> None:
    """The rows of the run, as JSON lines; the source goes round as often as it must."""
    texts = list(read_reasoning(source))
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(itertools.islice(itertools.cycle(texts), n_rows)):
            thinking = text[:CUT] if kind == "short" else text
            row = {"id": str(number), "question": "", "reasoning": thinking, "answer": ANSWER}
            file.write(json.dumps(row) + "\n")


def resident_mib() -> float:
    """What the process holds now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not say how much memory a process holds")


class Gauge:
    """Memory and time as a run goes on, tenth by tenth."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._n_done = 0
        self._began = time.perf_counter()
        self._highest = 0.0
        self.tenths: list[tuple[float, float]] = []
        """Seconds and the most memory in MiB of each."""

    def note(self, step: Progress) -> None:
        """Take a batch's progress."""
        self._n_done += step.n_rows
        self._highest = max(self._highest, resident_mib())
        if self._n_done >= self._n_rows * (len(self.tenths) + 1) / 10:
            now = time.perf_counter()
            self.tenths.append((now - self._began, self._highest))
            rows = self._n_rows / 10
            print(
                f"{self._n_done:>10,} rows {(now - self._began) / rows * 10_000:>9.2f} s / 10,000 "
                f"{self._highest:>8.0f} MiB",
                flush=True,
            )
            self._began, self._highest = now, 0.0


def run(kind: str, path: Path, n_rows: int, folder: Path) -> Gauge:
    """Prune it."""
    recipe = load_recipe("default", {"on_step_over_budget": "keep"})
    corpus = open_corpus([str(path)])
    gauge = Gauge(n_rows)
    if kind == "short":
        tools = Tools(load_counter("builtin"), FakeScorer())
        prune_corpus(corpus, folder, recipe, tools, max_excluded=1, on_progress=gauge.note)
    else:
        with open_tools(recipe, device="cpu") as opened:
            prune_corpus(corpus, folder, recipe, opened, max_excluded=1, on_progress=gauge.note)
    return gauge


def main() -> None:
    """Parse, run, compare the tenths."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["short", "real"])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--input", type=Path, default=EXAMPLES)
    parser.add_argument("--folder", type=Path, help="where input and run go; kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        write_input(args.kind, args.rows, args.input, folder / "in.jsonl")
        started = time.perf_counter()
        gauge = run(args.kind, folder / "in.jsonl", args.rows, folder / "run")
        print(f"whole run: {time.perf_counter() - started:.1f} s")
    (first_s, first_mib), (last_s, last_mib) = gauge.tenths[0], gauge.tenths[-1]
    print(f"last tenth to first: memory {last_mib / first_mib:.3f}, time {last_s / first_s:.3f}")
    if max(last_mib / first_mib, last_s / first_s) > ALLOWED:
        sys.exit(1)


if __name__ == "__main__":
    main()
