"""Train a small token classifier for `llmlingua2` and `tokenskip`: an encoder that tells which
tokens of a trace could go.

LLMLingua-2 learns from GPT-4, which is told to leave words out. Here the labels come from planted
redundancy: passages that repeat what the trace has said before are put into traces of the train
splits, and their tokens are what should go. It shows that everything in the two methods works, on a
laptop; it is no match for the published weights.

    python tools/train_classifier.py --data "$ASAP_REAL_DATA" --output FOLDER --minutes 6
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    ModernBertConfig,
    ModernBertForTokenClassification,
    PreTrainedTokenizerFast,
)

from asap.rank import Planted, plant_redundancy
from asap.surprisal import find_model_folder
from asap.trace import Trace, segment_trace

SOURCES = ("codeforces-cots-r1", "cruxeval-o-r1")
CHUNK = 510  # pieces that LLMLingua-2 reads at once, without the special tokens
N_DEV = 10
GOES, STAYS, SPECIAL = 0, 1, -100
Example = tuple[list[int], list[int]]


def read_traces(data: Path, split: str, n_traces: int) -> list[Trace]:
    """Segmented traces of one split, the same number of each source."""
    traces = []
    for number, source in enumerate(SOURCES):
        with gzip.open(data / source / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = (json.loads(line) for line in lines)
            chosen = islice((row for row in rows if row["split"] == split), n_traces)
            for i, row in enumerate(chosen):
                text = row.get("reasoning") or row["generation"].partition("<think>")[2]
                thinking = text.partition("</think>")[0].strip()
                if thinking:
                    trace = Trace(i * len(SOURCES) + number, row["id"], "", thinking, "")
                    traces.append(segment_trace(trace, "block"))
    return traces


def label(planted: Planted, tokenizer: Any) -> list[Example]:
    """Ids and labels of each chunk; a token goes whose first sign stands in a redundant plant."""
    encoding = tokenizer(
        planted.trace.thinking, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    labels = [STAYS] * len(encoding["input_ids"])
    plants = [(plant.start, plant.end) for plant in planted.plants if plant.is_redundant]
    for i, (start, _) in enumerate(encoding["offset_mapping"]):
        if any(first <= start < last for first, last in plants):
            labels[i] = GOES
    begin = tokenizer.bos_token_id
    return [
        (
            [begin, *encoding["input_ids"][start : start + CHUNK]],
            [SPECIAL, *labels[start : start + CHUNK]],
        )
        for start in range(0, len(labels), CHUNK)
    ]


def plant_all(traces: list[Trace], seed: int, tokenizer: Any) -> list[Example]:
    """The chunks of all traces with passages planted in them; digressions come from the others."""
    examples: list[Example] = []
    rng = random.Random(seed)
    for trace in traces:
        donors = rng.sample(traces, min(8, len(traces)))
        examples += label(plant_redundancy(trace, donors, seed, "block"), tokenizer)
    return examples


def stack(examples: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, attention mask and labels, padded on the right."""
    longest = max(len(ids) for ids, _ in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    labels = torch.full((len(examples), longest), SPECIAL)
    mask = torch.zeros(len(examples), longest, dtype=torch.long)
    for row, (own_ids, own_labels) in enumerate(examples):
        ids[row, : len(own_ids)] = torch.tensor(own_ids)
        labels[row, : len(own_ids)] = torch.tensor(own_labels)
        mask[row, : len(own_ids)] = 1
    return ids, mask, labels


def make_model(vocab_size: int, hidden_size: int, n_layers: int) -> Any:
    """A ModernBERT of the size asked for, with random weights; every layer sees the whole chunk."""
    torch.manual_seed(0)
    settings: dict[str, Any] = dict(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=hidden_size * 2,
        num_hidden_layers=n_layers,
        num_attention_heads=hidden_size // 32,
        max_position_embeddings=CHUNK + 2,
        global_attn_every_n_layers=1,
        attn_implementation="sdpa",
        num_labels=2,
        id2label={GOES: "goes", STAYS: "stays"},
        label2id={"goes": GOES, "stays": STAYS},
        bos_token_id=0,
        eos_token_id=0,
        cls_token_id=0,
        sep_token_id=0,
        pad_token_id=0,
    )
    return ModernBertForTokenClassification(ModernBertConfig(**settings))


def auc(keep: Tensor, labels: Tensor) -> float:
    """Chance that a token that stays has a higher probability than one that goes."""
    order = torch.argsort(keep)
    is_staying = labels[order] == STAYS
    n_stay, n_go = int(is_staying.sum()), int((~is_staying).sum())
    ranks = torch.arange(1, len(order) + 1, dtype=torch.float64)
    return float((ranks[is_staying].sum() - n_stay * (n_stay + 1) / 2) / (n_stay * n_go))


@torch.inference_mode()
def evaluate(model: Any, examples: list[Example]) -> dict[str, float]:
    """Loss and AUC over all tokens of held-out chunks."""
    model.eval()
    keeps, all_labels = [], []
    for start in range(0, len(examples), 16):
        ids, mask, labels = stack(examples[start : start + 16])
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        real = labels != SPECIAL
        keeps.append(logits.softmax(-1)[..., STAYS][real])
        all_labels.append(labels[real])
    keep, labels = torch.cat(keeps), torch.cat(all_labels)
    chance = torch.where(labels == STAYS, keep, 1 - keep)
    return {
        "dev_loss": round(float(-chance.clamp_min(1e-9).log().mean()), 4),
        "dev_auc": round(auc(keep, labels), 4),
        "dev_share_that_goes": round(float((labels == GOES).double().mean()), 4),
    }


def train(model: Any, examples: list[Example], args: argparse.Namespace, log: Any) -> None:
    """Train for `args.minutes`; the learning rate rises shortly and falls along a cosine."""
    rng = random.Random(args.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01)
    started, step, recent = time.monotonic(), 0, 0.0
    model.train()
    while (progress := (time.monotonic() - started) / (60 * args.minutes)) < 1.0:
        ids, mask, labels = stack(rng.sample(examples, args.batch))
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        loss = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=SPECIAL
        )
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        warmth = min(1.0, (step + 1) / 30)
        optimizer.param_groups[0]["lr"] = (
            args.rate * warmth * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
        )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        recent = loss.item() if step == 1 else 0.95 * recent + 0.05 * loss.item()
        if step % 20 == 0:
            seconds = round(time.monotonic() - started)
            print(json.dumps({"step": step, "seconds": seconds, "loss": recent}), file=log)
            log.flush()


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the sources")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--traces", type=int, default=200, help="of each source")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--batch", type=int, default=12, help="chunks")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Labels, model, training, a folder that transformers loads."""
    args = parse_arguments()
    folder, _ = find_model_folder("builtin")
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.model_max_length = CHUNK + 2
    examples = plant_all(read_traces(args.data, "train", args.traces), args.seed, tokenizer)
    dev = plant_all(read_traces(args.data, "dev", N_DEV), args.seed, tokenizer)
    model = make_model(len(tokenizer), args.hidden_size, args.layers)
    args.output.mkdir(parents=True, exist_ok=True)
    with (args.output / "training-log.jsonl").open("w", encoding="utf-8") as log:
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        print(json.dumps({"parameters": n_parameters, "chunks": len(examples)}), file=log)
        train(model, examples, args, log)
        print(json.dumps(evaluate(model, dev)), file=log)
    model.save_pretrained(args.output)
    tokenizer.save_pretrained(args.output)


if __name__ == "__main__":
    main()
