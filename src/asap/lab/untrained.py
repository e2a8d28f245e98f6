"""The model that plays the reasoning model: trained from scratch on long traces, it scores the
steps for every arm, and every student begins with its weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asap.errors import MissingExtraError
from asap.lab.scale import Network, Student
from asap.lab.task import Task
from asap.lab.tokenizer import BEGIN, END, PAD, write_tokenizer
from asap.train import load_tokenizer

WINDOW = 2048
"""Tokens that a model of the lab can read."""


def write_untrained(
    folder: Path, network: Network, student: Student, task: Task, seed: int = 0
) -> None:
    """Write a model with random weights, and the task's tokenizer.

    Args:
        folder: made where it does not exist.
        network: its shape.
        student: its architecture.
        task: whose texts it is to read.
        seed: of the weights.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    try:
        import torch
        from transformers import (
            LlamaConfig,
            LlamaForCausalLM,
            Qwen2Config,
            Qwen2ForCausalLM,
        )
    except ImportError:
        raise MissingExtraError("the lab", "train") from None
    write_tokenizer(folder, task)
    tokenizer = load_tokenizer(str(folder))
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (BEGIN, END, PAD)}
    kinds: dict[Student, Any] = {
        "llama": (LlamaForCausalLM, LlamaConfig),
        "qwen2": (Qwen2ForCausalLM, Qwen2Config),
    }
    build, configure = kinds[student]
    config = configure(
        vocab_size=len(tokenizer),
        hidden_size=network.hidden,
        num_hidden_layers=network.layers,
        num_attention_heads=network.heads,
        num_key_value_heads=network.heads,
        intermediate_size=network.intermediate,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        bos_token_id=ids[BEGIN],
        eos_token_id=ids[END],
        pad_token_id=ids[PAD],
    )
    torch.manual_seed(seed)
    build(config).save_pretrained(folder)
