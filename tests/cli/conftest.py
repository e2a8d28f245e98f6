"""The real command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Nothing of the person who runs the tests: no key, no cache, no terminal, no network."""
    folder = tmp_path_factory.mktemp("home")
    kept = ("PATH", "PYTHONPATH", "LANG", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(folder),
        "ASAP_CACHE": str(folder / "asap"),
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "80",
    }


# Importing takes longer than most of what is tested: commands run as forks of one process that has
# imported the command line, each with its own arguments, environment, folder and streams.
ZYGOTE = """
import json, os, sys
from asap.cli.main import main

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()
job = json.loads(line)
os.environ.clear()
os.environ.update(job["environment"])
os.chdir(job["folder"])
for stream, name in enumerate((os.devnull, job["out"], job["err"])):
    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), stream)
sys.argv = ["asap", *job["arguments"]]
main()
"""


@pytest.fixture(scope="session")
def zygote(environment: dict[str, str]) -> Iterator[Any]:
    command, pipe = [sys.executable, "-c", ZYGOTE], subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=environment, bufsize=1
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def asap(
    zygote: Any,
    environment: dict[str, str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Done]:
    """Runs `asap …` in `tmp_path`; keywords are environment variables."""
    streams = tmp_path_factory.mktemp("streams")

    def run(*arguments: str | Path, **variables: str) -> Done:
        words = [str(word) for word in arguments]
        job = {
            "arguments": words,
            "environment": environment | variables,
            "folder": str(tmp_path),
            "out": str(streams / "out"),
            "err": str(streams / "err"),
        }
        for name in ("out", "err"):
            (streams / name).write_bytes(b"")
        print(json.dumps(job), file=zygote.stdin, flush=True)
        code = int(zygote.stdout.readline())
        out, err = ((streams / name).read_text("utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess(words, code, out, err)

    return run


@pytest.fixture(scope="session")
def source(
    tmp_path_factory: pytest.TempPathFactory,
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
) -> Path:
    """Twelve rows, of which rows 2 (malformed) and 5 (never closed) are unusable."""
    rows: list[Any] = make_rows(10)
    rows.insert(2, '{"id": "half')
    rows.insert(5, {"id": "open", "prompt": "Q", "generation": "<think>\nnever closed"})
    return write_jsonl(tmp_path_factory.mktemp("input") / "in.jsonl", rows)


@pytest.fixture(scope="session")
def pruned(
    tmp_path_factory: pytest.TempPathFactory,
    environment: dict[str, str],
    source: Path,
    tiny_model: Path,
) -> tuple[Path, Done]:
    """A run of the whole road with a real scorer, and what the command said."""
    run = tmp_path_factory.mktemp("pruned") / "run"
    command = [sys.executable, "-m", "asap.cli.main", "prune", source, "-o", run]
    more = ["--scorer", tiny_model, "--max-excluded", "0.5", "--stage1-ratio", "0.7"]
    done = subprocess.run(
        [str(word) for word in command + more],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return run, done
