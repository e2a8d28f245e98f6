"""Runs made by asap itself with fakes for model and LLM, and the page's real server over them."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import asap
from asap.chat import Chat, ChatRequest, ScriptedChat
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer
from asap.trace import segment_thinking
from asap.view import open_run_folders
from asap.view.api import Api
from asap.view.server import listen, make_app, make_server


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Asks a server that runs."""

    port: int

    def get(self, path: str, **headers: str) -> Answer:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status == 200, answer.body
        return answer.json


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def serving(*folders: Path | str) -> Iterator[Client]:
    listener = listen(0)
    server = make_server(make_app(Api(open_run_folders(map(str, folders)))))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Client(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=20)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    """Serves run folders: `with serve(folder, ...) as client`."""
    return serving


@pytest.fixture(scope="session")
def prune() -> Callable[..., Path]:
    """Prunes a file with fakes; what is no argument of `prune_corpus` is a field of the recipe."""

    def run(source: Path, output: Path, *, chat: Chat | None = None, **more: Any) -> Path:
        own = {name: more.pop(name) for name in ("shard_rows", "limit") if name in more}
        recipe = asap.load_recipe("default", more)
        corpus = asap.open_corpus([str(source)], None, recipe.require)
        tools = Tools(FakeCounter(), FakeScorer(), chat)
        asap.prune_corpus(corpus, output, recipe, tools, max_excluded=1.0, **own)
        return output

    return run


@pytest.fixture(scope="session")
def read_traces() -> Callable[[Path], list[dict[str, Any]]]:
    """All rows of `traces/`, read without anything of the view."""

    def read(run: Path) -> list[dict[str, Any]]:
        files = sorted((run / "traces").glob("*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]

    return read


@pytest.fixture(scope="session")
def source(
    tmp_path_factory: pytest.TempPathFactory,
    make_rows: Callable[..., list[dict[str, Any]]],
    write_jsonl: Callable[..., Path],
) -> Path:
    """Forty rows, of which row 7 is never closed."""
    rows: list[Any] = make_rows(39)
    rows.insert(7, {"id": "open", "prompt": "Q", "generation": "<think>\nnever closed"})
    return write_jsonl(tmp_path_factory.mktemp("view") / "in.jsonl", rows)


@pytest.fixture(scope="session")
def run(source: Path, prune: Callable[..., Path]) -> Path:
    """A run of the default recipe, three shards."""
    return prune(source, source.parent / "run", ratio=0.4, shard_rows=16)


@pytest.fixture(scope="session")
def tail(source: Path, prune: Callable[..., Path]) -> Path:
    """The same rows by another method."""
    return prune(source, source.parent / "tail", method="tail", ratio=0.4)


@pytest.fixture(scope="session")
def client(run: Path, tail: Path, serve: Callable[..., Any]) -> Iterator[Client]:
    """The two of them, served."""
    with serve(run, f"last={tail}") as client:
        yield client


@pytest.fixture(scope="session")
def shorten(source: Path) -> Callable[[ChatRequest], str]:
    """An LLM for stage 1: an anchor, and of the thinking all but every third step, the first one
    with a word changed.
    """
    rows = [json.loads(line) for line in source.read_text("utf-8").splitlines()]
    thinkings = {
        row["id"]: row["generation"].removeprefix("<think>\n").partition("\n</think>")[0]
        for row in rows
    }

    def answer(request: ChatRequest) -> str:
        if request.purpose == "anchor":
            return "Sum the list.\n\nPrint the sum."
        thinking = thinkings[request.id]
        steps = [thinking[step.start : step.end] for step in segment_thinking(thinking)]
        kept = [step for n, step in enumerate(steps) if n % 3 != 2]
        return "\n\n".join([kept[0] + " indeed", *kept[1:]])

    return answer


@pytest.fixture(scope="session")
def replied(source: Path, prune: Callable[..., Path], shorten: Any) -> Path:
    """The same rows, with stage 1 by an LLM whose wording is kept; row 3 fell back."""

    def answer(request: ChatRequest) -> str:
        return "" if request.id == "t-3" and request.purpose == "rewrite" else shorten(request)

    more = {"stage1": "rewrite", "wording": "reply", "stage1_attempts": 1, "ratio": 0.4}
    return prune(source, source.parent / "replied", chat=ScriptedChat(answer), **more)
