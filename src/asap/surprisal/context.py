r"""What a scorer reads before the thinking, and what the model wants at the very beginning.

The paper scores after question + `"\n<think>\n"` (`raw`). `template` is the model's own chat
template, with the opening tag once: R1-Distill templates bring it, others do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from transformers import AutoTokenizer

from asap.errors import ModelError
from asap.trace import OPENING

WriteContext = Callable[[str], str]
_OPEN_TAG_AT_END = re.compile(r"<think>\s*\Z")


def write_raw(question: str) -> str:
    """Question and opening tag; the opening tag alone where there is no question."""
    return f"{question}\n{OPENING}" if question else OPENING


def load_raw(folder: Path) -> tuple[WriteContext, list[int]]:
    """`write_raw`, and the special tokens (begin of text, or none) that the model has in front."""
    tokenizer = _load(folder)
    ids: list[int] = tokenizer("a")["input_ids"]
    special = set(tokenizer.all_special_ids)
    n_front = next((i for i, token_id in enumerate(ids) if token_id not in special), 0)
    return write_raw, ids[:n_front]


def load_template(folder: Path) -> tuple[WriteContext, list[int]]:
    """The model's chat template; special tokens stand in its text, so none come in front.

    Raises:
        ModelError: the model has no chat template.
    """
    tokenizer = _load(folder)
    if not tokenizer.chat_template:
        raise ModelError(f"the model in {folder} has no chat template; use the context 'raw'")

    def write(question: str) -> str:
        if not question:
            return OPENING
        turn = [{"role": "user", "content": question}]
        text: str = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        return _OPEN_TAG_AT_END.sub("", text) + OPENING

    return write, []


def _load(folder: Path):  # type: ignore[no-untyped-def]
    try:
        return AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"transformers cannot load the tokenizer in {folder}: {error}") from error
