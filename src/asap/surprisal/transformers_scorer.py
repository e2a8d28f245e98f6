"""First-token surprisal (the paper's Eq. 2) by any causal language model of `transformers`.

S_i = -log p(t_i | everything before t_i). One pass over each text, windows where it is longer than
the model reads; only the positions before the tokens asked for go through the output layer, and
they do so in fp32. Tokenizing the next texts goes on while the model runs. How tokens and steps fit
together is in `alignment.py`, the arithmetic of windows in `window.py`, the output layer in
`output_layer.py`.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from asap.errors import ModelError
from asap.surprisal.alignment import find_step_tokens
from asap.surprisal.context import WriteContext, write_raw
from asap.surprisal.leave_one_out import measure_rises, plan_readings
from asap.surprisal.output_layer import RowScores, score_hidden, score_logits
from asap.surprisal.packing import allow_packing, read_packed
from asap.surprisal.piece import (
    Job,
    choose_tokens,
    collect_steps,
    collect_tokens,
    cut_pieces,
    split_head,
)
from asap.surprisal.scorer import (
    ALL_STATISTICS,
    ScoreRequest,
    Statistic,
    StepScores,
    TokenScores,
)
from asap.surprisal.tokenizer import TextTokenizer

_PROBE = "Wait, let me check the first example again. n = 3, so the sum is 6, which matches.\n\n"
_CHUNK_CHARACTERS = 400_000  # of text, tokenized together while the model works on the chunk before
_LENGTH_STEP = 128
"""Batches are padded to a multiple of so many tokens: on a CPU oneDNN compiles, and keeps, kernels
for every length it meets, some 4 MB each."""
_SHORT_STEP = 16
"""The same for texts of fewer tokens than that: single sentences would be mostly padding."""
_LEAST_FILL = 0.75  # a text shorter than this share of the batch's longest waits for the next one
_OWN_LOGITS = 64 * 1024 * 1024  # at most so many at once, where the model's own output is used
_ENTROPIES: frozenset[Statistic] = frozenset({"first_entropy", "sum_entropy"})


@dataclass(frozen=True, slots=True)
class _Reading:
    """One window of one text: what goes in, and at which rows which token is looked at."""

    job: Job
    ids: list[int]
    rows: list[int]
    """The row before a token says how likely the token is."""
    targets: list[int]
    slots: slice


class TransformersScorer:
    """A `StepScorer` on a causal language model.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: the model's.
        name: what stands in a run's record.
        prefix: ids that the model wants at the very beginning (a begin-of-text token), or none.
        write_context: from a question to the text before the thinking.
        window: tokens that the model reads at once; None for its `max_position_embeddings`.
        batch_tokens: about so many tokens go through the model together; None for what suits the
            device.

    Raises:
        ModelError: tokenizer and model do not fit, or the window cannot be had.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: TextTokenizer,
        *,
        name: str,
        prefix: Sequence[int] = (),
        write_context: WriteContext = write_raw,
        window: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._name = name
        self._prefix = list(prefix)
        self._write_context = write_context
        self._window = _choose_window(model, name, window)
        self._batch_tokens = batch_tokens or (4096 if model.device.type == "cpu" else 32_768)
        self._lock = threading.Lock()
        _check_vocabulary(model, tokenizer, name)
        (probe,) = tokenizer.tokenize([_PROBE])
        self._is_gathered = self._has_plain_output(probe.ids)
        self.is_packed = self._is_gathered and allow_packing(model, probe.ids)
        """Whether texts stand in one row without padding."""
        if not self._is_gathered:
            _take_own_logits_in_fp32(model, name)

    @property
    def name(self) -> str:
        """Model id or folder name with a digest of the weights."""
        return self._name

    @property
    def statistics(self) -> frozenset[Statistic]:
        """All there are."""
        return ALL_STATISTICS

    @property
    def tokenizer(self) -> TextTokenizer:
        """The model's tokenizer; it also serves as a counter of tokens."""
        return self._tokenizer

    @torch.inference_mode()
    def score_tokens(self, texts: Sequence[str]) -> list[TokenScores]:
        """Every token of each text alone, in order. Safe to call from several threads."""
        scores: list[TokenScores] = []
        for chunk in _chunk([ScoreRequest("", text, ()) for text in texts]):
            read = [request.thinking for request in chunk]
            jobs = []
            for text, tokens in zip(read, self._tokenizer.tokenize(read), strict=True):
                # The very first token only where something is read before it.
                wanted = list(range(0 if self._prefix else 1, len(tokens.ids)))
                jobs.append(Job(text, 0, tokens, [], wanted, [0.0] * len(wanted)))
            self._read_all([piece for job in jobs for piece in self._cut(job)], with_entropy=False)
            scores += [collect_tokens(job) for job in jobs]
        return scores

    @torch.inference_mode()
    def score(
        self,
        requests: Sequence[ScoreRequest],
        statistics: frozenset[Statistic] = frozenset({"surprisal"}),
    ) -> list[StepScores]:
        """Scores of each request, in order. Safe to call from several threads."""
        scores: list[StepScores] = []
        chunks = list(_chunk(requests))
        with ThreadPoolExecutor(1, thread_name_prefix="asap-tokenize") as pool:
            upcoming = [pool.submit(self._prepare, chunks[0], statistics)] if chunks else []
            for chunk_index in range(len(chunks)):
                jobs, pieces = upcoming.pop().result()
                if chunk_index + 1 < len(chunks):
                    upcoming.append(pool.submit(self._prepare, chunks[chunk_index + 1], statistics))
                self._read_all(pieces, with_entropy=bool(statistics & _ENTROPIES))
                scores += [
                    collect_steps(job, len(self._prefix), statistics, self._tokenizer.token_text)
                    for job in jobs
                ]
        return scores

    @torch.inference_mode()
    def score_left_out(
        self, requests: Sequence[ScoreRequest], suffix_tokens: int
    ) -> list[tuple[float, ...]]:
        """What follows a step without it less with it; see `StepScorer` and `leave_one_out.py`."""
        contexts = [self._write_context(request.question) for request in requests]
        texts = [
            context + request.thinking for context, request in zip(contexts, requests, strict=True)
        ]
        results = []
        for request, context, text, tokens in zip(
            requests, contexts, texts, self._tokenizer.tokenize(texts), strict=True
        ):
            spans = find_step_tokens(text, len(context), request.steps, tokens.starts, tokens.ends)
            job = Job(text, len(context), tokens, spans, [], [])
            head, body = split_head(job, self._prefix, self._window)
            firsts = [max(0, span.first - body.start) for span in spans]
            ids = [*self._prefix, *(tokens.ids[i] for i in head)]
            read = tokens.ids[body.start :]
            rises = [0.0] * len(request.steps)
            for reading in plan_readings(ids, read, firsts, self._window, suffix_tokens):
                with self._lock:
                    measured = measure_rises(reading, self._advance, self._rate)
                for step_index, rise in measured.items():
                    rises[step_index] = rise
            results.append(tuple(rises))
        return results

    def _advance(self, ids: list[int], cache: Any) -> tuple[Tensor, Any]:
        """One text read on from a cache: hidden states, or logits where the output is not plain."""
        inputs = torch.tensor([ids], device=self._model.device)
        model: Any = self._model.base_model if self._is_gathered else self._model
        out = model(input_ids=inputs, past_key_values=cache, use_cache=True)
        rows = out.last_hidden_state if self._is_gathered else out.logits
        return rows[0], out.past_key_values

    def _rate(self, rows: Tensor, ids: list[int]) -> list[float]:
        targets = torch.tensor(ids, device=rows.device)
        if not self._is_gathered:
            return score_logits(rows, targets, with_entropy=False).nll.tolist()
        layer = _output_layer(self._model)
        scores = score_hidden(rows, targets, layer.weight, layer.bias, with_entropy=False)
        return scores.nll.tolist()

    def _prepare(
        self, requests: Sequence[ScoreRequest], statistics: frozenset[Statistic]
    ) -> tuple[list[Job], list[_Reading]]:
        """Tokenize, align and cut; no model."""
        contexts = [self._write_context(request.question) for request in requests]
        texts = [
            context + request.thinking for context, request in zip(contexts, requests, strict=True)
        ]
        jobs: list[Job] = []
        pieces: list[_Reading] = []
        for request, context, text, tokens in zip(
            requests, contexts, texts, self._tokenizer.tokenize(texts), strict=True
        ):
            spans = find_step_tokens(text, len(context), request.steps, tokens.starts, tokens.ends)
            wanted = choose_tokens(spans, statistics)
            n = len(wanted)
            job = Job(text, len(context), tokens, spans, wanted, [0.0] * n, [0.0] * n)
            jobs.append(job)
            pieces += self._cut(job)
        return jobs, pieces

    def _cut(self, job: Job) -> Iterator[_Reading]:
        """The windows of one text that hold a token looked at."""
        for piece in cut_pieces(job, self._prefix, self._window):
            ids, places = piece.prompt.ids, piece.places
            rows = [place - 1 for place in places]
            # The last token looked at is foretold by what stands before it.
            yield _Reading(job, ids[: places[-1]], rows, [ids[i] for i in places], piece.slots)

    def _read_all(self, pieces: list[_Reading], *, with_entropy: bool) -> None:
        """Pieces through the model in batches; values go to the jobs' slots.

        A batch's values are fetched when the next one is under way, so that an accelerator never
        waits for them.
        """
        batches: Iterator[list[_Reading]]
        if not self._is_gathered:
            batches = ([piece] for piece in pieces)
        elif self.is_packed:
            batches = _batch_packed(pieces, self._batch_tokens)
        else:
            batches = _batch(pieces, self._batch_tokens)
        before: tuple[list[_Reading], RowScores] | None = None
        for batch in batches:
            with self._lock:
                scores = self._read_batch(batch, with_entropy=with_entropy)
            if before:
                _fill(*before)
            before = batch, scores
        if before:
            _fill(*before)

    def _read_batch(self, batch: list[_Reading], *, with_entropy: bool) -> RowScores:
        """One batch through the model. Its values are still on the device, or on their way."""
        targets = self._send([i for piece in batch for i in piece.targets])
        if not self._is_gathered:
            return self._score_own_logits(
                self._send(batch[0].ids).unsqueeze(0),
                self._send(batch[0].rows),
                targets,
                with_entropy,
            )
        if self.is_packed:
            hidden, begins = self._read_packed(batch)
        else:
            hidden, begins = self._read_padded(batch)
        rows = [
            begin + row for begin, piece in zip(begins, batch, strict=True) for row in piece.rows
        ]
        layer = _output_layer(self._model)
        return score_hidden(
            hidden[self._send(rows)], targets, layer.weight, layer.bias, with_entropy=with_entropy
        )

    def _read_packed(self, batch: list[_Reading]) -> tuple[Tensor, list[int]]:
        """Hidden states (tokens, width), and where each piece's begin."""
        lengths = [len(piece.ids) for piece in batch]
        begins = [0, *itertools.accumulate(lengths)]
        ids = [i for piece in batch for i in piece.ids]
        if padding := _round_up(len(ids)) - len(ids):
            lengths.append(padding)  # a text of its own
            ids += [0] * padding
        return read_packed(self._model, self._send(ids), lengths), begins[:-1]

    def _read_padded(self, batch: list[_Reading]) -> tuple[Tensor, list[int]]:
        """The same, every piece in a line of its own, all as long as the longest."""
        longest = min(self._window, _round_up(max(len(piece.ids) for piece in batch)))
        # Padding stands on the right, out of a causal model's sight: no mask is needed.
        ids = [i for piece in batch for i in piece.ids + [0] * (longest - len(piece.ids))]
        hidden = _read(self._model, self._send(ids).view(len(batch), longest))
        return hidden.flatten(0, 1), [line * longest for line in range(len(batch))]

    def _send(self, numbers: list[int]) -> Tensor:
        """To the device, without waiting for what it does just now."""
        tensor = torch.tensor(numbers)
        if self._model.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._model.device, non_blocking=True)

    def _score_own_logits(
        self, ids: Tensor, rows: Tensor, targets: Tensor, with_entropy: bool
    ) -> RowScores:
        """Rows of one text through the model's own output, as many at a time as memory allows."""
        n_rows = max(1, _OWN_LOGITS // _count_embeddings(self._model))
        parts = []
        for start in range(0, len(rows), n_rows):
            keep = rows[start : start + n_rows]
            logits = self._model(input_ids=ids, use_cache=False, logits_to_keep=keep).logits[0]
            parts.append(
                score_logits(logits, targets[start : start + n_rows], with_entropy=with_entropy)
            )
        entropies = [part.entropy for part in parts if part.entropy is not None]
        return RowScores(
            torch.cat([part.nll for part in parts]), torch.cat(entropies) if entropies else None
        )

    @torch.inference_mode()
    def _has_plain_output(self, probe: list[int]) -> bool:
        """Whether the model's logits are those of its output layer, with nothing done to them.

        Some models cap or scale them; which ones is for the model to say, so both ways are compared
        on a short text.
        """
        layer = _output_layer(self._model)
        if not isinstance(layer, nn.Linear):
            return False
        ids = torch.tensor([probe[: self._window]], device=self._model.device)
        own = self._model(input_ids=ids, use_cache=False).logits[0].float()
        bias = None if layer.bias is None else layer.bias.float()
        plain = functional.linear(_read(self._model, ids)[0].float(), layer.weight.float(), bias)
        # In bf16 the model's own logits are rounded: up to 2^-9 of the value.
        share = 1e-4 if layer.weight.dtype == torch.float32 else 2**-8
        return own.shape == plain.shape and bool(
            (own - plain).abs().max() <= share * own.abs().max()
        )


def _fill(batch: list[_Reading], scores: RowScores) -> None:
    """Bring a batch's values to their jobs."""
    nll = scores.nll.tolist()
    entropy = scores.entropy.tolist() if scores.entropy is not None else None
    position = 0
    for piece in batch:
        part = slice(position, position + len(piece.rows))
        piece.job.nll[piece.slots] = nll[part]
        if entropy is not None:
            piece.job.entropy[piece.slots] = entropy[part]
        position = part.stop


def _output_layer(model: PreTrainedModel) -> Any:
    return model.get_output_embeddings()  # type: ignore[no-untyped-call]


def _count_embeddings(model: PreTrainedModel) -> int:
    return len(model.get_input_embeddings().weight)  # type: ignore[arg-type]


def _read(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Hidden states (texts, positions, width) before the output layer."""
    hidden: Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return hidden


def _round_up(n_tokens: int) -> int:
    """To one of the few lengths that the model meets."""
    return n_tokens + -n_tokens % (_LENGTH_STEP if n_tokens > _LENGTH_STEP else _SHORT_STEP)


def _chunk(requests: Sequence[ScoreRequest]) -> Iterator[Sequence[ScoreRequest]]:
    """Runs of requests of about `_CHUNK_CHARACTERS`."""
    begin = n_characters = 0
    for index, request in enumerate(requests):
        n_characters += len(request.question) + len(request.thinking)
        if n_characters >= _CHUNK_CHARACTERS:
            yield requests[begin : index + 1]
            begin, n_characters = index + 1, 0
    if begin < len(requests):
        yield requests[begin:]


def _batch(pieces: list[_Reading], batch_tokens: int) -> Iterator[list[_Reading]]:
    """Pieces of like length together, at most `batch_tokens` with padding, at least one piece."""
    batch: list[_Reading] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece.ids)):
        longest = len(batch[0].ids) if batch else 0
        is_full = (len(batch) + 1) * longest > batch_tokens
        if batch and (is_full or len(piece.ids) < _LEAST_FILL * longest):
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _batch_packed(pieces: list[_Reading], batch_tokens: int) -> Iterator[list[_Reading]]:
    """Pieces in order, at most `batch_tokens` together, at least one."""
    batch: list[_Reading] = []
    n_tokens = 0
    for piece in pieces:
        if batch and n_tokens + len(piece.ids) > batch_tokens:
            yield batch
            batch, n_tokens = [], 0
        batch.append(piece)
        n_tokens += len(piece.ids)
    if batch:
        yield batch


def _choose_window(model: PreTrainedModel, name: str, window: int | None) -> int:
    own: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if window is None and own is None:
        raise ModelError(f"{name} does not say how many tokens it reads at once; give a window")
    if window is not None and (window < 16 or (own is not None and window > own)):
        raise ModelError(f"the window is {window}; for {name} it must be from 16 to {own or 'any'}")
    return window or own or 0


def _check_vocabulary(model: PreTrainedModel, tokenizer: TextTokenizer, name: str) -> None:
    n_embeddings = _count_embeddings(model)
    if tokenizer.n_ids > n_embeddings:
        raise ModelError(
            f"the tokenizer of {name} knows {tokenizer.n_ids} tokens, "
            f"the model only {n_embeddings}: they do not belong together"
        )


def _take_own_logits_in_fp32(model: PreTrainedModel, name: str) -> None:
    """Prepare a model whose own logits are used: its output layer must not round to bf16."""
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        raise ModelError(
            f"the architecture of {name} ({type(model).__name__}) gives no way to score single "
            "positions; use another scorer"
        )
    layer = _output_layer(model)
    if layer.weight.dtype != torch.float32:
        layer = copy.deepcopy(layer).float()
        layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
        model.set_output_embeddings(layer)  # type: ignore[no-untyped-call]
