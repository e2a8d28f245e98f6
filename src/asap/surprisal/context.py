r"""What a scorer reads before the thinking, and what the model wants at the very beginning.

The paper scores after question + `"\n<think>\n"` (`raw`). `template` is the model's own chat
template, with the opening tag once: R1-Distill templates bring it, others do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asap.errors import ModelError
from asap.surprisal.tokenizer import TextTokenizer
from asap.trace import OPENING

WriteContext = Callable[[str], str]
_OPEN_TAG_AT_END = re.compile(r"<think>\s*\Z")


def write_raw(question: str) -> str:
    """Question and opening tag; the opening tag alone where there is no question."""
    return f"{question}\n{OPENING}" if question else OPENING


def find_prefix(folder: Path, tokenizer: TextTokenizer) -> list[int]:
    """The special tokens (begin of text, or none) that a model wants in front of a raw text.

    `tokenizer.json` says so itself, or `tokenizer_config.json` asks for it (`add_bos_token`, as
    DeepSeek's do). What class transformers chooses for the tokenizer has no say: it may read the
    text otherwise than the file does.
    """
    path = folder / "tokenizer_config.json"
    if tokenizer.lead_ids or not path.is_file():
        return tokenizer.lead_ids
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    token = config.get("bos_token")
    name = token.get("content") if isinstance(token, dict) else token
    if config.get("add_bos_token") is not True or not isinstance(name, str):
        return []
    token_id = tokenizer.find_id(name)
    return [] if token_id is None else [token_id]


def load_template(folder: Path) -> WriteContext:
    """The model's chat template; special tokens stand in its text, so none come in front.

    Raises:
        ModelError: the model has no chat template.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"transformers cannot load the tokenizer in {folder}: {first_line}"
        ) from error
    if not tokenizer.chat_template:
        raise ModelError(f"the model in {folder} has no chat template; use the context 'raw'")

    def write(question: str) -> str:
        if not question:
            return OPENING
        turn = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        return _OPEN_TAG_AT_END.sub("", str(text)) + OPENING

    return write
