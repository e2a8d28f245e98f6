"""How long `asap view` takes on large runs, through its real server.

    python benchmarks/view.py --run RUN [--traces 1000 100000] [--folder DIR]

RUN is any run of `asap prune`. Its rows are repeated, with `row` and `id` changed, into shards of
64 as the ledger lays them out; one row near the end has a word that stands nowhere else. The large
runs are written below DIR (a temporary folder by default) and removed. Times are of requests over
HTTP, in milliseconds: the median and the worst of several, each for another filter or row.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

SHARD_ROWS = 64
NEEDLE = "xylophonequartz"
N_REPEATS = 9


def write_large_run(run: Path, folder: Path, n_traces: int) -> None:
    """Repeat the rows of a run until there are `n_traces`."""
    sources = sorted((run / "traces").glob("*.parquet"))
    (folder / "traces").mkdir(parents=True)
    shutil.copy(run / "report.json", folder)
    rows = pa.concat_tables([pq.read_table(path) for path in sources]).combine_chunks()
    for shard, start in enumerate(range(0, n_traces, SHARD_ROWS)):
        numbers = range(start, min(start + SHARD_ROWS, n_traces))
        table = rows.take([number % rows.num_rows for number in numbers])
        ids = [
            f"{number:06d}-{id}"
            for number, id in zip(numbers, table["id"].to_pylist(), strict=True)
        ]
        table = _replace(table, "row", pa.array(numbers, pa.int64()))
        table = _replace(table, "id", pa.array(ids))
        if n_traces - numbers[-1] <= SHARD_ROWS:
            answers = [f"{answer or ''} {NEEDLE}" for answer in table["answer"].to_pylist()[:1]]
            answers += table["answer"].to_pylist()[1:]
            table = _replace(table, "answer", pa.array(answers, pa.string()))
        path = folder / "traces" / f"{shard:06d}.parquet"
        pq.write_table(table, path, compression="zstd")


def _replace(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@dataclass
class Client:
    """Asks the server, and notes how long each answer took, by what was done."""

    url: str
    times: dict[str, list[float]] = field(default_factory=dict)

    def get(self, path: str, what: str | None = None) -> Any:
        """The answer as JSON, or as bytes where it is none."""
        started = time.perf_counter()
        with urllib.request.urlopen(self.url + path, timeout=120) as answer:
            body = answer.read()
            is_json = answer.headers["content-type"] == "application/json"
        if what is not None:
            self.times.setdefault(what, []).append(time.perf_counter() - started)
        return json.loads(body) if is_json else body

    def time(self, what: str, work: Callable[[], object]) -> None:
        """Note how long something takes as a whole."""
        started = time.perf_counter()
        work()
        self.times.setdefault(what, []).append(time.perf_counter() - started)


@contextmanager
def serve(run: Path) -> Iterator[tuple[Client, float, subprocess.Popen[str]]]:
    """`asap view` in a process of its own: a client, the seconds until it said its address, the
    process.
    """
    started = time.perf_counter()
    command = [sys.executable, "-m", "asap.cli.main", "view", str(run), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.match(r"(http://127\.0\.0\.1:\d+)/", process.stdout.readline())
        assert found, "asap view did not start"
        try:
            yield Client(found[1]), time.perf_counter() - started, process
        finally:
            process.terminate()


def measure(client: Client, n_traces: int) -> None:
    """All that a reader does, as the page asks for it."""
    client.get("/", "the page")
    client.get("/api/runs", "the page")
    overview = client.get("/api/runs/0/overview", "overview, first time")
    for plot in overview["plots"]:
        client.get(plot["url"], "plots, each, first time")
    ranges = client.get("/api/runs/0/traces?limit=100", "list, first page")["ranges"]
    low, high = ranges["tokens_before"]
    for k in range(N_REPEATS):
        client.get("/api/runs/0/overview", "overview, again")
        least = low + (high - low) * k // (2 * N_REPEATS)
        client.get(f"/api/runs/0/traces?min_tokens_before={least}", "numeric filter")
        column = ("kept", "tokens_before", "id")[k % 3]
        client.get(f"/api/runs/0/traces?sort={column}&desc={k % 2}", f"sort by {column}")
        client.get(f"/api/runs/0/traces?offset={n_traces * k // N_REPEATS}", "page further down")
        row = (n_traces // N_REPEATS) * k
        client.get(f"/api/runs/0/traces/{row}", "open a trace")
    for text in ("wait", "binary search", NEEDLE):
        client.time(f"search '{text}': first hits", partial(search, client, text, 1))
    client.time("search to the end, no hit", partial(search, client, "zzyzx quux", 1))


def search(client: Client, text: str, n_hits: int) -> None:
    """Ask on until there are hits, or the end."""
    cursor, n_found = "", 0
    while cursor is not None and n_found < n_hits:
        found = client.get(
            f"/api/runs/0/search?q={quote(text)}&cursor={cursor}&limit=20", "a slice"
        )
        n_found += len(found["hits"])
        cursor = found["cursor"]


def report(times: dict[str, list[float]]) -> None:
    """Print a line per action."""
    for what, values in times.items():
        middle, worst = 1000 * statistics.median(values), 1000 * max(values)
        print(f"  {what:32} {middle:9,.0f} {worst:9,.0f}   of {len(values)}")


def read_memory_mib(pid: int) -> float:
    """The most memory that a process has had so far; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Read the flags, and measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--traces", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        for n_traces in arguments.traces:
            folder = Path(temporary) / f"run-{n_traces}"
            write_large_run(arguments.run, folder, n_traces)
            size = sum(path.stat().st_size for path in (folder / "traces").iterdir())
            print(f"{n_traces:,} traces, {size / 1e6:,.0f} MB on disk; milliseconds")
            print(f"  {'':32} {'median':>9} {'worst':>9}")
            with serve(folder) as (client, seconds, process):
                measure(client, n_traces)
                report({"start, until the address is said": [seconds], **client.times})
                print(f"  most memory: {read_memory_mib(process.pid):,.0f} MiB")
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
