"""A causal model behind the fault server that tells log-probabilities of prompts, as real servers
do, each in its own dialect:

- `prompt_logprobs`: vLLM's field; ids; a dict by id, with the likeliest one beside the own.
- `echo`: SGLang's way; ids; three lists that go on with the token generated.
- `text`: llama-cpp-python's; no ids (HTTP 500); the begin-of-text token is read but not listed.

`first` is the value of the first token, None with real servers. `cache` is what a prefix cache does
to the values: `short` leaves out what was cached, `stale` gives what stood there before. With
`is_shifted` a value belongs to the token before. `twist` alters the finished values, and may return
an action of the server instead.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

BLOCK = 16
Values = list[Any]


@cache
def load(folder: Path) -> tuple[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)


class ScoringServer:
    """Answers the requests that come to a `FaultServer`."""

    def __init__(
        self,
        server: Any,
        folder: Path,
        dialect: Literal["prompt_logprobs", "echo", "text"] = "prompt_logprobs",
        *,
        length: int = 4096,
    ) -> None:
        self.server = server
        self.dialect = dialect
        self.length = length
        self.cache: Literal["none", "short", "stale"] = "none"
        self.is_shifted = False
        self.first: float | None = None
        self.twist: Callable[[Values], Any] = lambda values: values
        self.before: Callable[[], object] = lambda: None
        self._model, self.tokenizer = load(folder)
        self._lock = threading.Lock()
        self._last: tuple[list[int], Values] = ([], [])
        server.models = [
            {"id": "served", "object": "model", "created": 1, "owned_by": "tests", "root": "/m"}
        ]
        if dialect != "text":
            server.models[0]["max_model_len"] = length
        server.script(self.answer)

    def answer(self, body: dict[str, Any], n_times: int) -> Any:
        self.before()
        prompt = body["prompt"]
        if isinstance(prompt, list) == (self.dialect == "text"):
            return self.server.status(500, message="prompt must be a string")
        ids = prompt if isinstance(prompt, list) else self.tokenizer(prompt)["input_ids"]
        if len(ids) + body["max_tokens"] > self.length:
            return self.server.status(
                400, message=f"maximum context length is {self.length} tokens"
            )
        with self._lock:
            values, tops = self._read(ids)
        values = self.twist(values)
        if not isinstance(values, list):
            return values
        choice: dict[str, Any] = {"index": 0, "text": "x", "finish_reason": "length"}
        if self.dialect == "prompt_logprobs":
            if "prompt_logprobs" in body:
                choice["prompt_logprobs"] = self._as_dicts(ids, values, tops)
        elif body.get("echo"):
            choice["logprobs"] = self._as_lists(ids, values, tops)
        usage = {"prompt_tokens": len(ids), "completion_tokens": 1}
        reply = {"id": "cmpl-1", "object": "text_completion", "created": 0, "model": "served"}
        content = json.dumps(reply | {"choices": [choice], "usage": usage})
        return self.server.body(content.encode())

    def _read(self, ids: list[int]) -> tuple[Values, list[tuple[int, float] | None]]:
        with torch.no_grad():
            log_p = self._model(torch.tensor([ids])).logits[0].log_softmax(-1)
        rows = log_p if self.is_shifted else torch.cat([log_p[:1], log_p[:-1]])
        values: Values = [None, *(float(rows[i, ids[i]]) for i in range(1, len(ids)))]
        tops = [None, *((int(row.argmax()), float(row.max())) for row in rows[1:])]
        before, old = self._last
        pairs = zip(ids, before, strict=False)
        shared = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ids), len(before)))
        n_cached = shared // BLOCK * BLOCK
        self._last = (ids, list(values))
        if self.cache == "short":
            return values[:1] + values[1 + n_cached :], tops[:1] + tops[1 + n_cached :]
        if self.cache == "stale" and n_cached > 2:
            # Whatever lay in the buffer: the values of the places beside them.
            values[1:n_cached] = [*old[2:n_cached], old[1]]
        return values, tops

    def _as_dicts(self, ids: list[int], values: Values, tops: list[Any]) -> list[Any]:
        places: list[Any] = []
        for token_id, value, top in zip(ids, values, tops, strict=False):
            if value is None or top is None:
                places.append(None)
                continue
            place = {top[0]: top[1], token_id: value}
            places.append(
                {
                    str(i): {"logprob": x, "rank": 1, "decoded_token": self.tokenizer.decode([i])}
                    for i, x in place.items()
                }
            )
        return places

    def _as_lists(self, ids: list[int], values: Values, tops: list[Any]) -> dict[str, Any]:
        n_hidden = int(self.dialect == "text" and ids[0] == self.tokenizer.bos_token_id)
        tokens = [self._show(i) for i in ids[n_hidden:]]
        values, tops = [self.first, *values[n_hidden + 1 :]], [None, *tops[n_hidden + 1 :]]
        likeliest = [None if top is None else {self._show(top[0]): top[1]} for top in tops]
        for own, token, value in zip(likeliest, tokens, values, strict=False):
            if own is not None and value is not None:
                own.setdefault(token, value)
        return {
            "tokens": [*tokens, "x"],
            "token_logprobs": [*values, -1.0],
            "top_logprobs": [*likeliest, {"x": -1.0}],
            "text_offset": [0] * (len(tokens) + 1),
        }

    def _show(self, token_id: int) -> str:
        text = str(self.tokenizer.decode([token_id]))
        # llama-cpp-python leaves out parts of characters.
        return text.replace("\ufffd", "") if self.dialect == "text" else text
