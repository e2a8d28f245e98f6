"""From prompt and completion to token ids: our own templates, since the one that ships with
R1-Distill models drops the reasoning of earlier turns, and a target is one.

What a model reads before it writes here is, token for token, what `bench.ModelTokenizer` prompts it
with; the loss begins with the thinking tag (the paper's Eq. 3). Special tokens come from the
template alone: one that stands in a text is text.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asap.errors import MissingExtraError, ModelError
from asap.trace import OPENING

TemplateName = Literal["auto", "deepseek-r1", "chatml", "plain", "model"]


@dataclass(frozen=True, slots=True)
class Example:
    """One row as ids; the first `n_prompt` are masked, the rest is trained on."""

    input_ids: list[int]
    n_prompt: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """What stands round prompt and completion. Special tokens are pieces of their own."""

    before: tuple[str, ...]
    lead: str
    """Text before the prompt that is tokenized with it."""
    between: tuple[str, ...]
    end: str
    jinja: str
    """The same as a chat template, for whoever prompts the trained model."""


_R1_USER, _R1_ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
_IM_START, _IM_END = "<|im_start|>", "<|im_end|>"
_JINJA = (
    "{{% for message in messages %}}{{% if message.role == 'assistant' %}}"
    "{assistant}{{{{ message.content }}}}{end}{{% else %}}{user}{{{{ message.content }}}}{between}"
    "{{% endif %}}{{% endfor %}}{{% if add_generation_prompt %}}{assistant}{{% endif %}}"
)


class Template:
    """Writes rows as a model is trained on them.

    Args:
        tokenizer: of the model, as transformers loads it.
        name: `deepseek-r1`, `chatml`, `plain` (prompt, a line break, completion), `model` (the
            model's own chat template, if it keeps reasoning), or `auto`: the first of the first
            three whose special tokens the vocabulary has.

    Raises:
        ModelError: the vocabulary lacks the template's special tokens, there is no end-of-text
            token, or the model's own template drops the reasoning.
    """

    def __init__(self, tokenizer: Any, name: TemplateName = "auto") -> None:
        self._tokenizer = tokenizer
        self.name = _choose(tokenizer) if name == "auto" else name
        self._shape = None if self.name == "model" else _shape(self.name, tokenizer)
        self.end = tokenizer.eos_token if self._shape is None else self._shape.end
        """The token that ends a completion."""
        if self._shape is None:
            self._check_own_template()
        else:
            pieces = (*self._shape.before, *self._shape.between, self.end)
            for token in filter(_is_special, pieces):
                self._find_id(token)

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[Example]:
        """The ids of rows, given as prompt and completion; one tokenization for all of them."""
        if self._shape is None:
            return [self._encode_own(*pair) for pair in pairs]
        shape = self._shape
        before = [self._find_id(token) for token in shape.before]
        between = self._join(shape.between)
        opening = self._ids([OPENING])[0]
        end = self._find_id(self.end)
        rests = [completion.removeprefix(OPENING) for _, completion in pairs]
        prompts = self._ids([shape.lead + prompt + self._tail for prompt, _ in pairs])
        examples = []
        for (_, completion), prompt, rest in zip(pairs, prompts, self._ids(rests), strict=True):
            head = [*before, *prompt, *between]
            # The tag is tokenized by itself, as in the prompt that the trained model will be given.
            begun = opening if completion.startswith(OPENING) else []
            examples.append(Example([*head, *begun, *rest, end], len(head)))
        return examples

    def prepare_tokenizer(self) -> None:
        """Give the tokenizer our chat template and end token, so that whoever prompts the trained
        model writes what it was trained on.
        """
        if self._shape is not None:
            self._tokenizer.chat_template = self._shape.jinja or None
            self._tokenizer.eos_token = self.end

    @property
    def _tail(self) -> str:
        """Text behind the prompt that is tokenized with it."""
        return "\n" if self.name == "plain" else ""

    def _join(self, pieces: Sequence[str]) -> list[int]:
        """Ids of special tokens and of the texts between them."""
        known = {token: self._find_id(token) for token in filter(_is_special, pieces)}
        texts = [piece for piece in pieces if piece not in known]
        ids = dict(zip(texts, self._ids(texts), strict=True)) if texts else {}
        return [i for piece in pieces for i in ([known[piece]] if piece in known else ids[piece])]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Special tokens that stand in a text are read as text."""
        encoded = self._tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _find_id(self, token: str) -> int:
        found = self._tokenizer.get_vocab().get(token)
        if not isinstance(found, int):
            raise ModelError(
                f"the model's vocabulary has no {token!r}, which the template '{self.name}' needs; "
                "choose another with --template (plain needs nothing)"
            )
        return found

    def _check_own_template(self) -> None:
        if not self._tokenizer.chat_template:
            raise ModelError("the model has no chat template of its own; leave --template out")
        thinking = "Six and one are seven."
        _, completion = self._write_own("Six and one?", f"{OPENING}{thinking}\n</think>\n7")
        if thinking not in completion or "</think>" not in completion:
            raise ModelError(
                "the model's own chat template drops the reasoning, so there would be nothing to "
                "learn from; leave --template out, or name deepseek-r1, chatml or plain"
            )

    def _write_own(self, prompt: str, completion: str) -> tuple[str, str]:
        """The row as the model's own template writes it, cut where the assistant's turn begins."""
        user = {"role": "user", "content": prompt}
        turns = [user, {"role": "assistant", "content": completion}]
        whole = str(self._tokenizer.apply_chat_template(turns, tokenize=False))
        begun = str(
            self._tokenizer.apply_chat_template([user], add_generation_prompt=True, tokenize=False)
        )
        begun = begun.removesuffix(OPENING).removesuffix("<think>")
        if not whole.startswith(begun):
            raise ModelError(
                "the model's own chat template writes the prompt otherwise once there is an "
                "answer; name deepseek-r1, chatml or plain with --template"
            )
        return begun, whole.removeprefix(begun)

    def _encode_own(self, prompt: str, completion: str) -> Example:
        written = self._write_own(prompt, completion)
        head, rest = self._tokenizer(list(written), add_special_tokens=False)["input_ids"]
        return Example([*head, *rest], len(head))


def _is_special(piece: str) -> bool:
    """Pieces of a shape are special tokens or text; of the latter none begins like this."""
    return piece.startswith("<")


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a model that is to be trained.

    Args:
        model: a folder or a Hub id.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is no such tokenizer.
    """
    try:
        from transformers import AutoTokenizer
        from transformers.utils import logging as transformers_logging
    except ImportError:
        raise MissingExtraError("training", "train") from None
    if not logging.getLogger().isEnabledFor(logging.INFO):
        # Bars that ask for no terminal, and a warning of texts that we leave out ourselves.
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        return AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{model} has no tokenizer that transformers can load ({first_line}); "
            "name a model's folder or Hub id with --model"
        ) from error


def _choose(tokenizer: Any) -> Literal["deepseek-r1", "chatml", "plain"]:
    vocabulary = tokenizer.get_vocab()
    if _R1_USER in vocabulary and _R1_ASSISTANT in vocabulary:
        return "deepseek-r1"
    return "chatml" if _IM_START in vocabulary and _IM_END in vocabulary else "plain"


def _shape(name: str, tokenizer: Any) -> _Shape:
    bos = (tokenizer.bos_token,) if tokenizer.bos_token else ()
    end = tokenizer.eos_token
    if name != "chatml" and not end:
        raise ModelError("the model's tokenizer has no end-of-text token; a row could not end")
    if name == "deepseek-r1":
        words = {"user": _R1_USER, "assistant": _R1_ASSISTANT, "end": end, "between": ""}
        jinja = "{{ bos_token }}" * bool(bos) + _JINJA.format(**words)
        return _Shape((*bos, _R1_USER), "", (_R1_ASSISTANT,), end, jinja)
    if name == "chatml":
        bos = bos if _wants_bos(tokenizer) else ()
        words = {
            "user": f"{_IM_START}{{{{ message.role }}}}\n",
            "assistant": f"{_IM_START}assistant\n",
            "end": f"{_IM_END}\n",
            "between": f"{_IM_END}\n",
        }
        jinja = "{{ bos_token }}" * bool(bos) + _JINJA.format(**words)
        between = (_IM_END, "\n", _IM_START, "assistant\n")
        return _Shape((*bos, _IM_START), "user\n", between, _IM_END, jinja)
    return _Shape(bos if _wants_bos(tokenizer) else (), "", (), end, "")


def _wants_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer itself puts its begin-of-text token before a text."""
    lead = tokenizer("", add_special_tokens=True)["input_ids"]
    return tokenizer.bos_token_id is not None and tokenizer.bos_token_id in lead[:1]
