"""`asap doctor`: what is installed, what works, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from rich.table import Table
from rich.text import Text

from asap.cli.terminal import Terminal
from asap.errors import AsapError
from asap.judge import Judge
from asap.run import cache_folder
from asap.surprisal import ScoreRequest, load_scorer
from asap.trace import segment_thinking

_EXTRAS = {
    "score": ("torch", "transformers"),
    "llm": ("openai",),
    "hub": ("datasets",),
    "bench": ("sortedcontainers", "fastapi", "uvicorn", "accelerate"),
    "train": ("trl", "peft"),
    "view": ("duckdb", "starlette", "uvicorn", "matplotlib"),
    "remote": ("universal-pathlib", "s3fs"),
    "ray": ("ray",),
}


def doctor() -> None:
    """Say what is installed, what works, and what to do about the rest.

    Example:
      asap doctor
    """
    table = Table(show_lines=False)
    for heading in ("check", "", "found", "what to do"):
        table.add_column(heading)
    table.add_row("python", "ok", f"{platform.python_version()} on {platform.platform()}", "")
    for extra, packages in _EXTRAS.items():
        for package in packages:
            # A remedy such as `pip install 'asap-cot[hub]'` holds brackets: no markup.
            table.add_row(package, *map(Text, _package(package, extra)))
    table.add_row("device", *map(Text, _device()))
    table.add_row(
        "built-in model", *_check(_score_with_builtin, "reinstall asap-cot with the extra 'score'")
    )
    table.add_row(
        "reply cache",
        *_check(_write_to_cache, "set ASAP_CACHE to a writable folder on a local disk"),
    )
    table.add_row(
        "sandbox",
        *map(
            Text,
            _check(
                _enter_judge, "needed by asap judge only; --i-understand-unsafe goes on without"
            ),
        ),
    )
    table.add_row("API key", *_key())
    Terminal().print(table)


def _package(package: str, extra: str) -> tuple[str, str, str]:
    try:
        return "ok", metadata.version(package), ""
    except metadata.PackageNotFoundError:
        return "missing", "", f"pip install 'asap-cot[{extra}]'"


def _device() -> tuple[str, str, str]:
    try:
        import torch
    except ImportError:
        return "missing", "no torch", "pip install 'asap-cot[score]'"
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return "ok", f"CUDA: {names}", ""
    if torch.backends.mps.is_available():
        return "ok", "MPS", ""
    return (
        "ok",
        f"CPU, {torch.get_num_threads()} threads",
        "a GPU is wanted from about 1B parameters",
    )


def _check(work: Callable[[], str], remedy: str) -> tuple[str, str, str]:
    try:
        return "ok", work(), ""
    except (AsapError, OSError, sqlite3.Error) as error:
        return "fails", str(error), remedy


def _score_with_builtin() -> str:
    scorer = load_scorer("builtin")
    text = "First, read the input.\n\nThen print the sum."
    request = ScoreRequest("Add two numbers.", text, segment_thinking(text))
    scores = scorer.score([request])[0]
    return f"{scorer.name}: " + ", ".join(f"{value:.2f}" for value in scores.surprisal) + " nats"


def _write_to_cache() -> str:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        connection = sqlite3.connect(Path(temporary) / "probe.sqlite")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.close()
    return f"{folder} (SQLite {sqlite3.sqlite_version}, {mode})"


def _enter_judge() -> str:
    with Judge() as judge:
        return f"{judge.sandbox.kind}, Landlock ABI {judge.sandbox.landlock_abi}"


def _key() -> tuple[str, str, str]:
    for name in ("ASAP_API_KEY", "OPENAI_API_KEY"):
        if os.environ.get(name):
            return "ok", f"{name} is set", ""
    return (
        "none",
        "",
        "only for --stage1 select or rewrite: export ASAP_API_KEY (local servers need none)",
    )
