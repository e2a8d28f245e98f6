"""The server of a model that a verb asks: one that runs, or one that the verb starts and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from asap.bench import Engine, Generator, ModelTokenizer, Sampling, ServerDType, start_server
from asap.chat import ChatLimits, OpenAICompletions, ReplyCache
from asap.errors import InputError
from asap.judge import Judge
from asap.rank import AnswerChecker, ForcedAnswers, Forcing
from asap.run import cache_folder
from asap.surprisal import digest_weights, find_model_folder, find_window


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


@contextmanager
def open_forcing(
    model: str,
    url: str | None,
    engine: Engine | None,
    tokenizer: str | None,
    dtype: ServerDType,
    output: Path,
    limits: ChatLimits,
    judge: Judge,
    *,
    max_tokens: int,
    window: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Forcing]:
    """A model that answers behind kept thinkings, its server started when it is first asked.

    Raises:
        InputError: two servers are named.
        ModelError: the tokenizer cannot be loaded.
    """
    check_server(url, engine)
    own = ModelTokenizer(tokenizer or model)
    # A model that is served from here is known by its weights, wherever they lie.
    name = f"{Path(model).name} {digest_model(model)}" if engine else f"{model} at {url}"

    @contextmanager
    def open_generator() -> Iterator[Generator]:
        if engine:
            say(f"starting the server; what it says goes to {output / 'server.log'}")
        with open_client(model, url, engine, dtype, 0, output, limits) as client:
            yield Generator(client, own, Sampling())

    with (
        ReplyCache(cache_folder() / "replies.sqlite") as cache,
        ForcedAnswers(
            name,
            own,
            open_generator,
            cache,
            max_tokens=max_tokens,
            window=window or (find_window(model) if engine else None),
        ) as forced,
        AnswerChecker(judge) as checker,
    ):
        yield Forcing(forced, checker)


def digest_model(model: str) -> str:
    """A digest of a model's weights."""
    folder, _ = find_model_folder(model)
    return digest_weights(folder)
