"""Train the built-in scorer: a small causal LM on DeepSeek-R1 reasoning, with a byte-level BPE of
its own.

The architecture is LFM2's: Llama's blocks, but in some of them a short causal convolution stands
in for attention. It hands each position its predecessors, which is half of what foreseeing a repeat
takes and what a Llama of this size is slow to learn, and it costs next to nothing on a CPU.

It is not a general training script: one model, one data layout (the folders named in `SOURCES`),
one schedule that fits itself to the minutes it is given, so that a laptop and a GPU run the same
file. Only train splits are read; the dev split gives the validation figure in the log.
`tools/evaluate_builtin.py` writes the model card's tables.

    python tools/train_builtin.py --data "$ASAP_REAL_DATA" --output MODEL_FOLDER --minutes 100

With `--start-from` a trained model goes on: its tokenizer stays, and so does its shape.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedTokenizerFast

Ids = npt.NDArray[np.uint16]

# Share of the windows drawn from each source: Codeforces traces are what the tool is mostly used
# on, the CRUXEval ones are the only ones with a question.
SOURCES = {"codeforces-cots-r1": 0.40, "cruxeval-o-r1": 0.06, "r1-code-reasoning": 0.54}
END = "<|endoftext|>"
# Qwen2's pre-tokenization pattern: blank lines close a token, so a step never begins inside one.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DECAY_FROM = 0.60  # share of the time after which the learning rate falls linearly to zero
SHORT, LONG = 1024, 4096
LAYER_TYPES = {"c": "conv", "a": "full_attention"}


def read_documents(data: Path, source: str, split: str) -> list[str]:
    """Texts of one source in the layout in which the model is used: question, `<think>`, thinking,
    `</think>`, answer.
    """
    documents = []
    with gzip.open(data / source / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            if row.get("split", "train") != split:
                continue
            if "generation" in row:
                documents.append(row["generation"])
            elif "code" in row:
                question = f"{row['code']}\n{row['input']}"
                documents.append(
                    f"{question}\n<think>\n{row['reasoning'].strip()}\n</think>\n{row['answer']}"
                )
            else:
                documents.append(f"<think>\n{row['reasoning'].strip()}\n</think>\n")
    return documents


def train_tokenizer(texts: list[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE; a begin-of-text token is put in front, as most Llama-style models expect."""
    bpe = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), byte_level]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, 0)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe, bos_token=END, eos_token=END, pad_token=END, model_max_length=LONG
    )


def encode(tokenizer: PreTrainedTokenizerFast, documents: list[str]) -> Ids:
    """All documents as one stream of ids, each opened by the begin-of-text token."""
    ids: list[int] = []
    for start in range(0, len(documents), 64):
        for encoding in tokenizer(documents[start : start + 64])["input_ids"]:
            ids.extend(encoding)
    return np.array(ids, dtype=np.uint16)


