"""A token classifier of `transformers`: the probability that each token should stay.

As LLMLingua-2 reads (arXiv 2403.12968, appendix, and its code): chunks of at most 510 pieces, each
ending behind its last full stop or line break, each read alone between the special tokens; label 1
is `preserve`. Ours: the text is tokenized once and a chunk's pieces are read as they are, where the
published code tokenizes each chunk anew; a chunk never fills the window to the last piece.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from asap.errors import ModelError
from asap.surprisal.classifier import TokenLabels

KEEP = 1
"""The label that means `preserve`, as published."""
MAX_PIECES = 510
_BATCH_TOKENS = 8192


class TransformersClassifier:
    """A `TokenClassifier` on a model with two labels.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: the model's, a fast one of `transformers`.
        name: what stands in a run's record.

    Raises:
        ModelError: the tokenizer gives no offsets, or the model has other than two labels.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any, *, name: str) -> None:
        if not tokenizer.is_fast:
            raise ModelError(f"the classifier {name} has no fast tokenizer: it has no offsets")
        if model.config.num_labels != 2:
            raise ModelError(
                f"the classifier {name} has {model.config.num_labels} labels; keep or drop are 2"
            )
        self._model = model
        self._tokenizer = tokenizer.backend_tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._lead, self._tail = _find_special(self._tokenizer)
        n_special = len(self._lead) + len(self._tail)
        self._max_pieces = min(MAX_PIECES, tokenizer.model_max_length - n_special)
        self._pad = tokenizer.pad_token_id or 0
        self._name = name
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Model id or folder name with a digest of the weights and the number type."""
        return self._name

    @torch.inference_mode()
    def classify(self, texts: Sequence[str]) -> list[TokenLabels]:
        """Labels of each text, in order. Safe to call from several threads."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        keeps = [[0.0] * len(encoding.ids) for encoding in encodings]
        numbers = [[0] * len(encoding.ids) for encoding in encodings]
        chunks: list[tuple[int, int, int]] = []
        for i, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            pieces = [text[start:end] for start, end in encoding.offsets]
            for number, (start, stop) in enumerate(cut_chunks(pieces, self._max_pieces)):
                chunks.append((i, start, stop))
                numbers[i][start:stop] = [number] * (stop - start)
        chunks.sort(key=lambda chunk: chunk[1] - chunk[2])
        per_batch = max(1, _BATCH_TOKENS // (self._max_pieces + 2))
        for begin in range(0, len(chunks), per_batch):
            batch = chunks[begin : begin + per_batch]
            read = self._read([encodings[i].ids[start:stop] for i, start, stop in batch])
            for (i, start, stop), keep in zip(batch, read, strict=True):
                keeps[i][start:stop] = keep
        return [
            TokenLabels(
                tuple(start for start, _ in encoding.offsets),
                tuple(end for _, end in encoding.offsets),
                tuple(keep),
                tuple(number),
            )
            for encoding, keep, number in zip(encodings, keeps, numbers, strict=True)
        ]

    def _read(self, chunks: Sequence[list[int]]) -> list[list[float]]:
        """One batch through the model."""
        inputs = [self._lead + chunk + self._tail for chunk in chunks]
        longest = max(map(len, inputs))
        ids = [one + [self._pad] * (longest - len(one)) for one in inputs]
        mask = [[1] * len(one) + [0] * (longest - len(one)) for one in inputs]
        device = self._model.device
        with self._lock:
            logits = self._model(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
            ).logits
        keep = logits.float().softmax(-1)[..., KEEP].tolist()
        begin = len(self._lead)
        return [
            values[begin : begin + len(chunk)] for values, chunk in zip(keep, chunks, strict=True)
        ]


def cut_chunks(pieces: Sequence[str], max_pieces: int) -> list[tuple[int, int]]:
    """The half-open ranges of pieces that are read together.

    Args:
        pieces: the text of each piece.
        max_pieces: at most so many in one chunk.

    Returns:
        Ranges that cover the pieces. Each but the last ends behind the last piece within reach that
        is a full stop or a line break, or where it is full.
    """
    chunks = []
    start = 0
    while len(pieces) - start > max_pieces:
        full = start + max_pieces
        ends = (i for i in range(full, start, -1) if _ends_chunk(pieces[i - 1]))
        stop = next(ends, full)
        chunks.append((start, stop))
        start = stop
    if start < len(pieces):
        chunks.append((start, len(pieces)))
    return chunks


def _ends_chunk(piece: str) -> bool:
    # A word's piece may begin with the line break before it, where the tokenizer makes it a blank.
    return piece.strip() == "." or piece.endswith("\n")


def _find_special(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens before and behind a text."""
    whole: list[int] = tokenizer.encode("a").ids
    bare: list[int] = tokenizer.encode("a", add_special_tokens=False).ids
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]
