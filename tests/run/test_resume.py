"""Killed at any moment and resumed: the same bytes, nothing paid twice (DESIGN section 6)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asap.errors import RunFolderError
from asap.prune import Tools
from asap.run import FORMAT_VERSION
from asap.surprisal import FakeCounter, FakeScorer

Prune = Callable[..., tuple[Any, Any]]

# Runs, each in a process of its own; scorer and counter are fakes, LLM client and reply cache are
# real. The children are forks of one process that has imported everything: a start costs nothing.
# With "replace:N:before|after" a child kills itself at its N-th rename of a file.
ZYGOTE = """
import json, os, signal, sys
from pathlib import Path
import openai
import asap
from asap.chat import ChatLimits, OpenAIChat, ReplyCache
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer

rename, n_renames = os.replace, 0

def prune(source, output, url, cache, moment):
    def replace(*names):
        global n_renames
        n_renames += 1
        if moment == f"replace:{n_renames}:before":
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*names)
        if moment == f"replace:{n_renames}:after":
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace
    recipe = asap.load_recipe("default", {"stage1": "select", "llm": "served", "llm_url": url})
    limits = ChatLimits(concurrency=8)
    with (
        ReplyCache(cache) as replies,
        OpenAIChat("served", base_url=url, limits=limits, cache=replies) as chat,
    ):
        tools = Tools(FakeCounter(), FakeScorer(), chat)
        corpus = asap.open_corpus([source])
        asap.prune_corpus(corpus, Path(output), recipe, tools, shard_rows=16, max_excluded=1.0)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        prune(*json.loads(line))
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
N_ROWS = 200
N_KILLS = 10


