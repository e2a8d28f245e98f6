"""Write the tables of the built-in model's card: how well it predicts, and if repeats score low.

Two questions. Bits per character of the thinking of held-out traces, in the format of use
(question, `<think>`, thinking; windows with stride W/2 where it is longer than the window W),
beside zstd and a 5-gram model on the model's own tokens. And ROC AUC for ranking verbatim repeats,
planted in held-out traces, below steps that are unique in them, by first-token surprisal (the
paper's Eq. 2) and by the step's mean NLL. Test splits only; the 5-gram model learns from the train
splits.

    python tools/evaluate_builtin.py --model FOLDER --data "$ASAP_REAL_DATA" [--limit N] [--card]

It prints the tables and writes FOLDER/evaluation.json; `--card` puts them into FOLDER/README.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from tokenizers import Tokenizer

from asap.surprisal import ScoreRequest, Statistic, StepScorer, load_scorer
from asap.trace import (
    OPENING,
    Step,
    Trace,
    classify_paragraph,
    parse_trace,
    segment_trace,
)

SOURCES = {"codeforces": "codeforces-cots-r1", "cruxeval": "cruxeval-o-r1"}
PLANTED_TRACES = 80  # traces of the codeforces test split in which repeats are planted
LONE_PER_TRACE, PASSAGES_PER_TRACE = 6, 3
PASSAGE_LENGTHS = (4, 8)
SHORTEST_STEP = (
    40  # characters: shorter steps are set phrases, which are foreseen whether repeated or not
)
KINDS = ("lone step", "passage, first step", "passage, later steps")
DISTANCES = ("within", "beyond")
ORDER = 5
TABLES = re.compile(r"(<!-- tables -->\n).*?(<!-- /tables -->)", re.DOTALL)


def read_test(data: Path, source: str, limit: int | None) -> list[Trace]:
    """Usable traces of one source's test split, segmented by `block`, in file order."""
    traces: list[Trace] = []
    with gzip.open(data / SOURCES[source] / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row, line in enumerate(lines):
            values: dict[str, Any] = json.loads(line)
            if values["split"] != "test":
                continue
            if "generation" in values:
                trace = parse_trace(row, str(values["id"]), "", response=values["generation"])
            else:
                question = f"{values['code']}\n{values['input']}"
                thinking = values["reasoning"].strip()
                trace = Trace(row, str(values["id"]), question, thinking, values["answer"])
            if isinstance(trace, Trace):
                traces.append(segment_trace(trace))
            if len(traces) == limit:
                break
    return traces


# --- bits per character


@dataclass(frozen=True)
class Bits:
    """Bits per character of the thinking of one test split."""

    source: str
    traces: int
    characters: int
    model: float
    five_gram: float
    zstd_split: float
    zstd_trace: float


def measure_bits(
    source: str, traces: Sequence[Trace], scorer: StepScorer, five_gram: KneserNey
) -> Bits:
    """The model's figure and those of its rivals, on the same characters."""
    characters = sum(len(trace.thinking) for trace in traces)
    requests = [
        ScoreRequest(trace.question, trace.thinking, (Step(0, len(trace.thinking)),))
        for trace in traces
    ]
    scores = scorer.score(requests, frozenset[Statistic]({"surprisal", "sum_nll"}))
    model_bits = sum(score.sum_nll[0] for score in scores) / math.log(2)
    texts = [trace.thinking for trace in traces]
    return Bits(
        source,
        len(traces),
        characters,
        model_bits / characters,
        sum(five_gram.bits(trace.question, trace.thinking) for trace in traces) / characters,
        zstd_bits(["\n\n".join(texts)]) / characters,
        zstd_bits(texts) / characters,
    )


def zstd_bits(texts: Sequence[str]) -> float:
    """Bits of the texts, each compressed on its own: level 19, matches up to 128 MiB back."""
    settings = zstandard.ZstdCompressionParameters.from_level(19, window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=settings)
    return 8.0 * sum(len(compressor.compress(text.encode())) for text in texts)


@dataclass(frozen=True)
class _Level:
    """Counts of one order: n-grams and their contexts, both as sorted integers."""

    keys: NDArray[np.uint64]
    counts: NDArray[np.float64]
    contexts: NDArray[np.uint64]
    totals: NDArray[np.float64]
    types: NDArray[np.float64]
    discount: float


class KneserNey:
    """Interpolated Kneser-Ney of order 5, one discount per order, for at most 4,096 tokens.

    An n-gram is one 64-bit integer, twelve bits a token; id 0 (`<|endoftext|>`) stands for the
    beginning of a text.
    """

    def __init__(self, tokenizer: Tokenizer, documents: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._width = max(1, (tokenizer.get_vocab_size() - 1).bit_length())
        if self._width * ORDER > 63:
            raise ValueError(f"{tokenizer.get_vocab_size()} tokens are too many for a {ORDER}-gram")
        grams = np.concatenate([self._grams(ids) for ids in self._encode(documents)])
        keys, counts = np.unique(grams, return_counts=True)
        self._levels = [self._level(keys, counts)]
        for order in range(ORDER - 1, 0, -1):
            # Lower orders count in how many different contexts a gram was seen, not how often.
            shorter = keys & np.uint64((1 << (self._width * order)) - 1)
            keys, counts = np.unique(shorter, return_counts=True)
            self._levels.insert(0, self._level(keys, counts))

    def bits(self, question: str, thinking: str) -> float:
        """Cost of the thinking, given question and opening tag."""
        context = f"{question}\n{OPENING}" if question else OPENING
        encoding = self._tokenizer.encode(context + thinking, add_special_tokens=False)
        starts = np.array([start for start, _ in encoding.offsets])
        grams = self._grams(encoding.ids)[starts >= len(context)]
        return float(-np.log2(self.probabilities(grams)).sum())

    def probabilities(self, grams: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Of the last token of each 5-gram, given the four before it."""
        values = np.full(len(grams), 1.0 / self._tokenizer.get_vocab_size())
        for order, level in enumerate(self._levels, start=1):
            keys = grams & np.uint64((1 << (self._width * order)) - 1)
            contexts = keys >> np.uint64(self._width)
            totals = _look_up(level.contexts, level.totals, contexts)
            is_known = totals > 0
            seen = np.maximum(_look_up(level.keys, level.counts, keys) - level.discount, 0.0)
            rest = level.discount * _look_up(level.contexts, level.types, contexts)
            mixed = (seen + rest * values) / np.where(is_known, totals, 1.0)
            values = np.where(is_known, mixed, values)
        return values

    def _encode(self, documents: Sequence[str]) -> Iterator[list[int]]:
        for start in range(0, len(documents), 64):
            batch = list(documents[start : start + 64])
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield encoding.ids

    def _grams(self, ids: Sequence[int]) -> NDArray[np.uint64]:
        """One 5-gram per token, the ones at the beginning filled up with zeros."""
        padded = np.array([0] * (ORDER - 1) + list(ids), dtype=np.uint64)
        grams = np.zeros(len(ids), dtype=np.uint64)
        for place in range(ORDER):
            grams = (grams << np.uint64(self._width)) | padded[place : place + len(ids)]
        return grams

    def _level(self, keys: NDArray[np.uint64], counts: NDArray[Any]) -> _Level:
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        discount = once / (once + 2 * twice) if once and twice else 0.75
        contexts, first = np.unique(keys >> np.uint64(self._width), return_index=True)
        totals = np.add.reduceat(counts.astype(np.float64), first)
        types = np.diff(np.append(first, len(keys))).astype(np.float64)
        return _Level(keys, counts.astype(np.float64), contexts, totals, types, discount)


def _look_up(
    keys: NDArray[np.uint64], values: NDArray[np.float64], wanted: NDArray[np.uint64]
) -> NDArray[np.float64]:
    """Values of the wanted keys, 0 for a key that is not there; `keys` is sorted."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0.0)


# --- planted repeats


@dataclass(frozen=True)
class Copy:
    """One planted step: where it stands and what it repeats."""

    step_index: int
    source_index: int
    place: int | None
    """0 for the first step of a passage, 1 and more for the later ones, None for a lone step."""


@dataclass(frozen=True)
class Planted:
    """A trace with repeats in it; the indices are those of its own steps."""

    trace: Trace
    copies: tuple[Copy, ...]
    unique: tuple[int, ...]
    """Steps to compare with: unique, prose, long enough, not copied and not right after a copy."""


def find_unique_prose(trace: Trace) -> list[int]:
    """Steps of prose that stand in the trace once, from `SHORTEST_STEP` characters on."""
    texts = [trace.text(i).strip() for i in range(len(trace.steps))]
    counts = Counter(texts)
    return [
        i
        for i, text in enumerate(texts)
        if counts[text] == 1
        and text == trace.text(i)
        and len(text) >= SHORTEST_STEP
        and "```" not in text
        and classify_paragraph(text) == "prose"
    ]


def plant(trace: Trace, rng: random.Random) -> Planted:
    """Copy passages and lone steps to random later step boundaries."""
    eligible = find_unique_prose(trace)
    free = set(eligible)
    sources: list[range] = []
    for _ in range(PASSAGES_PER_TRACE):
        length = rng.randint(*PASSAGE_LENGTHS)
        runs = [i for i in eligible if free.issuperset(range(i, i + length))]
        if runs:
            first = rng.choice(runs)
            sources.append(range(first, first + length))
            free.difference_update(sources[-1])
    inner = {i for source in sources for i in source[:-1]}  # a copy there would cut a source in two
    lone = rng.sample(sorted(free), min(LONE_PER_TRACE, len(free)))
    sources += [range(i, i + 1) for i in lone]
    after: dict[int, range] = {}  # step after which a copy goes -> what is copied
    for source in sources:
        places = [
            t for t in range(source[-1] + 1, len(trace.steps)) if t not in inner and t not in after
        ]
        if places:
            after[rng.choice(places)] = source
    return _write_planted(trace, after, eligible)


def _write_planted(trace: Trace, after: dict[int, range], eligible: Sequence[int]) -> Planted:
    """The text with the copies, and what stands where."""
    parts: list[str] = []
    steps: list[Step] = []
    index_of: dict[int, int] = {}
    copies: list[tuple[int, int, int | None]] = []
    position = 0

    def write(text: str, separator: str) -> None:
        nonlocal position
        steps.append(Step(position, position + len(text)))
        parts.extend((text, separator))
        position += len(text) + len(separator)

    for i in range(len(trace.steps)):
        index_of[i] = len(steps)
        write(trace.text(i), trace.separator(i) or "\n\n")
        for place, source in enumerate(after.get(i, ())):
            copies.append((len(steps), source, place if len(after[i]) > 1 else None))
            write(trace.text(source), "\n\n")
    planted = Trace(trace.row, trace.id, trace.question, "".join(parts), trace.answer, tuple(steps))
    copied = {source for source_range in after.values() for source in source_range}
    unique = tuple(index_of[i] for i in eligible if i not in copied and i - 1 not in after)
    return Planted(planted, tuple(Copy(a, index_of[b], c) for a, b, c in copies), unique)


def auc(lower: Sequence[float], higher: Sequence[float]) -> float:
    """The chance that a value of `lower` is below one of `higher`; ties count half."""
    if not lower or not higher:
        return math.nan
    ordered = np.sort(np.array(higher))
    below = len(ordered) - np.searchsorted(ordered, lower, side="right")
    ties = len(ordered) - np.searchsorted(ordered, lower, side="left") - below
    return float((below + 0.5 * ties).sum() / (len(lower) * len(ordered)))


@dataclass(frozen=True)
class Ranking:
    """AUC of one kind of planted repeats against the unique steps, pooled over traces."""

    kind: str
    distance: str
    repeats: int
    surprisal: float
    mean_nll: float


def find_window_start(token: int, n_head: int, window: int) -> int:
    """The first token of the window that a token of a text is scored in, both counted from the head
    (begin of text and opening tag) on: windows begin every half window, the first that holds it
    counts.
    """
    beyond = max(0, token + 1 - window)
    return n_head + -(-beyond // (window // 2)) * (window // 2)


def measure_ranking(
    traces: Sequence[Trace], scorer: StepScorer, n_head: int, window: int
) -> list[Ranking]:
    """Plant, score, pool. A repeat is within the window if the window in which it was scored holds
    its first occurrence: a shorter distance alone does not put it there.
    """
    rng = random.Random(0)
    planted = [plant(trace, rng) for trace in traces]
    requests = [ScoreRequest(p.trace.question, p.trace.thinking, p.trace.steps) for p in planted]
    scores = scorer.score(requests, frozenset[Statistic]({"surprisal", "mean_nll"}))
    pools: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for one, score in zip(planted, scores, strict=True):
        values = list(zip(score.surprisal, score.mean_nll, strict=True))
        pools["unique", ""] += [values[i] for i in one.unique]
        for copy in one.copies:
            kind = KINDS[0 if copy.place is None else 2 if copy.place else 1]
            at = score.first_token_index
            start = find_window_start(at[copy.step_index], n_head, window)
            is_within = at[copy.source_index] >= start
            pools[kind, DISTANCES[0 if is_within else 1]].append(values[copy.step_index])
    unique = pools.pop(("unique", ""))
    rankings = [Ranking("unique steps", "", len(unique), 0.5, 0.5)]
    for distance, kind in product(DISTANCES, KINDS):
        repeats = pools[kind, distance]
        by_surprisal = auc([value[0] for value in repeats], [value[0] for value in unique])
        by_mean = auc([value[1] for value in repeats], [value[1] for value in unique])
        rankings.append(Ranking(kind, distance, len(repeats), by_surprisal, by_mean))
    return rankings


# --- tables


def write_tables(bits: Sequence[Bits], rankings: Sequence[Ranking], window: int) -> str:
    """Both tables as Markdown."""
    lines = [
        "Bits per character of the thinking (the lower, the better):",
        "",
        "| test split | traces | characters | this model | 5-gram | zstd, all | zstd, single |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {b.source} | {b.traces} | {b.characters:,} | **{b.model:.3f}** | {b.five_gram:.3f} "
        f"| {b.zstd_split:.3f} | {b.zstd_trace:.3f} |"
        for b in bits
    ]
    lines += [
        "",
        f"ROC AUC for ranking planted repeats below the {rankings[0].repeats:,} unique steps "
        "of the same traces (chance: 0.5):",
        "",
        "| planted repeats | first occurrence | steps | by first-token surprisal | by mean NLL |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.kind} | {r.distance} the window of {window:,} tokens | {r.repeats:,} "
        f"| {r.surprisal:.3f} | {r.mean_nll:.3f} |"
        for r in rankings[1:]
    ]
    return "\n".join(lines) + "\n"


def read_training(model: Path) -> dict[str, Any]:
    """Facts of the training, from its log; where it went on from another model, that one's log is
    the log's first part.
    """
    path = model / "training-log.jsonl"
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    parts: list[list[dict[str, Any]]] = []
    for entry in entries:
        if "parameters" in entry:
            parts.append([])
        parts[-1].append(entry)
    return {
        "parameters": entries[0]["parameters"],
        "minutes": sum(float(part[0]["settings"]["minutes"]) for part in parts),
        "steps": sum(part[-1]["step"] for part in parts),
        "tokens": sum(max(entry.get("tokens", 0) for entry in part) for part in parts),
        "dev_bits_per_character": entries[-1]["dev_bits_per_character"],
    }


def write_card(model: Path, tables: str, training: dict[str, Any]) -> None:
    """Put the tables between the two marks of the model card."""
    path = model / "README.md"
    card = path.read_text(encoding="utf-8")
    if not TABLES.search(card):
        raise SystemExit(f"{path} lacks the marks <!-- tables --> and <!-- /tables -->")
    facts = (
        f"Training: {training['parameters']:,} parameters, {training['minutes']:.0f} minutes, "
        f"{training['steps']:,} steps, {training['tokens']:,} tokens; at its end "
        f"{training['dev_bits_per_character']:.3f} bits per character on the first 4,096 tokens of "
        "16 documents of the dev splits.\n\n"
    )
    path.write_text(TABLES.sub(lambda m: m[1] + facts + tables + m[2], card), encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--data", type=Path, required=True, help="folder with the sources")
    parser.add_argument("--limit", type=int, help="traces per test split, for a quick look")
    parser.add_argument("--train-limit", type=int, help="documents per source for the 5-gram model")
    parser.add_argument("--output", type=Path, help="default: evaluation.json in the model folder")
    parser.add_argument("--card", action="store_true", help="fill the tables of the model card")
    args = parser.parse_args()

    import train_builtin

    started = time.monotonic()

    def note(what: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {what}", file=sys.stderr, flush=True)

    window = json.loads((args.model / "config.json").read_text())["max_position_embeddings"]
    documents = [
        document
        for source in train_builtin.SOURCES
        for document in train_builtin.read_documents(args.data, source, "train")[: args.train_limit]
    ]
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    five_gram = KneserNey(tokenizer, documents)
    del documents
    note("5-gram model trained")
    scorer = load_scorer(str(args.model))
    bits = []
    for source in SOURCES:
        bits.append(
            measure_bits(source, read_test(args.data, source, args.limit), scorer, five_gram)
        )
        note(f"bits per character of {source}")
    del five_gram
    traces = read_test(args.data, "codeforces", args.limit or PLANTED_TRACES)
    rankings = measure_ranking(traces, scorer, len(tokenizer.encode(OPENING).ids), window)
    note(f"repeats planted in {len(traces)} traces and ranked")

    tables = write_tables(bits, rankings, window)
    print(tables)
    training = read_training(args.model)
    result = {
        "scorer": scorer.name,
        "window": window,
        "training": training,
        "planted_traces": len(traces),
        "bits_per_character": [asdict(b) for b in bits],
        "auc": [asdict(r) for r in rankings],
    }
    output = args.output or args.model / "evaluation.json"
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.card:
        write_card(args.model, tables, training)


if __name__ == "__main__":
    main()
