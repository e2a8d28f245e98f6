"""Stage 2 the paper's way and ours, side by side: time, memory, and what both keep.

The paper's way, written afresh from a description of its code: the growing prefix is encoded again
for every paragraph, logits of all positions go through one log-softmax over the whole vocabulary,
and the rest is encoded again after every removal, which goes by text. Ours is what `asap prune`
runs. Both read the same model and the same normalised traces, one at a time, each side in a process
of its own.

    python benchmarks/stage2.py                      # random 0.5B Qwen2, then the built-in model
    python benchmarks/stage2.py --model FOLDER       # another causal language model
    python benchmarks/stage2.py --model no-model     # everything but the model, on whole traces
    python benchmarks/stage2.py --smoke              # ten seconds, for a test

Traces are read from ASAP_REAL_DATA where it is set, else from `examples/`. Without the real data
there is no Qwen2 vocabulary either; a small one is trained on the examples then.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.convert_slow_tokenizer import TikTokenConverter
from transformers.utils import logging as transformers_logging

from asap.errors import UserError
from asap.prune import Asap, Options, Tools
from asap.surprisal import ScoreRequest, Statistic, StepScorer, StepScores, load_scorer
from asap.surprisal.alignment import find_step_tokens
from asap.surprisal.model_folder import find_model_folder
from asap.surprisal.tokenizer import TextTokenizer, TokenizedText, load_tokenizer
from asap.trace import OPENING, Budget, Kept, Trace, count_tokens, render_steps, segment_trace

RANDOM_QWEN = "random-qwen2-0.5b"
NO_MODEL = "no-model"
BOS = "<|begin|>"
WARM_UP = "Okay.\n\nWait, let me see.\n\nSo the answer is 3."
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SHAPES = {
    RANDOM_QWEN: {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
        "max_position_embeddings": 32_768,
    },
    "smoke": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 2048,
        "max_position_embeddings": 4096,
    },
}


@dataclass
class Measured:
    """One trace on one side."""

    n_tokens: int = 0
    n_steps: int = 0
    tokenize_s: float = 0.0
    model_s: float = 0.0
    drop_s: float = 0.0
    n_distinct_scores: int = 0
    kept: list[str] = field(default_factory=list)


@dataclass
class Side:
    """All traces on one side."""

    traces: list[Measured]
    peak_mib: float
    """The most memory that the process held beyond the loaded model."""


# ---------------------------------------------------------------------------------------------
# (a) the paper's procedure


def measure_paper(folder: Path, texts: Sequence[str], ratio: float, dtype: str) -> Side:
    """Every trace through the paper's procedure; without the model where there are no weights."""
    tokenizer, model = _load_plainly(folder, dtype)
    prune_like_the_paper(tokenizer, model, WARM_UP, ratio)
    reset_peak()
    before = peak_mib()
    measured = [prune_like_the_paper(tokenizer, model, text, ratio) for text in texts]
    return Side(measured, peak_mib() - before)


def _load_plainly(folder: Path, dtype: str) -> tuple[Any, Any]:
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    if not (folder / "model.safetensors").is_file():
        return tokenizer, None
    float_type = torch.bfloat16 if dtype == "bf16" else torch.float32
    return tokenizer, AutoModelForCausalLM.from_pretrained(folder, dtype=float_type)


