"""Opens a scorer behind a server: which model, how it is asked, how much it reads, and whether its
numbers are what they should be.

The last is asked with three texts that differ in their last word alone, one after the other and the
first once more; their first word is drawn, so that no cache has the first of them. What stands
before the last word must not change, whatever the cache holds then; nor may the likeliest token at
the word's place, which would know the word already.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asap.chat import (
    ChatLimits,
    OpenAIReader,
    ReadReply,
    ReadRequest,
    ServedModel,
    Waiting,
)
from asap.errors import ChatError, MissingExtraError, ModelError
from asap.surprisal.context import WriteContext, find_prefix, load_template, write_raw
from asap.surprisal.load import Context
from asap.surprisal.model_folder import find_tokenizer_folder
from asap.surprisal.server_scorer import ServerScorer, ServerWay, check_logprobs, match_places
from asap.surprisal.tokenizer import TextTokenizer, load_folder_tokenizer

_TEXT = (
    "<think>\nOkay, so I need to find the number of pairs whose sum is even. Let me think about "
    "the first example again. n = 4, and the numbers are 1, 2, 3 and 4.\n\nThe pairs are (1, 3) "
    "and (2, 4), so there are two of them. That matches.\n\nWait, what if n is 0? Then"
)
_ENDINGS = (" the", ".", "\n\nSo")
_TOLERANCE = 0.5
"""Nats by which one value may differ between two readings: kernels round by the batch."""
_NEAR_TIE = 0.1
"""The same where another token is the likeliest: then both must have been about as likely."""
_OPENING_ATTEMPTS = 2
_LEAST_WINDOW = 16
_TELLING = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
"""What of a server's line about a model stays the same as long as the model does."""
_WAYS = (
    ServerWay("prompt_logprobs", takes_ids=True),
    ServerWay("echo", takes_ids=True),
    ServerWay("echo", takes_ids=False),
)