def answer(body: dict[str, Any], n_times: int) -> str:
    """A function of the request alone, different for each. A first attempt (at temperature 0) is of
    no use now and then, so that there are second ones.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    numbered = re.search(r"into (\d+) numbered steps", body["messages"][-1]["content"])
    if numbered is None:
        return f"Add the numbers ({digest})."
    if body["temperature"] == 0 and int(digest, 16) % 10 == 0:
        return f"I would keep most of it ({digest})."
    source = random.Random(digest)
    kept = sorted(source.sample(range(int(numbered[1])), int(numbered[1]) // 2))
    return json.dumps({"keep": kept, "why": digest})


def digests(texts: list[str]) -> set[str]:
    return {found[0] for text in texts if (found := re.search(r"[0-9a-f]{64}", text))}


def stored(cache: Path) -> set[str]:
    """Digests of the requests whose replies are on disk."""
    if not cache.exists():
        return set()
    connection = sqlite3.connect(cache)
    try:
        return digests([row[0] for row in connection.execute("SELECT text FROM replies")])
    except sqlite3.OperationalError:  # killed before it had made the table
        return set()
    finally:
        connection.close()


class Road:
    """Starts runs on one folder, and kills them."""

    def __init__(self, zygote: Any, source: Path, folder: Path, server: Any) -> None:
        folder.mkdir()
        self.zygote = zygote
        self.source, self.output, self.cache = source, folder / "run", folder / "replies.sqlite"
        self.server = server
        server.script(answer)

    def run(self, moment: str = "") -> int:
        """Run to the end, or up to a moment: "replies:N", "replace:N:before|after", or "shard" (the
        next one that is finished).
        """
        at = len(self.server.requests)
        had = stored(self.cache)
        reached = self._watch_for(moment, at)
        paths = [str(self.source), str(self.output), self.server.url, str(self.cache)]
        print(json.dumps([*paths, moment]), file=self.zygote.stdin, flush=True)
        pid = int(self.zygote.stdout.readline())
        has_ended = False
        while not has_ended and not reached():
            has_ended = bool(select.select([self.zygote.stdout], [], [], 0.002)[0])
        if not has_ended:
            os.kill(pid, signal.SIGKILL)
        code = int(self.zygote.stdout.readline())
        asked = {self.server.digest(body) for body in self.server.requests[at:]}
        assert asked & had == set(), "a stored reply was asked for again"
        return code

    def _watch_for(self, moment: str, at: int) -> Callable[[], bool]:
        kind, _, value = moment.partition(":")
        if kind == "replies":
            return lambda: len(self.server.requests) - at >= int(value)
        if kind == "shard":
            n_shards = len(list(self.output.glob("traces/*.parquet")))
            return lambda: len(list(self.output.glob("traces/*.parquet"))) > n_shards
        return lambda: False


@pytest.fixture(scope="module")
def zygote() -> Iterator[Any]:
    command = [sys.executable, "-c", ZYGOTE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def new_road(zygote: Any, fault_server: Any) -> Callable[[Path, Path], Road]:
    return lambda source, folder: Road(zygote, source, folder, fault_server)


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    rows: list[Any] = make_rows(N_ROWS - 2, seed=5)
    rows[30:30] = ["not json at all"]
    rows.insert(100, {"id": "open", "prompt": "Q", "generation": "<think>\nnever closed"})
    return write_jsonl(tmp_path / "in.jsonl", rows)


def moments(seed: int) -> list[str]:
    """Where the kills come, so that the ten of them do not get to the end of the run."""
    source = random.Random(seed)
    kinds = [f"replies:{source.randint(1, 25)}" for _ in range(6)]
    # Renames of a resumed run: the recipe, then data and traces of each shard.
    kinds += [f"replace:{source.randint(1, 3)}:{when}" for when in ("before", "after", "before")]
    kinds += ["shard"]
    assert len(kinds) == N_KILLS
    source.shuffle(kinds)
    return kinds


def test_killed_ten_times_and_resumed(
    source: Path,
    tmp_path: Path,
    fault_server: Any,
    new_road: Callable[[Path, Path], Road],
    run_folder: Callable[[Path], Any],
) -> None:
    undisturbed = new_road(source, tmp_path / "undisturbed")
    assert undisturbed.run() == 0
    expected = run_folder(undisturbed.output)
    n_requests = len(fault_server.requests)
    assert n_requests > 2 * (N_ROWS - 2)  # some were asked twice

    killed = new_road(source, tmp_path / "killed")
    assert [killed.run(moment) for moment in moments(seed=11)] == [-signal.SIGKILL] * N_KILLS
    assert killed.run() == 0
    found = run_folder(killed.output)
    names = ("data", "traces", "excluded.jsonl", "README.md")
    assert found.files(*names) == expected.files(*names)
    assert [row["row"] for row in found.traces] == list(range(N_ROWS))
    assert len([row for row in found.traces if row["outcome"] == "excluded"]) >= 2
    # What was in flight at a kill may be asked for again: at most the client's 8 each time.
    assert len(fault_server.requests) - 2 * n_requests <= 8 * N_KILLS
    assert not list(killed.output.rglob("*.tmp"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_the_end_is_written(
    tmp_path: Path,
    fault_server: Any,
    new_road: Callable[[Path, Path], Road],
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
    when: str,
) -> None:
    """20 rows: the renames are report, recipe, 2 shards of two files, excluded, card, report."""
    source = write_jsonl(tmp_path / "in.jsonl", make_rows(20))
    road = new_road(source, tmp_path / "killed")
    assert road.run(f"replace:7:{when}") == -signal.SIGKILL
    assert (road.output / "excluded.jsonl").exists() == (when == "after")
    n_requests = len(fault_server.requests)
    # Nothing is left to prune: these are the recipe, excluded, the card and the report.
    for n_renames in (1, 2, 3, 4):
        assert road.run(f"replace:{n_renames}:{when}") == -signal.SIGKILL
    assert road.run() == 0
    assert len(fault_server.requests) == n_requests
    assert json.loads((road.output / "report.json").read_text("utf-8"))["status"] == "finished"
    assert not list(road.output.rglob("*.tmp"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_first_line(
    tmp_path: Path,
    new_road: Callable[[Path, Path], Road],
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
    when: str,
) -> None:
    road = new_road(write_jsonl(tmp_path / "in.jsonl", make_rows(2)), tmp_path / "killed")
    assert road.run(f"replace:1:{when}") == -signal.SIGKILL
    assert road.run() == 0


@pytest.fixture
def small(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl(tmp_path / "in.jsonl", make_rows(12))


def test_left_over_temporary_files_do_no_harm(prune: Prune, small: Path, tmp_path: Path) -> None:
    _, expected = prune(small, tmp_path / "expected", shard_rows=4)
    _, run = prune(small, shard_rows=4)
    (run.path / "traces" / "000001.parquet").unlink()
    for name in ("data/000001.tmp", "traces/000001.tmp", "report.json.tmp", "excluded.jsonl.tmp"):
        (run.path / name).write_bytes(b"half a fi")
    (run.path / "data" / "000001.parquet").write_bytes(b"PAR1 cut off")
    result, run = prune(small, shard_rows=4)
    assert result.is_resumed
    assert run.files("data", "traces", "excluded.jsonl") == expected.files(
        "data", "traces", "excluded.jsonl"
    )
    assert not list(run.path.rglob("*.tmp"))


def test_only_missing_shards_are_scored(prune: Prune, small: Path) -> None:
    _, run = prune(small, shard_rows=4)
    for name in ("000000", "000002"):
        (run.path / "traces" / f"{name}.parquet").unlink()
    scorer = FakeScorer()
    steps: list[int] = []
    prune(
        small,
        shard_rows=4,
        tools=Tools(FakeCounter(), scorer),
        on_progress=lambda step: steps.append(step.n_rows),
    )
    assert scorer.n_requests == 8
    assert sum(steps) == 12


def test_a_finished_run_is_not_done_again(prune: Prune, small: Path) -> None:
    _, run = prune(small)
    before = run.files("data", "traces", "excluded.jsonl", "README.md", "recipe.yaml")
    scorer = FakeScorer()
    opened: list[bool] = []
    n_rows: list[int] = []
    result, run = prune(
        small,
        tools=Tools(FakeCounter(), scorer),
        on_open=opened.append,
        on_progress=lambda step: n_rows.append(step.n_rows),
    )
    assert (result.is_resumed, opened, scorer.n_requests) == (True, [True], 0)
    assert n_rows == [12]
    assert before == run.files("data", "traces", "excluded.jsonl", "README.md", "recipe.yaml")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ratio": 0.4}, "recipe.ratio is 0.5 there and 0.4 here"),
        ({"budget_tokens": 99}, "recipe.budget_tokens is not set there and 99 here"),
        ({"segment": "paragraph"}, 'recipe.segment is "block" there and "paragraph" here'),
        ({"limit": 5}, "limit is not set there and 5 here"),
        ({"shard_rows": 3}, "shard_rows"),
        ({"tools": Tools(FakeCounter(), FakeScorer(name="other@1234"))}, "scorer weights"),
        ({"tools": Tools(FakeCounter("other"), FakeScorer())}, "tokenizer"),
        ({"tools": Tools(FakeCounter(), FakeScorer(), labels={0: [True]})}, "labels is not set"),
    ],
)
def test_another_run_s_folder_is_refused_and_left_as_it_is(
    prune: Prune, small: Path, changes: dict[str, Any], named: str
) -> None:
    _, run = prune(small)
    before = run.files()
    with pytest.raises(RunFolderError) as caught:
        prune(small, **changes)
    assert named in str(caught.value)
    assert "--output" in str(caught.value)
    assert run.files() == before


def test_another_input_is_refused(
    prune: Prune,
    small: Path,
    tmp_path: Path,
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
) -> None:
    prune(small)
    write_jsonl(small, [*make_rows(11), {**make_rows(12)[11], "prompt": "Another question."}])
    with pytest.raises(RunFolderError, match="input's content differs"):
        prune(small)


def test_a_folder_that_is_no_run_is_refused(prune: Prune, small: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(RunFolderError, match="no run folder"):
        prune(small)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(
    prune: Prune, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file", encoding="utf-8")
    with pytest.raises(RunFolderError, match="no run folder"):
        prune(small)


def test_an_empty_folder_is_taken(prune: Prune, small: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert prune(small)[0].summary.rows_out == 12


@pytest.mark.parametrize(
    ("report", "named"),
    [
        ({"kind": "prune", "format_version": FORMAT_VERSION + 1}, "format version 2"),
        ({"kind": "train", "format_version": FORMAT_VERSION}, "kind 'train'"),
        ({"status": "ok"}, "not a report of asap"),
        ([1], "not a report of asap"),
        (None, "cannot read"),
    ],
)
def test_a_report_that_is_not_understood_is_refused(
    prune: Prune, small: Path, tmp_path: Path, report: Any, named: str
) -> None:
    (tmp_path / "run").mkdir()
    text = "{half" if report is None else json.dumps(report)
    (tmp_path / "run" / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError, match=named):
        prune(small)
