"""A whole run of stage 2 on an accelerator: how near its arithmetic limit, and how far from the
paper's procedure, on the same model and traces in one process.

The model has Qwen2-7B's shape and random weights, made on the device; nothing is fetched. The limit
is the best of several large multiplications of matrices on that device. A run is what `asap prune`
does: reading, segmenting, counting, scoring, dropping, writing. The paper's procedure (written
afresh in `stage2.py`) reads some of the traces as well, and both sides are set against each other
on those.

    python benchmarks/gpu_score.py                          # 7B on the GPU; a small shape on a CPU
    python benchmarks/gpu_score.py --shape 0.5b --traces 16
    python benchmarks/gpu_score.py --timeline trace.json    # for a browser's tracing page
    python benchmarks/gpu_score.py --smoke                  # ten seconds, for a test

Traces are read from ASAP_REAL_DATA where it is set, else from `examples/`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stage2 import make_folder, prune_like_the_paper, read_traces
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from asap.corpus import open_corpus
from asap.prune import Tools
from asap.run import load_recipe, prune_corpus
from asap.surprisal import Statistic, StepScores
from asap.surprisal.tokenizer import load_tokenizer
from asap.surprisal.transformers_scorer import TransformersScorer

SHAPES: dict[str, dict[str, int]] = {
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152_064,
    },
    "0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
    },
    "small": {
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
    },
}
WINDOW = 32_768
RATIO = 0.5


@dataclass
class Work:
    """What has gone through the model."""

    n_tokens: int = 0
    operations: float = 0.0
    """Multiplications and additions that the result needs: those of padding do not count."""


class CountingScorer(TransformersScorer):
    """The scorer, and how much it was given to do."""

    work = Work()

    def score(
        self,
        requests: Any,
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """The scorer's, counted."""
        scores = super().score(requests, statistics)
        for found in scores:
            n_tokens = found.first_token_index[-1]
            self.work.n_tokens += n_tokens
            n_rows = len(found.surprisal)
            self.work.operations += count_operations(self._model.config, n_tokens, n_rows)
        return scores


def count_operations(config: Any, n_tokens: int, n_rows: int) -> float:
    """Of one text: matrices of all layers, causal attention, the output layer at some rows."""
    width, inner = config.hidden_size, config.intermediate_size
    share = config.num_key_value_heads / config.num_attention_heads
    matrices = 2 * width * width * (1 + share) + 3 * width * inner
    layers = config.num_hidden_layers * (2 * matrices * n_tokens + 2 * width * n_tokens**2)
    return float(layers + 2 * width * config.vocab_size * n_rows)


def make_model(shape: str, device: str) -> Any:
    """Random weights in bf16, made where they are used."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    sizes: dict[str, Any] = {**SHAPES[shape], "max_position_embeddings": WINDOW}
    config = Qwen2Config(**sizes, use_sliding_window=False)
    with torch.device(device):
        model: Any = Qwen2ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return model.eval()


@torch.inference_mode()
def measure_peak(device: str) -> float:
    """Operations per second of the fastest of several large products in bf16."""
    n, n_times = (8192, 20) if device == "cuda" else (1024, 5)
    one, other = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(5):
        synchronise(device)
        started = time.perf_counter()
        for _ in range(n_times):
            one @ other
        synchronise(device)
        seconds.append((time.perf_counter() - started) / n_times)
    return 2 * n**3 / min(seconds)


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def write_input(texts: list[str], path: Path) -> None:
    """Traces as rows that `asap prune` reads."""
    rows = ({"question": "", "reasoning": text, "answer": "Done."} for text in texts)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run_ours(scorer: CountingScorer, texts: list[str], folder: Path) -> tuple[float, Work]:
    """Seconds of a whole run, and what went through the model in it."""
    folder.mkdir()
    write_input(texts, folder / "in.jsonl")
    changes = {"stage1": "none", "ratio": RATIO, "on_step_over_budget": "keep"}
    recipe = load_recipe("default", changes)
    scorer.work = Work()
    corpus = open_corpus([str(folder / "in.jsonl")])
    started = time.perf_counter()
    prune_corpus(corpus, folder / "run", recipe, Tools(scorer.tokenizer, scorer), max_excluded=1)
    return time.perf_counter() - started, scorer.work


def run_paper(model: Any, tokenizer: Any, texts: list[str], device: str) -> float:
    """Seconds of the paper's procedure."""
    started = time.perf_counter()
    for text in texts:
        prune_like_the_paper(tokenizer, model, text, RATIO)
        synchronise(device)
    return time.perf_counter() - started