def open_server_scorer(
    url: str,
    name: str,
    *,
    model: str | None = None,
    window: int | None = None,
    context: Context = "raw",
    limits: ChatLimits | None = None,
    waiting: Waiting | None = None,
) -> ServerScorer:
    """Open a scorer behind an OpenAI-compatible server. It is the caller's to close.

    Args:
        url: the server's address up to `/v1`.
        name: whose tokenizer the server's model has: `builtin`, a folder, or a Hub id, of which
            nothing but the tokenizer and the config is fetched.
        model: the model's name at the server; by default the only one that it lists.
        window: the server's context length in tokens, where it does not say; by default that of the
            model's config. One of them is for the token that a server must generate.
        context: what stands before the thinking, as for `load_scorer`.
        limits: on requests; tokens are not limited.
        waiting: between attempts.

    Raises:
        MissingExtraError: the extra `llm` is not installed.
        ModelError: server, tokenizer or model cannot be used for scoring; the message says why.
        RecipeError: `url` is no address of a server.
        KeyRefused: the server refused the key.
    """
    limits = replace(limits or ChatLimits(), token_limit=None, max_tokens=None)
    # A wrong address is to be told at once, not after half a minute of attempts.
    patient = min(limits.attempts, _OPENING_ATTEMPTS)
    opening = replace(limits, attempts=patient)
    folder, label = find_tokenizer_folder(name)
    tokenizer = load_folder_tokenizer(folder, label)
    prefix = find_prefix(folder, tokenizer) if context == "raw" else []
    with OpenAIReader(model or "", base_url=url, limits=opening, waiting=waiting) as reader:
        served = _choose_model(reader.run(_list_models(reader)), model, reader.host)
    length = _choose_length(served, window, folder)
    with OpenAIReader(served.id, base_url=url, limits=opening, waiting=waiting) as reader:
        probe = _Probe(reader, tokenizer, prefix, length)
        way = reader.run(probe.find_way())
        reader.run(probe.check_numbers(way))
    known = served.model_dump()
    told = {key: known.get(key) for key in _TELLING}
    identity = json.dumps([told, tokenizer.name, length, way.takes_ids], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return ServerScorer(
        OpenAIReader(served.id, base_url=url, limits=limits, waiting=waiting),
        way,
        tokenizer,
        name=f"{served.id}@{digest}:server",
        prefix=prefix,
        write_context=write_raw if context == "raw" else _load_template(folder),
        window=length - 1,
    )


def _load_template(folder: Path) -> WriteContext:
    try:
        return load_template(folder)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "transformers":
            raise MissingExtraError("the context 'template'", "score") from error
        raise


async def _list_models(reader: OpenAIReader) -> list[ServedModel]:
    """What the server lists; nothing where it has no list."""
    try:
        return await reader.list_models()
    except ChatError as error:
        if error.reason == "bad_request":
            return []
        raise ModelError(
            f"the scoring server cannot be used: {error}; check --scorer-url and that it runs"
        ) from None


def _choose_model(listed: Sequence[ServedModel], model: str | None, host: str) -> ServedModel:
    names = ", ".join(entry.id for entry in listed) or "none"
    if model is not None:
        found = [entry for entry in listed if entry.id == model]
        if listed and not found:
            raise ModelError(f"{host} has no model '{model}' (--scorer-model); it lists: {names}")
        return found[0] if found else ServedModel(id=model)
    if len(listed) != 1:
        raise ModelError(f"name the model with --scorer-model; {host} lists: {names}")
    return listed[0]


def _choose_length(served: ServedModel, window: int | None, folder: Path) -> int:
    """The server's context length."""
    told = served.max_model_len
    if told is not None and window is not None and window > told:
        raise ModelError(f"--scorer-window is {window}, but the server reads {told} tokens")
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    length = window or told or config.get("max_position_embeddings")
    if length is None:
        raise ModelError(
            "neither the server nor the model's config says how many tokens are read at once: "
            "give the server's context length with --scorer-window"
        )
    if length < _LEAST_WINDOW:
        raise ModelError(f"--scorer-window is {length}; it must be {_LEAST_WINDOW} or more")
    return int(length)


class _Probe:
    """Puts the same few texts to a server."""

    def __init__(
        self, reader: OpenAIReader, tokenizer: TextTokenizer, prefix: list[int], length: int
    ) -> None:
        self._reader = reader
        self._tokenizer = tokenizer
        self._prefix = prefix
        self._length = length

    async def find_way(self) -> ServerWay:
        """The first way of asking that brings log-probabilities of a prompt's tokens.

        Raises:
            ModelError: there is none.
        """
        faults: dict[str, None] = {}
        for way in _WAYS:
            try:
                reply = await self._read(self._draw_text(), way)
            except ChatError as error:
                if error.reason in ("connection_lost", "timed_out"):
                    raise ModelError(f"the scoring server cannot be used: {error}") from None
                faults[str(error)] = None
                continue
            # One entry is the generated token's: what a server tells that knows no echo.
            if len(reply.logprobs) > 1:
                return way
        what = f" ({'; '.join(faults)})" if faults else ""
        raise ModelError(
            f"{self._reader.host} gives no log-probabilities of a prompt's tokens{what}; which "
            "servers do: docs/server-scorer.md (llama.cpp's own llama-server does not)"
        )

    async def check_numbers(self, way: ServerWay) -> None:
        """Ask with shared beginnings and compare.

        Raises:
            ModelError: the server's numbers cannot be trusted; the message says how that shows.
        """
        text = self._draw_text()
        texts = [text + ending for ending in (*_ENDINGS, _ENDINGS[0])]
        ids = [self._tokenize(text) for text in texts]
        try:
            replies = [await self._read(text, way) for text in texts]
        except ChatError as error:
            raise ModelError(f"the scoring server cannot be used: {error}") from None
        read = [self._check_reply(*pair, way) for pair in zip(replies, ids, strict=True)]
        # Lists of a server that takes texts begin behind the prefix.
        skipped = len(self._prefix) if way.takes_ids else 0
        for nll, own, reply in zip(read[1:], ids[1:], replies[1:], strict=True):
            n_shared = skipped + _count_shared(ids[0], own)
            pairs = zip(read[0][:n_shared], nll[:n_shared], strict=True)
            difference = max(abs(a - b) for a, b in pairs)
            if difference > _TOLERANCE:
                raise ModelError(
                    f"{self._reader.host} gives the same beginning of a prompt other "
                    f"log-probabilities when asked again, by up to {difference:.2f} nats: its "
                    "prefix caching must be off (vLLM: --no-enable-prefix-caching)"
                )
            if n_shared < min(len(nll), len(read[0])):
                _check_top(replies[0], reply, n_shared, self._reader.host)

    def _draw_text(self) -> str:
        """The text without its last word, shortened to what the server reads."""
        rest = _TEXT
        while True:
            text = f"{secrets.token_hex(4)}\n{rest}"
            n = max(len(self._tokenize(text + ending)) for ending in _ENDINGS)
            if len(self._prefix) + n < self._length or not rest:
                return text
            rest = rest[len(rest) // 4 + 1 :]

    def _tokenize(self, text: str) -> list[int]:
        (tokens,) = self._tokenizer.tokenize([text])
        return tokens.ids

    async def _read(self, text: str, way: ServerWay) -> ReadReply:
        prompt = (*self._prefix, *self._tokenize(text)) if way.takes_ids else text
        return await self._reader.read(ReadRequest(prompt, "probe", way.dialect))

    def _check_reply(self, reply: ReadReply, ids: list[int], way: ServerWay) -> list[float]:
        """NLL of all tokens of a probe, in the order of the reply's lists."""
        texts = [self._tokenizer.token_text(token_id) for token_id in ids]
        n_prefix = len(self._prefix)
        if not way.takes_ids:
            return [0.0, *match_places(reply, texts, range(1, len(ids)), n_prefix)]
        nll = check_logprobs(reply.logprobs, n_prefix + len(ids))
        if reply.n_prompt is not None and reply.n_prompt != len(nll):
            raise ModelError(
                f"the scoring server counts {reply.n_prompt} tokens in a prompt of {len(nll)}: it "
                "must take token ids as they are"
            )
        # Beginnings of words may show with their blank or without.
        for own, theirs in zip(texts, reply.tokens[n_prefix:], strict=False):
            if theirs is not None and own.strip(" \ufffd") != theirs.strip(" \ufffd"):
                raise ModelError(
                    f"the scoring server's model reads a token as {theirs!r} that the tokenizer of "
                    f"--scorer reads as {own!r}: name the folder or Hub id of the served model"
                )
        return nll


def _count_shared(ours: Sequence[int], theirs: Sequence[int]) -> int:
    pairs = zip(ours, theirs, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))


def _check_top(first: ReadReply, other: ReadReply, place: int, host: str) -> None:
    """Compare what was likeliest where two prompts part: both had read the same up to there."""
    tops = [reply.tops[place] for reply in (first, other) if place < len(reply.tops)]
    found = [top for top in tops if top is not None]
    if len(found) < 2:
        raise ModelError(
            f"{host} does not tell the likeliest token at each place of a prompt, so which token "
            "its log-probabilities belong to cannot be checked"
        )
    (name, value), (other_name, other_value) = found
    if abs(value - other_value) > (_TOLERANCE if name == other_name else _NEAR_TIE):
        raise ModelError(
            f"{host} gives log-probabilities of the wrong place: what it expects at a token hangs "
            "on that token (llama-cpp-python does so for models without a begin-of-text token)"
        )
