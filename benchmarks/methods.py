"""Seconds per method and trace, all in one run on one machine; and what sharing saves `spirit`.

    python benchmarks/methods.py INPUT... [--rows 8] [--methods a,b] [--steps 12]

Each method prunes the same traces to half of their tokens, alone, with nothing remembered from the
method before; the model is loaded before the clock starts. The last line leaves steps out of the
longest trace, once through the model's cache and once with every past read anew.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left
from collections.abc import Sequence

from asap.corpus import open_corpus
from asap.prune import METHODS, Tools
from asap.rank import build_arms, list_free_methods
from asap.run import open_tools
from asap.surprisal import ScoreRequest
from asap.trace import Budget, Step, Trace, count_tokens, segment_trace


def read_traces(inputs: Sequence[str], n_rows: int, tools: Tools) -> list[Trace]:
    """The first usable traces, segmented and counted."""
    rows = (row.outcome for row in open_corpus(inputs).rows())
    traces = [segment_trace(each) for each in rows if isinstance(each, Trace)][:n_rows]
    return count_tokens(traces, tools.counter)


def time_methods(names: Sequence[str], traces: Sequence[Trace], tools: Tools) -> None:
    """One line per method: wall and CPU seconds per trace, and the ratio to `asap`."""
    n_tokens = sum(trace.tokens.total for trace in traces if trace.tokens)
    print(f"\n{len(traces)} traces, {n_tokens:,} tokens, {sum(len(t.steps) for t in traces)} steps")
    print("\n| method | s per trace | CPU s per trace | per 1,000 tokens, ms | to asap |")
    print("|---|---:|---:|---:|---:|")
    first = 0.0
    for arm in build_arms(names):
        wall, cpu = time.perf_counter(), time.process_time()
        METHODS[arm.recipe.method](arm.recipe.options).prune(traces, Budget(ratio=0.5), tools)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        first = first or wall
        cells = [f"{wall / len(traces):.3f}", f"{cpu / len(traces):.3f}"]
        cells += [f"{1e6 * wall / n_tokens:.2f}", f"{wall / first:.2f}"]
        print(f"| {arm.name} | {' | '.join(cells)} |", flush=True)


def time_sharing(trace: Trace, n_steps: int, tools: Tools, suffix_tokens: int) -> None:
    """Seconds per step left out: with the model's cache, and with every past read anew."""
    scorer = tools.need_scorer()
    started = time.perf_counter()
    scorer.score_left_out(
        [ScoreRequest(trace.question, trace.thinking, trace.steps)], suffix_tokens
    )
    shared = (time.perf_counter() - started) / len(trace.steps)
    (starts,) = tools.counter.token_starts([trace.thinking])
    n_all = len(trace.steps) - 1
    chosen = range(0, n_all, max(1, n_all // n_steps))
    started = time.perf_counter()
    for i in chosen:
        begin, behind = trace.steps[i].start, trace.steps[i + 1].start
        end = starts[min(len(starts) - 1, bisect_left(starts, behind) + suffix_tokens)]
        text = trace.thinking[:begin] + trace.thinking[behind:end]
        request = ScoreRequest(trace.question, text, (Step(begin, len(text)),))
        scorer.score([request], frozenset({"sum_nll"}))
    alone = (time.perf_counter() - started) / len(chosen)
    print(
        f"\nspirit on {len(trace.steps)} steps, {len(starts):,} tokens: {shared:.3f} s per step "
        f"with a shared past, {alone:.3f} s with every past read anew ({len(chosen)} steps): "
        f"{alone / shared:.1f} x"
    )


def main() -> None:
    """Read, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--methods", default=",".join(list_free_methods()))
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    names = arguments.methods.split(",")
    recipe = build_arms(["spirit"])[0].recipe
    with open_tools(recipe) as tools:
        traces = read_traces(arguments.inputs, arguments.rows, tools)
        time_methods(names, traces, tools)
        longest = max(traces, key=lambda trace: len(trace.thinking))
        time_sharing(longest, arguments.steps, tools, 512)


if __name__ == "__main__":
    main()
