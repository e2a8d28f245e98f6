"""The server of a model that a verb asks: one that runs, or one that the verb starts and stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from asap.bench import Engine, ServerDType, start_server
from asap.chat import ChatLimits, OpenAICompletions
from asap.errors import InputError
from asap.surprisal import digest_weights, find_model_folder


def check_server(url: str | None, engine: Engine | None) -> None:
    """Refuse two servers. That there is none is said when one is needed.

    Raises:
        InputError: both are named.
    """
    if url and engine:
        raise InputError("--url names a running server, --engine starts one: give one of them")


@contextmanager
def open_client(
    model: str,
    url: str | None,
    engine: Engine | None,
    dtype: ServerDType,
    seed: int,
    output: Path,
    limits: ChatLimits,
) -> Iterator[OpenAICompletions]:
    """The way to a model; a server that is started writes to `server.log` in `output`.

    Raises:
        InputError: neither `url` nor `engine` is given.
        ModelError, MissingExtraError: the server does not start.
    """
    if engine is None:
        if url is None:
            raise InputError("say where the model runs: --url of a running server, or --engine")
        with OpenAICompletions(model, base_url=url, limits=limits) as client:
            yield client
        return
    if engine == "transformers":
        # It answers one request after the other, and a seed is set for all that run.
        limits = replace(limits, concurrency=1)
    log = output / "server.log"
    with (
        start_server(engine, model, log=log, dtype=dtype, seed=seed) as server,
        OpenAICompletions(server.model, base_url=server.url, limits=limits, is_own=True) as client,
    ):
        yield client


def find_window(model: str) -> int | None:
    """How many tokens a model reads, by its config. The transformers server writes on beyond them
    without a word.
    """
    folder, _ = find_model_folder(model)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    window: int | None = config.get("max_position_embeddings")
    return window


def digest_model(model: str) -> str:
    """A digest of a model's weights."""
    folder, _ = find_model_folder(model)
    return digest_weights(folder)