def prune_like_the_paper(tokenizer: Any, model: Any, text: str, ratio: float) -> Measured:
    """Stage 2 of one trace, on the model's device; no model: numbers of the texts' own."""
    result = Measured()
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    result.n_steps = len(paragraphs)

    started = time.perf_counter()
    ids = tokenizer(OPENING + "\n\n".join(paragraphs))["input_ids"]
    result.n_tokens = len(tokenizer(text)["input_ids"])
    starts = []
    prefix = OPENING
    for paragraph in paragraphs:
        starts.append(len(tokenizer(prefix, add_special_tokens=False)["input_ids"]) + 1)
        prefix += paragraph + "\n\n"
    result.tokenize_s += time.perf_counter() - started

    started = time.perf_counter()
    if model is None:
        scores = [surprise(paragraph) for paragraph in paragraphs]
    else:
        with torch.no_grad():
            logits = model(torch.tensor([ids], device=model.device)).logits
            log_p = torch.log_softmax(logits, dim=-1)
        scores = [-log_p[0, start - 1, ids[start]].item() for start in starts]
    result.model_s = time.perf_counter() - started
    result.n_distinct_scores = len(set(scores))

    started = time.perf_counter()
    tokenizing = 0.0
    rest = list(paragraphs)
    # The begin of text counts in the paper's lengths; ours are of the text alone.
    limit = max(1, int(ratio * (result.n_tokens - 1))) + 1
    length = result.n_tokens
    for index in sorted(range(len(paragraphs)), key=lambda i: scores[i]):
        if length <= limit or len(rest) == 1:
            break
        rest.remove(paragraphs[index])  # by text: the first that is equal goes
        encoding = time.perf_counter()
        length = len(tokenizer("\n\n".join(rest))["input_ids"])
        tokenizing += time.perf_counter() - encoding
    result.tokenize_s += tokenizing
    result.drop_s = time.perf_counter() - started - tokenizing
    result.kept = rest
    return result


# ---------------------------------------------------------------------------------------------
# (b) ours


class TimedTokenizer:
    """A tokenizer with a stop-watch; serves as the counter and reads for the scorer."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self.seconds = 0.0
        self._tokenizer = tokenizer
        self._tokenize = tokenizer.tokenize
        tokenizer.tokenize = self.tokenize  # type: ignore[method-assign]

    @property
    def name(self) -> str:
        """The tokenizer's."""
        return self._tokenizer.name

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """The tokenizer's, timed."""
        started = time.perf_counter()
        tokens = self._tokenize(texts)
        self.seconds += time.perf_counter() - started
        return tokens

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokenizer's."""
        return self._tokenizer.token_starts(texts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """The tokenizer's."""
        return self._tokenizer.count(texts)


class TimedScorer:
    """A scorer with a stop-watch that stands still while the tokenizer works."""

    name = "timed"

    def __init__(self, score: Callable[..., list[StepScores]], tokenizer: TimedTokenizer) -> None:
        self.seconds = 0.0
        self.surprisal: tuple[float, ...] = ()
        self._score = score
        self._tokenizer = tokenizer

    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """The scorer's, timed."""
        started, tokenizing = time.perf_counter(), self._tokenizer.seconds
        scores = self._score(requests, statistics)
        tokenizing = self._tokenizer.seconds - tokenizing
        self.seconds += time.perf_counter() - started - tokenizing
        self.surprisal = scores[0].surprisal
        return scores


def measure_ours(folder: Path, texts: Sequence[str], ratio: float, dtype: str) -> Side:
    """Every trace through stage 2 as `asap prune` runs it; no weights: without the model."""
    if (folder / "model.safetensors").is_file():
        scorer: Any = load_scorer(str(folder), dtype=dtype, device="cpu")  # type: ignore[arg-type]
        tokenizer = TimedTokenizer(scorer.tokenizer)
        timed = TimedScorer(scorer.score, tokenizer)
    else:
        tokenizer = TimedTokenizer(load_tokenizer(str(folder)))
        timed = TimedScorer(
            lambda requests, _: [_align_only(tokenizer, each) for each in requests], tokenizer
        )
    _prune_our_way(tokenizer, timed, WARM_UP, ratio)
    reset_peak()
    before = peak_mib()
    measured = [_prune_our_way(tokenizer, timed, text, ratio) for text in texts]
    return Side(measured, peak_mib() - before)


def _prune_our_way(
    tokenizer: TimedTokenizer, scorer: TimedScorer, text: str, ratio: float
) -> Measured:
    tokenizer.seconds = scorer.seconds = 0.0
    method = Asap(
        Options(
            segment="paragraph",
            stage1="none",
            render="stripped",
            ties="earlier",
            keep_headers=False,
        )
    )
    started = time.perf_counter()
    trace = segment_trace(Trace(0, "0", "", text, ""), "paragraph")
    (trace,) = count_tokens([trace], tokenizer)
    # A stop-watch has only what stage 2 asks for.
    tools = Tools(tokenizer, cast(StepScorer, scorer))
    (outcome,) = method.prune([trace], Budget(ratio=ratio), tools)
    whole = time.perf_counter() - started
    if not isinstance(outcome, Kept) or trace.tokens is None:
        raise RuntimeError(f"not pruned: {outcome}")
    return Measured(
        n_tokens=trace.tokens.total + 1,
        n_steps=len(trace.steps),
        tokenize_s=tokenizer.seconds,
        model_s=scorer.seconds,
        drop_s=whole - scorer.seconds - tokenizer.seconds,
        n_distinct_scores=len(set(scorer.surprisal)),
        kept=render_steps(trace, outcome.selection.kept, "stripped").split("\n\n"),
    )


def _align_only(tokenizer: TimedTokenizer, request: ScoreRequest) -> StepScores:
    text = OPENING + request.thinking
    (tokens,) = tokenizer.tokenize([text])
    spans = find_step_tokens(text, len(OPENING), request.steps, tokens.starts, tokens.ends)
    firsts = tuple(span.first for span in spans)
    texts = [request.thinking[step.start : step.end] for step in request.steps]
    ids = tuple(tokens.ids[first] for first in firsts)
    return StepScores(firsts, ids, tuple(texts), tuple(surprise(each) for each in texts))


def surprise(text: str) -> float:
    """Stands in for the model: a number that hangs on the step's text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


# ---------------------------------------------------------------------------------------------
# memory and processes


def peak_mib() -> float:
    """The process's high-water mark."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def reset_peak() -> None:
    """Set the high-water mark to what is held now, where the system can do that."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call in a process of its own."""
    # Forked before this process has computed anything: the children find torch imported.
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"{function.__name__} died (exit code {process.exitcode})") from None
    process.join()
    return result