def plant_copies(window: Ids, rng: random.Random) -> Ids:
    """Overwrite stretches of the window, one to four for each `SHORT` tokens, with copies of
    earlier ones, from any token.
    """
    window = window.copy()
    for _ in range(rng.randint(1, 4) * (len(window) // SHORT)):
        length = int(math.exp(rng.uniform(math.log(8), math.log(SHORT // 4))))
        source = rng.randint(0, len(window) - 2 * length)
        target = rng.randint(source + length, len(window) - length)
        window[target : target + length] = window[source : source + length]
    return window


def windows(
    streams: dict[str, Ids], length: int, copy_share: float, rng: random.Random
) -> Iterator[Ids]:
    """Endless windows of `length` + 1 ids, drawn from the sources in their shares."""
    names = list(streams)
    while True:
        stream = streams[rng.choices(names, [SOURCES[name] for name in names])[0]]
        start = rng.randrange(len(stream) - length - 1)
        window = stream[start : start + length + 1]
        yield plant_copies(window, rng) if rng.random() < copy_share else window


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Hidden matrices (for Muon) and everything else (for AdamW)."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_hidden_matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
        (matrices if is_hidden_matrix else rest).append(parameter)
    return matrices, rest


@torch.no_grad()
def bits_per_character(
    model: nn.Module, tokenizer: PreTrainedTokenizerFast, documents: list[str], device: str
) -> float:
    """Mean cost of the first `LONG` tokens of each document."""
    bits = characters = 0.0
    for document in documents:
        ids = tokenizer(document, return_tensors="pt", truncation=True, max_length=LONG)[
            "input_ids"
        ].to(device)
        logits = model(input_ids=ids).logits[0, :-1].float()
        bits += functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item() / math.log(2)
        characters += len(tokenizer.decode(ids[0, 1:]))
    return bits / characters


def make_model(args: argparse.Namespace) -> Lfm2ForCausalLM:
    """An LFM2 of the size asked for, with random weights and tied embeddings; or the one to start
    from.
    """
    rope_parameters = {"rope_type": "default", "rope_theta": args.rope_theta}
    if args.start_from:
        trained: Lfm2ForCausalLM = Lfm2ForCausalLM.from_pretrained(
            args.start_from, rope_parameters=rope_parameters, dtype=torch.float32
        )
        return torch.nn.Module.to(trained, args.device)
    layer_types = [LAYER_TYPES[letter] for letter in args.layers]
    config = Lfm2Config(
        vocab_size=args.vocab_size,
        hidden_size=args.hidden_size,
        num_hidden_layers=len(layer_types),
        layer_types=layer_types,
        conv_L_cache=args.kernel_size,
        num_attention_heads=args.heads,
        num_key_value_heads=args.heads,
        head_dim=64,  # type: ignore[call-arg]  # attention reads it; the config does not declare it
        intermediate_size=args.hidden_size * 8 // 3 // 32 * 32,
        block_auto_adjust_ff_dim=False,
        max_position_embeddings=LONG,
        rope_parameters=rope_parameters,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    model: Lfm2ForCausalLM = Lfm2ForCausalLM(config).to(args.device)
    return model


class Log:
    """One JSON object a line, and the clock of the run."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the training began."""
        return time.monotonic() - self.started

    def write(self, **entry: Any) -> None:
        """Add a line."""
        print(json.dumps(entry), file=self.file, flush=True)


def train(
    args: argparse.Namespace,
    model: Lfm2ForCausalLM,
    streams: dict[str, Ids],
    log: Log,
    save: Callable[[int], None],
) -> int:
    """Train for `args.minutes`, saving every `args.checkpoint_minutes`; returns the steps made."""
    rng = random.Random(args.seed)
    matrices, rest = split_parameters(model)
    optimizers: list[tuple[torch.optim.Optimizer, float]] = [
        (torch.optim.Muon(matrices, momentum=0.95, weight_decay=0.0), args.muon_rate),
        (torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.0), args.adam_rate),
    ]

    def loss_of(ids: Tensor) -> Tensor:
        with torch.autocast(args.device, torch.bfloat16):
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        return functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())

    compiled = torch.compile(loss_of, dynamic=False)
    batches = {length: windows(streams, length, args.copy_share, rng) for length in (SHORT, LONG)}
    step = tokens = 0
    recent = last_checkpoint = 0.0
    while (progress := log.seconds / (60 * args.minutes)) < 1.0:
        length = LONG if progress >= args.long_context_from else SHORT
        n_windows = max(1, args.batch_tokens // length)
        batch = np.stack([next(batches[length]) for _ in range(n_windows)]).astype(np.int64)
        loss = compiled(torch.from_numpy(batch).to(args.device))
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scale = min(1.0, (step + 1) / 30) * min(1.0, (1.0 - progress) / (1.0 - DECAY_FROM))
        for optimizer, rate in optimizers:
            optimizer.param_groups[0]["lr"] = rate * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        tokens += batch.size
        recent = loss.item() if step == 1 else 0.95 * recent + 0.05 * loss.item()
        if step % 20 == 0:
            log.write(
                step=step,
                tokens=tokens,
                seconds=round(log.seconds),
                loss=round(recent, 4),
                scale=round(scale, 4),
            )
        if log.seconds - last_checkpoint > 60 * args.checkpoint_minutes:
            save(step)
            last_checkpoint = log.seconds
    return step


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the sources")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--start-from", type=Path, help="a model of this script, to go on with")
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument(
        "--long-context-from",
        type=float,
        default=0.5,
        help=f"share of the time after which windows grow from {SHORT} to {LONG} tokens",
    )
    parser.add_argument(
        "--copy-share",
        type=float,
        default=0.2,
        help="of the windows get planted copies: the model learns early to foresee repeats",
    )
    parser.add_argument(
        "--rope-theta",
        type=float,
        default=1e6,
        help="at 1e4 few of a head's dimensions still compare words, not places, 1,000 tokens off",
    )
    parser.add_argument("--hidden-size", type=int, default=320)
    parser.add_argument("--layers", default="cacac", help="c: convolution, a: attention")
    parser.add_argument("--kernel-size", type=int, default=4, help="of the convolutions")
    parser.add_argument("--heads", type=int, default=4, help="of 64 each; they cost most on a CPU")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--batch-tokens", type=int, default=8 * SHORT)
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--adam-rate", type=float, default=0.004)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-minutes", type=float, default=10.0)
    return parser.parse_args()


def main() -> None:
    """Tokenizer, streams, model, training, weights in bf16."""
    args = parse_arguments()
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    documents = {source: read_documents(args.data, source, "train") for source in SOURCES}
    pool = [document for texts in documents.values() for document in texts]
    if args.start_from:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.start_from)
    else:
        tokenizer = train_tokenizer(rng.sample(pool, min(1500, len(pool))), args.vocab_size)
    streams = {}
    for source, texts in documents.items():
        rng.shuffle(texts)
        streams[source] = encode(tokenizer, texts)
    with_dev = [source for source in SOURCES if source != "r1-code-reasoning"]
    dev = [text for source in with_dev for text in read_documents(args.data, source, "dev")[:8]]

    model = make_model(args)
    args.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(args.output)
    log = Log(args.output / "training-log.jsonl")
    log.write(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        stream_tokens={source: len(stream) for source, stream in streams.items()},
        settings={k: str(v) for k, v in vars(args).items() if k not in ("data", "output")},
    )

    def save(step: int) -> None:
        bits = bits_per_character(model, tokenizer, dev, args.device)
        log.write(step=step, dev_bits_per_character=bits)
        model.save_pretrained(args.output)

    save(train(args, model, streams, log, save))
    torch.nn.Module.to(model, torch.bfloat16).save_pretrained(args.output)


if __name__ == "__main__":
    main()
