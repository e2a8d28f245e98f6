"""Tiny random models with their own tokenizers, and real vocabularies where they are at hand."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from asap.surprisal import ScoreRequest
from asap.trace import segment_thinking

TEXT = """Okay, so I need to find the number of pairs.

Wait, let me check the first example again. n = 3, and the array is [1, 2, 3].

def solve(n):

    if n == 0:

        return 1

    return n * solve(n - 1)

Wait, no. That's wrong: the answer for n = 4 is 10. So the approach isn't right… 🙂

Hmm, maybe the sum of all pairs (i, j) where i < j? Alternatively, we can sort the array first.

But wait, let me check the second example. For n = 5, the output is 12, which matches.
"""
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BOS = "<|begin|>"


def train_bpe(vocab_size: int = 400) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, has_bos: bool) -> None:
    if has_bos:
        tokenizer.add_special_tokens([BOS])
        bos = (BOS, tokenizer.token_to_id(BOS))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[bos]
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=BOS)
    fast.save_pretrained(folder)


def random_model(kind: str, vocab_size: int, **changes: object) -> PreTrainedModel:
    """Weights are drawn wide, so that surprisals differ by whole nats."""
    torch.manual_seed(7)
    sizes: dict[str, object] = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 4096,
        "initializer_range": 0.3,
        "pad_token_id": None,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    if kind == "gpt2":
        config = GPT2Config(
            vocab_size=vocab_size,
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_positions=4096,
            initializer_range=0.3,
        )
        return GPT2LMHeadModel(config).eval()
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**sizes | changes)).eval()
    if kind == "gemma2":
        capped = {"final_logit_softcapping": 2.0, "query_pre_attn_scalar": 8}
        return Gemma2ForCausalLM(Gemma2Config(**sizes | capped | changes)).eval()
    if kind == "lfm2":
        mixed = {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False}
        return Lfm2ForCausalLM(Lfm2Config(**sizes | mixed | changes)).eval()
    return LlamaForCausalLM(LlamaConfig(**sizes | changes)).eval()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders: `llama` (BOS), `qwen2`, `gpt2`, `gemma2` (BOS, capped), `lfm2` (convolutions)."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp("models") / f"tiny-{kind}"
            tokenizer = train_bpe()
            random_model(kind, tokenizer.get_vocab_size()).save_pretrained(folder)
            save_tokenizer(tokenizer, folder, has_bos=kind in ("llama", "gemma2"))
            made[kind] = folder
        return made[kind]

    return make


@pytest.fixture(scope="session")
def requests() -> list[ScoreRequest]:
    """Texts of unlike lengths, with and without a question."""
    paragraphs = TEXT.split("\n\n")
    thinkings = [
        TEXT,
        "\n\n  Okay.\r\n\r\n🙂🧬 So\n\n   indented\n\n\u00e9t\u00e9",
        "\n\n".join(paragraphs[2:]),
        paragraphs[0],
        "\n\n".join(reversed(paragraphs)),
    ]
    questions = ["How many pairs are there?", "", "Wie viele? 🙂", "", "def f(x):\n    return x\n3"]
    return [
        ScoreRequest(question, thinking, segment_thinking(thinking, "paragraph"))
        for question, thinking in zip(questions, thinkings, strict=True)
    ]


@pytest.fixture(scope="session")
def real_vocabulary(
    tmp_path_factory: pytest.TempPathFactory, read_vocabulary: Callable[[str], str]
) -> Callable[[str, bool], Path]:
    """A folder with the tokenizer of a real vocabulary (`qwen2`, `llama3`), with or without BOS."""

    def make(kind: str, has_bos: bool) -> Path:
        folder = tmp_path_factory.mktemp("vocabulary") / kind
        save_tokenizer(Tokenizer.from_str(read_vocabulary(kind)), folder, has_bos=has_bos)
        return folder

    return make


def real_data() -> Path:
    if "ASAP_REAL_DATA" not in os.environ:
        pytest.skip("ASAP_REAL_DATA is not set")
    return Path(os.environ["ASAP_REAL_DATA"])


@pytest.fixture(scope="session")
def real_requests() -> Callable[[int | None], list[ScoreRequest]]:
    """The real traces: so many of them spread over both sources, or all."""

    def read(n_rows: int | None) -> list[ScoreRequest]:
        found: list[ScoreRequest] = []
        for source, share in (("codeforces-cots-r1", 0.7), ("cruxeval-o-r1", 0.3)):
            with gzip.open(
                real_data() / source / "traces.jsonl.gz", "rt", encoding="utf-8"
            ) as lines:
                n_wanted = None if n_rows is None else int(n_rows * share + 0.5)
                rows = [json.loads(line) for line in islice(lines, n_wanted)]
            for row in rows:
                question = f"{row['code']}\n{row['input']}" if "code" in row else ""
                text = row.get("reasoning") or row["generation"].partition("<think>")[2]
                thinking = text.partition("</think>")[0]
                if thinking.strip():
                    steps = segment_thinking(thinking, "paragraph")
                    found.append(ScoreRequest(question, thinking, steps))
        return found

    return read