def _send_result(sender: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    sender.send(function(*arguments))


# ---------------------------------------------------------------------------------------------
# models and traces


def make_folder(kind: str, folder: Path) -> None:
    """A tokenizer with a begin-of-text token (the paper's procedure takes it for granted), and
    random weights unless none are wanted.
    """
    tokenizer = _real_vocabulary() if kind != "smoke" else None
    if tokenizer is None:
        tokenizer = _small_vocabulary()
    tokenizer.add_special_tokens([BOS])
    bos = (BOS, tokenizer.token_to_id(BOS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[bos]
    )
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer, bos_token=BOS).save_pretrained(folder)
    if kind == NO_MODEL:
        return
    torch.manual_seed(0)
    shape: dict[str, Any] = SHAPES[kind] | {"tie_word_embeddings": True, "bos_token_id": bos[1]}
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model: Any = Qwen2ForCausalLM(Qwen2Config(**shape))
    model.to(torch.bfloat16).save_pretrained(folder)


class _Converter(TikTokenConverter):
    """Reads the rank file itself; the tiktoken package is not needed for that."""

    @staticmethod
    def load_tiktoken_bpe(tiktoken_url: str) -> dict[bytes, int]:
        pairs = (line.split() for line in Path(tiktoken_url).read_bytes().splitlines())
        return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _real_vocabulary() -> Tokenizer | None:
    if "ASAP_REAL_DATA" not in os.environ:
        return None
    path = Path(os.environ["ASAP_REAL_DATA"]).parent / "tokenizers" / "qwen2.tiktoken"
    if not path.is_file():
        return None
    converted: Tokenizer = _Converter(str(path), pattern=SPLIT).converted()  # type: ignore[no-untyped-call]
    return converted


def _small_vocabulary() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(read_traces(), trainer)
    return tokenizer


def read_traces() -> list[str]:
    """Thinkings, shortest first, each as both sides read it: paragraphs stripped and joined."""
    if "ASAP_REAL_DATA" in os.environ:
        path = Path(os.environ["ASAP_REAL_DATA"]) / "codeforces-cots-r1" / "traces.jsonl.gz"
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.readlines()
    else:
        examples = Path(__file__).parent.parent / "examples" / "traces.jsonl"
        lines = examples.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line)["generation"] for line in lines]
    thinkings = [row.partition("<think>")[2].partition("</think>")[0] for row in rows]
    return sorted(map(normalise, thinkings), key=len)


