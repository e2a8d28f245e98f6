"""Greedy decoding of one batch by a local model: a loop of our own, so that a row that has ended
leaves the batch, and the cache is written in place instead of being copied at every token. In fp32
wherever it runs: what a student answers must not hang on which rows were decoded beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, Cache, DynamicLayer, PreTrainedModel
from transformers.utils import logging

from asap.errors import ModelError

_ROOM_TOKENS = 128
_LEAST_SHARE_ENDED = 0.125
"""Of a batch, before it is made smaller: each time the whole cache is copied."""


class Decoder:
    """A causal language model that continues prompts greedily.

    Args:
        folder: the model, in Hugging Face format.
        device: `auto` (a GPU where there is one), or what torch calls it.

    Raises:
        ModelError: the model cannot be loaded, the device is not there, or nothing ends its texts.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self._device = _find_device(device)
        self._model = _load(folder).to(self._device)  # type: ignore[arg-type]
        ends = self._model.generation_config.eos_token_id
        if ends is None:
            raise ModelError(
                f"the model {folder} names no end-of-text token (eos_token_id), so that nothing "
                "would end what it writes"
            )
        self._ends = torch.tensor(ends, device=self._device).reshape(-1)
        self._window: int | None = getattr(self._model.config, "max_position_embeddings", None)
        self._folder = folder

    @torch.inference_mode()
    def continue_greedily(
        self, prompts: Sequence[Sequence[int]], max_tokens: int
    ) -> list[tuple[int, ...]]:
        """What follows each prompt, in order.

        Args:
            prompts: token ids, none empty.
            max_tokens: for each.

        Returns:
            The ids of each continuation, with its end-of-text token where it has come to one.

        Raises:
            ModelError: the longest prompt and `max_tokens` do not fit into the model's window.
        """
        longest = max(map(len, prompts))
        if self._window is not None and longest + max_tokens > self._window:
            raise ModelError(
                f"the model {self._folder} reads {self._window} tokens at once; a prompt of "
                f"{longest} and {max_tokens} new tokens are more: lower the number of new tokens"
            )
        written: list[list[int]] = [[] for _ in prompts]
        rows = torch.arange(len(prompts), device=self._device)
        ids, mask = self._pad(prompts, longest)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        cache = Cache(layers=[_make_layer() for _ in range(self._n_layers)])
        for n_left in range(max_tokens, 0, -1):
            output: Any = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            chosen = output.logits[:, -1].argmax(dim=-1)
            goes_on = ~torch.isin(chosen, self._ends)
            self._write(written, rows, chosen)
            rows = torch.where(goes_on, rows, -1)
            n_going = int((rows >= 0).sum())
            if n_going == 0 or n_left == 1:
                break
            if len(rows) - n_going >= _LEAST_SHARE_ENDED * len(rows):
                kept = torch.nonzero(rows >= 0).squeeze(1)
                rows, chosen, mask, positions = (
                    each[kept] for each in (rows, chosen, mask, positions)
                )
                cache.batch_select_indices(kept)
            ids = chosen[:, None]
            positions = positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        return [tuple(each) for each in written]

    def is_ended(self, continuation: Sequence[int]) -> bool:
        """Whether it came to an end of its own."""
        return bool(continuation) and continuation[-1] in self._ends.tolist()

    @property
    def _n_layers(self) -> int:
        return int(self._model.config.get_text_config().num_hidden_layers)

    def _pad(
        self, prompts: Sequence[Sequence[int]], length: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, padded on the left: the next token of every row is in the last column."""
        ids = torch.zeros((len(prompts), length), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, length - len(prompt) :] = torch.tensor(prompt)
            mask[row, length - len(prompt) :] = 1
        return ids.to(self._device), mask.to(self._device)

    @staticmethod
    def _write(written: list[list[int]], rows: torch.Tensor, chosen: torch.Tensor) -> None:
        for row, token in zip(rows.tolist(), chosen.tolist(), strict=True):
            if row >= 0:
                written[row].append(token)


class _InPlaceLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values in tensors with room to spare.

    The library's own joins old and new at every token: four fifths of the time of a small model on
    a CPU.
    """

    _room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take in the keys and values of new tokens; all there are so far."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self._room is None or end > self._room[0].shape[-2]:
            keys, values = self._room or (key_states, value_states)
            size = end + _ROOM_TOKENS
            self._room = _make_room(keys, start, size), _make_room(values, start, size)
        keys, values = self._room
        keys[..., start:end, :] = key_states
        values[..., start:end, :] = value_states
        self.keys, self.values = keys[..., :end, :], values[..., :end, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows of the batch only."""
        if self._room is not None:
            end = self.get_seq_length()
            keys, values = (each[indices] for each in self._room)
            self._room = keys, values
            self.keys, self.values = keys[..., :end, :], values[..., :end, :]


def _make_layer() -> _InPlaceLayer:
    return _InPlaceLayer()  # type: ignore[no-untyped-call]


def _make_room(old: torch.Tensor, n: int, size: int) -> torch.Tensor:
    """A tensor for `size` tokens, with the first `n` of an old one."""
    room = old.new_zeros((*old.shape[:-2], size, old.shape[-1]))
    room[..., :n, :] = old[..., :n, :]
    return room


def _find_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with suppress(RuntimeError, AssertionError, NotImplementedError):
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
        return chosen
    raise ModelError(f"no device {device!r} here; use 'auto' or 'cpu'")


def _load(folder: Path) -> PreTrainedModel:
    try:
        with _no_progress_bar():
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                str(folder), dtype=torch.float32
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the model {folder} cannot be loaded: {first_line}") from error
    model.train(False)
    return model


@contextmanager
def _no_progress_bar() -> Any:
    """Without the library's own bar, which does not ask whether there is a terminal."""
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
