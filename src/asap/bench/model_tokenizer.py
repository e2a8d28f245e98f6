"""The tokenizer of the model that is measured: the prompt as the model was trained to read it, with
the thinking tag opened in it and exactly one begin-of-text token; and ids back to text.

The model's own chat template writes the turn; a model without one reads question and tag alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from asap.errors import MissingExtraError, ModelError
from asap.trace import OPENING

_OPEN_TAG_AT_END = re.compile(r"<think>\s*\Z")


class ModelTokenizer:
    """Writes prompts and reads ids.

    Args:
        name: a folder with a tokenizer, or a Hub id.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is no such tokenizer.
    """

    def __init__(self, name: str) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError:
            raise MissingExtraError("writing prompts with a model's template", "bench") from None
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError, KeyError) as error:
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"{name} has no tokenizer that transformers can load ({first_line}); name the "
                "model's folder or Hub id with --tokenizer"
            ) from error
        lead = self._tokenizer("", add_special_tokens=True)["input_ids"]
        bos: int | None = self._tokenizer.bos_token_id
        self._lead: tuple[int, ...] = (bos,) if bos is not None and bos in lead[:1] else ()
        self._encode_question = cache(self._encode)

    def encode(self, question: str, begun: str = "") -> tuple[int, ...]:
        """The ids of what `write` writes; where the model wants a begin-of-text token there is
        exactly one. Prompts in which nothing is begun are kept, since they come again.
        """
        return self._encode(question, begun) if begun else self._encode_question(question)

    def write(self, question: str, begun: str = "") -> str:
        """The prompt's text, special tokens of the template in it, ended by the opening tag.

        Args:
            question: the user's turn.
            begun: what the model is taken to have written already, behind the tag.
        """
        if not self._tokenizer.chat_template:
            return f"{question}\n{OPENING}{begun}"
        turn = [{"role": "user", "content": question}]
        text = self._tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        return _OPEN_TAG_AT_END.sub("", str(text)) + OPENING + begun

    def _encode(self, question: str, begun: str = "") -> tuple[int, ...]:
        text = self._without_lead(self.write(question, begun))
        ids = tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return (*self._lead, *ids)

    def write_for_server(self, question: str, begun: str = "") -> str:
        """The prompt as text for a server that adds the begin-of-text token itself."""
        return self._without_lead(self.write(question, begun))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids as servers give it, without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _without_lead(self, text: str) -> str:
        """The text without the begin-of-text tokens in front that `encode` or a server adds."""
        if self._lead:
            while text.startswith(self._tokenizer.bos_token):
                text = text.removeprefix(self._tokenizer.bos_token)
        return text
