"""A run with fakes in place of model and LLM, and what stands in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import asap
from asap.chat import Chat
from asap.prune import Tools
from asap.run import RunResult
from asap.surprisal import FakeCounter, FakeScorer


@dataclass(frozen=True)
class Folder:
    """A run folder as a reader of files sees it: nothing of asap's own in here."""

    path: Path

    def _rows(self, name: str) -> list[dict[str, Any]]:
        files = sorted((self.path / name).glob("*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]

    @property
    def data(self) -> list[dict[str, Any]]:
        return self._rows("data")

    @property
    def traces(self) -> list[dict[str, Any]]:
        return self._rows("traces")

    def files(self, *names: str) -> dict[str, bytes]:
        """Content by relative path of what stands under these names; of all without one."""
        starts = [self.path / name for name in names] or [self.path]
        found = [file for start in starts for file in (start, *start.rglob("*")) if file.is_file()]
        return {str(file.relative_to(self.path)): file.read_bytes() for file in found}


@pytest.fixture
def run_folder() -> Callable[[Path], Folder]:
    return Folder


@pytest.fixture
def tools() -> Tools:
    return Tools(FakeCounter(), FakeScorer())


@pytest.fixture
def prune(tmp_path: Path) -> Callable[..., tuple[RunResult, Folder]]:
    """Prunes a file into a folder with fakes; what is no argument of `prune_corpus` is a field of
    the recipe.
    """
    own = ("limit", "keep_columns", "shard_rows", "on_progress", "on_open", "max_excluded")

    def run(
        source: Path,
        output: Path | None = None,
        *,
        recipe: str = "default",
        chat: Chat | None = None,
        tools: Tools | None = None,
        **more: Any,
    ) -> tuple[RunResult, Folder]:
        arguments = {"max_excluded": 1.0} | {name: more.pop(name) for name in own if name in more}
        chosen = asap.load_recipe(recipe, more)
        output = output or tmp_path / "run"
        tools = tools or Tools(FakeCounter(), FakeScorer(), chat)
        corpus = asap.open_corpus([str(source)], None, chosen.require)
        return asap.prune_corpus(corpus, output, chosen, tools, **arguments), Folder(output)

    return run