def profile(scorer: CountingScorer, texts: list[str], folder: Path, timeline: Path | None) -> None:
    """Where the GPU stood still in a run: the longest gaps and their sum."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as found:
        run_ours(scorer, texts, folder)
    if timeline is not None:
        found.export_chrome_trace(str(timeline))
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if event.device_type == torch._C._autograd.DeviceType.CUDA
    )
    gaps, end = [], spans[0][0]
    for start, stop in spans:
        if start > end:
            gaps.append(start - end)
        end = max(end, stop)
    whole = end - spans[0][0]
    longest = ", ".join(f"{gap / 1000:.1f}" for gap in sorted(gaps, reverse=True)[:5])
    print(f"GPU idle {sum(gaps) / whole:.1%} of {whole / 1e6:.2f} s; longest gaps (ms): {longest}")


def spread(texts: list[str], n: int) -> list[str]:
    """`n` of them at even distances, so that short and long ones are among them."""
    n = min(n, len(texts))
    return [texts[len(texts) * (2 * i + 1) // (2 * n)] for i in range(n)]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--traces", type=int, default=128)
    parser.add_argument("--paper-traces", type=int, default=6)
    parser.add_argument("--timeline", type=Path, help="write the profiler's timeline there")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = args.shape or ("7b" if device == "cuda" else "small")
    if args.smoke:
        args.traces, args.paper_traces = 3, 1
    with tempfile.TemporaryDirectory() as scratch:
        measure(args, shape, device, Path(scratch))


def measure(args: argparse.Namespace, shape: str, device: str, scratch: Path) -> None:
    """All of it, printed as it comes."""
    make_folder("no-model", scratch / "tokenizer")
    tokenizer = load_tokenizer(str(scratch / "tokenizer"))
    texts = spread(read_traces(), args.traces)
    if args.smoke:
        texts = [text[:3000] for text in texts]
    peak = measure_peak(device)
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()}t"
    print(f"{name}; torch {torch.__version__}; largest products in bf16: {peak / 1e12:.2f} TFLOP/s")
    model = make_model(shape, device)
    scorer = CountingScorer(model, tokenizer, name=shape)
    print(f"Qwen2 {shape}, random weights, bf16; packed: {scorer.is_packed}")
    lengths = [len(tokens.ids) for tokens in tokenizer.tokenize(texts)]
    print(
        f"{len(texts)} traces, {sum(lengths):,} tokens, median {statistics.median(lengths):,.0f}, "
        f"longest {max(lengths):,}"
    )
    run_ours(scorer, texts[:1], scratch / "warm-up")
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds, work = run_ours(scorer, texts, scratch / "ours")
    print(
        f"ours: {seconds:.2f} s, {len(texts) / seconds:.2f} traces/s, "
        f"{work.n_tokens / seconds:,.0f} tokens/s, {work.operations / seconds / peak:.1%} of the "
        "measured peak, reading and writing included"
    )
    if device == "cuda":
        print(f"peak memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        profile(scorer, texts[:32], scratch / "profiled", args.timeline)
    some = spread(texts, args.paper_traces)
    mine, _ = run_ours(scorer, some, scratch / "some")
    fast: Any = PreTrainedTokenizerFast.from_pretrained(scratch / "tokenizer")
    theirs = run_paper(model, fast, some, device)
    print(
        f"{len(some)} traces: the paper's procedure {theirs:.2f} s, ours {mine:.2f} s: "
        f"{theirs / mine:.1f}x"
    )


if __name__ == "__main__":
    main()