def normalise(text: str) -> str:
    """What the paper's procedure makes of a text before it looks at it."""
    paragraphs = [line for part in text.split("\n\n") if (line := part.strip())]
    return "\n\n".join(paragraphs)


def choose_traces(rows: int, max_tokens: int, folder: Path) -> list[str]:
    """Traces spread over the lengths, each cut at a paragraph to at most `max_tokens`."""
    everything = read_traces()
    chosen = [everything[len(everything) * (2 * i + 1) // (2 * rows)] for i in range(rows)]
    tokenizer = load_tokenizer(str(folder))
    texts = []
    for text, tokens in zip(chosen, tokenizer.tokenize(chosen), strict=True):
        if len(tokens.ids) > max_tokens:
            text = text[: tokens.starts[max_tokens]].rpartition("\n\n")[0]
        texts.append(text)
    return texts


# ---------------------------------------------------------------------------------------------
# the table


def compare(label: str, folder: Path, texts: Sequence[str], ratio: float, dtype: str) -> None:
    """Measure both sides and print them."""
    paper: Side = in_process(measure_paper, folder, texts, ratio, dtype)
    ours: Side = in_process(measure_ours, folder, texts, ratio, dtype)
    print(f"\n{label}, {dtype}, ratio {ratio}, {torch.get_num_threads()} threads")
    print(
        f"{'tokens':>7} {'steps':>6} {'side':>6} {'tokenize s':>11} {'model s':>9} {'drop s':>8} "
        f"{'outside':>8} {'scores':>7}  same steps kept"
    )
    for theirs, mine in zip(paper.traces, ours.traces, strict=True):
        common = sum((Counter(theirs.kept) & Counter(mine.kept)).values())
        same = f"{common} of {len(theirs.kept)} and {len(mine.kept)}"
        for name, one in (("paper", theirs), ("ours", mine)):
            outside = one.tokenize_s + one.drop_s
            share = outside / max(1e-9, outside + one.model_s)
            print(
                f"{one.n_tokens:7} {one.n_steps:6} {name:>6} {one.tokenize_s:11.3f} "
                f"{one.model_s:9.3f} {one.drop_s:8.4f} {share:8.1%} {one.n_distinct_scores:7}"
                f"  {same if name == 'ours' else ''}"
            )
    _print_ratios(paper, ours)


def _print_ratios(paper: Side, ours: Side) -> None:
    def total(side: Side, pick: Callable[[Measured], float]) -> float:
        return sum(pick(one) for one in side.traces)

    def outside(one: Measured) -> float:
        return one.tokenize_s + one.drop_s

    def whole(one: Measured) -> float:
        return outside(one) + one.model_s

    for name, pick in (("outside the model", outside), ("in all", whole)):
        theirs, mine = total(paper, pick), total(ours, pick)
        print(f"{name}: paper {theirs:.2f} s, ours {mine:.2f} s: {theirs / max(mine, 1e-9):.1f}x")
    print(f"peak memory beyond the model: paper {paper.peak_mib:.0f}, ours {ours.peak_mib:.0f} MiB")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        action="append",
        help=f"{RANDOM_QWEN}, builtin, {NO_MODEL} or a folder; repeatable",
    )
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, help="cut traces there; default by model")
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--dtype", action="append", choices=["fp32", "bf16"])
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    names = ["smoke"] if args.smoke else args.model or [RANDOM_QWEN, "builtin"]
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            folder, limit = Path(scratch) / name.replace("/", "_"), args.max_tokens
            if name in (RANDOM_QWEN, NO_MODEL, "smoke"):
                in_process(make_folder, name, folder)
                limit = limit or {RANDOM_QWEN: 3000, NO_MODEL: 1_000_000, "smoke": 600}[name]
            else:
                folder = find_model_folder(name)[0]
                # Both sides read the same only where one window holds the trace.
                limit = limit or 4000
            texts = in_process(choose_traces, 2 if args.smoke else args.rows, limit, folder)
            for dtype in args.dtype or (
                ["fp32"] if args.smoke or name == NO_MODEL else ["fp32", "bf16"]
            ):
                compare(name, folder, texts, args.ratio, dtype)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
