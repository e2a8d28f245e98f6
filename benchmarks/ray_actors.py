"""Does a second scorer on Ray score twice as much? Traces per second with two actors against one.

    python benchmarks/ray_actors.py --input TRACES [--rows 24] [--repeats 2] [--smoke]

One Ray on this machine; the built-in scorer, one thread an actor; the same rows each time, one a
shard, so that there is always another to score. The models are loaded and warm before the clock
runs. Both sides in turns (1, 2, 2, 1), and the load of the machine beside them: on a machine that
is busy, or has fewer than three cores, the ratio says little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from asap.corpus import Corpus, open_corpus
from asap.prune import Need, Tools
from asap.run import RayCluster, Recipe, load_recipe, open_cluster, open_tools, prune_corpus

EXAMPLES = Path(__file__).parents[1] / "examples" / "traces.jsonl"
RECIPE = {"ratio": 0.3, "stage1": "none", "dtype": "fp32"}


def open_on_one_thread(recipe: Recipe, needs: frozenset[Need]) -> AbstractContextManager[Tools]:
    """The tools of one process, whose model has one thread."""
    if "scorer" in needs:
        import torch

        torch.set_num_threads(1)
    return open_tools(recipe, needs=needs)


def prune(corpus: Corpus, recipe: Recipe, cluster: RayCluster, n_rows: int) -> tuple[float, int]:
    """Seconds and tokens of one run over the first rows."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        result = prune_corpus(
            corpus,
            Path(folder) / "run",
            recipe,
            cluster.tools,
            limit=n_rows,
            shard_rows=1,
            max_excluded=1.0,
            executor=cluster.run,
        )
        return time.perf_counter() - started, result.summary.tokens_before


def measure(corpus: Corpus, n_models: int, n_rows: int) -> tuple[float, float]:
    """Rows and tokens per second with so many scorers."""
    recipe = load_recipe("default", RECIPE)
    opener = partial(open_on_one_thread, recipe)
    with open_cluster("ray", recipe, n_models=n_models, opener=opener) as cluster:
        prune(corpus, recipe, cluster, 4 * n_models)
        seconds, n_tokens = prune(corpus, recipe, cluster, n_rows)
    print(
        f"{n_models} actors: {n_rows / seconds:.2f} traces/s, {n_tokens / seconds:,.0f} tokens/s"
        f" ({seconds:.1f} s; load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return n_rows / seconds, n_tokens / seconds


def main() -> None:
    """Measure, print each side and the ratio of the best of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--input", default=str(EXAMPLES))
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="two rows, once")
    args = parser.parse_args()
    n_rows, n_repeats = (2, 1) if args.smoke else (args.rows, args.repeats)
    corpus = open_corpus([args.input])
    best = {1: 0.0, 2: 0.0}
    for repeat in range(n_repeats):
        for n_models in (1, 2) if repeat % 2 == 0 else (2, 1):
            rows_per_s, _ = measure(corpus, n_models, n_rows)
            best[n_models] = max(best[n_models], rows_per_s)
    print(f"2 actors against 1: {best[2] / best[1]:.2f} times, best of {n_repeats} each")


if __name__ == "__main__":
    main()
