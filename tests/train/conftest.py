"""Tiny models of two families to train, with tokenizers that have their special tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

R1_TOKENS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"]
CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def save_model(folder: Path, special: Sequence[str], bos: str | None, eos: str) -> Path:
    """A random Llama of some ten thousand parameters; letters are tokens, the tags are too."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens(["<think>", "</think>"])
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=512,
            initializer_range=0.3,
            bos_token_id=None,
            eos_token_id=tokenizer.token_to_id(eos),
        )
    ).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def r1_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "r1"
    return save_model(folder, R1_TOKENS, R1_TOKENS[0], R1_TOKENS[1])


@pytest.fixture(scope="session")
def chatml_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "chatml"
    return save_model(folder, CHATML_TOKENS, None, CHATML_TOKENS[0])


Row = tuple[int, str, str]
"""Row number, prompt, completion."""


@pytest.fixture
def write_run() -> Callable[..., Path]:
    """Writes a run folder as asap prune leaves it, as far as a training reads it."""

    def write(folder: Path, rows: Sequence[Row | tuple[int, str, str, str]], input: str) -> Path:
        (folder / "data").mkdir(parents=True)
        (folder / "traces").mkdir()
        table = [
            {
                "row": row,
                "id": f"t-{row}",
                "variant": more[0] if more else "",
                "prompt": prompt,
                "completion": completion,
            }
            for row, prompt, completion, *more in rows
        ]
        pq.write_table(pa.Table.from_pylist(table), folder / "data" / "000000.parquet")
        report = {"kind": "prune", "format_version": 1, "status": "finished"}
        identity: dict[str, Any] = {"identity": {"input": input}}
        (folder / "report.json").write_text(json.dumps(report | identity), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def make_run(write_run: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a run of sums: as many rows as asked for, of different lengths."""

    def make(folder: Path, n_rows: int = 12) -> Path:
        rows = [
            (n, f"{n}+{n}?", f"<think>\n{'one ' * (n % 5)}{n} twice\n</think>\n{2 * n}")
            for n in range(n_rows)
        ]
        return write_run(folder, rows, "sums")

    return make
