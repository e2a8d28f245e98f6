"""Runs on a Ray cluster of two nodes on this machine: the same folder as a run without Ray, whoever
dies on the way.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import asap
from asap.chat import ChatLimits, OpenAIChat, ReplyCache
from asap.errors import ClusterError, KeyRefused, MissingExtraError, SpendingLimitReached
from asap.prune import Tools
from asap.run import open_cluster, prune_corpus
from asap.surprisal import FakeCounter, FakeScorer

pytestmark = [
    pytest.mark.timeout(600),
    # Ray's own, in its processes' and sockets' last moments.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore::FutureWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
on_cluster = pytest.mark.ray
Prune = Callable[..., tuple[Any, Any]]
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


class Nodes:
    """A cluster of a head and one more machine, as far as Ray can tell; this process is its driver.

    It comes up without keys: those are the head's, and tests give them where they need them.
    """

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args=NODE)
        self.second = self.cluster.add_node(**NODE)
        self.address = f"ray:{self.cluster.address}"

    def remove_second(self) -> None:
        """Its processes are gone at once."""
        self.cluster.remove_node(self.second, allow_graceful=False)

    def replace_second(self) -> None:
        self.second = self.cluster.add_node(**NODE)

    def raylet_of_second(self) -> int:
        return int(self.second.all_processes["raylet"][0].process.pid)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("ASAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ASAP_API_KEY", "the-key-of-the-head")
        import ray

        found = Nodes()
        # The functions of this file go to workers by value: they cannot import it.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        ray.init(found.cluster.address, log_to_driver=False, logging_level="error")
        yield found
        ray.shutdown()
        found.cluster.shutdown()


# Openers: what `open_cluster` opens in each process in place of models and LLMs by name.


@contextmanager
def open_fakes(needs: frozenset[str]) -> Iterator[Tools]:
    yield Tools(FakeCounter(), FakeScorer())


class GatedCounter(FakeCounter):
    """Says who is counting, and goes on when the gate is open."""

    def __init__(self, gate: Path) -> None:
        super().__init__()
        self.gate = gate

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        arrival = f"{os.getpid()} {os.getppid()}\n"
        with open(self.gate / "arrivals", "w") as pipe:
            pipe.write(arrival)
        with open(self.gate / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        return super().token_starts(texts)


@contextmanager
def open_gated(gate: Path, needs: frozenset[str]) -> Iterator[Tools]:
    yield Tools(GatedCounter(gate), FakeScorer())


@contextmanager
def open_served(
    url: str, cache: Path, limits: ChatLimits, needs: frozenset[str]
) -> Iterator[Tools]:
    with ExitStack() as stack:
        chat = None
        if "chat" in needs:
            replies = stack.enter_context(ReplyCache(cache))
            chat = OpenAIChat("served", base_url=url, limits=limits, cache=replies)
            stack.enter_context(chat)
        yield Tools(FakeCounter(), FakeScorer(), chat)


@pytest.fixture
def prune_on_ray(
    nodes: Nodes, tmp_path: Path, run_folder: Callable[[Path], Any]
) -> Callable[..., tuple[Any, Any]]:
    """As `prune`, but on the cluster, with two models."""

    def run(
        source: Path,
        opener: Callable[[Any], AbstractContextManager[Tools]] | None = open_fakes,
        *,
        output: Path | None = None,
        shard_rows: int = 16,
        **fields: Any,
    ) -> tuple[Any, Any]:
        recipe = asap.load_recipe("default", fields)
        corpus = asap.open_corpus([str(source)], None, recipe.require)
        output = output or tmp_path / "on-ray"
        with open_cluster(nodes.address, recipe, n_models=2, opener=opener) as cluster:
            result = prune_corpus(
                corpus,
                output,
                recipe,
                cluster.tools,
                shard_rows=shard_rows,
                max_excluded=1.0,
                executor=cluster.run,
            )
        return result, run_folder(output)

    return run


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    rows: list[Any] = make_rows(118, seed=5)
    rows[30:30] = ["not json at all"]
    rows.insert(100, {"id": "open", "prompt": "Q", "generation": "<think>\nnever closed"})
    return write_jsonl(tmp_path / "in.jsonl", rows)


SAME = ("data", "traces", "excluded.jsonl", "README.md", "recipe.yaml")


@on_cluster
def test_the_folder_is_that_of_a_run_without_ray(
    source: Path, tmp_path: Path, prune: Prune, prune_on_ray: Prune
) -> None:
    here, expected = prune(source, shard_rows=4, ratio=0.3)
    there, found = prune_on_ray(source, ratio=0.3, shard_rows=4)
    assert found.files(*SAME) == expected.files(*SAME)
    assert there.summary == here.summary
    assert there.summary.rows_in == 120
    assert set(there.seconds_by_stage) == set(here.seconds_by_stage)
    reports = [
        json.loads((run.path / "report.json").read_text("utf-8")) for run in (found, expected)
    ]
    assert [report.pop("timings") is not None for report in reports] == [True, True]
    assert reports[0] == reports[1]
    # Finished shards here and there, as several readers leave them: the rest is done, no more.
    for shard in (0, 7, 8, 21, 29):
        (found.path / "traces" / f"{shard:06d}.parquet").unlink()
    old = {path: path.stat().st_mtime_ns for path in found.path.glob("traces/*")}
    again, found = prune_on_ray(source, ratio=0.3, shard_rows=4)
    assert again.is_resumed
    assert found.files(*SAME) == expected.files(*SAME)
    assert {path: path.stat().st_mtime_ns for path in old} == old
    # Nothing that was written to see whether the folder is shared is left.
    assert not list(found.path.rglob("*probe*"))


@on_cluster
def test_with_the_built_in_scorer_selections_are_the_same_but_for_ties(
    source: Path, tmp_path: Path, prune_on_ray: Prune, run_folder: Callable[[Path], Any]
) -> None:
    recipe = asap.load_recipe("default", {"ratio": 0.3, "dtype": "fp32"})
    with asap.run.open_tools(recipe) as tools:
        prune_corpus(
            asap.open_corpus([str(source)]),
            tmp_path / "here",
            recipe,
            tools,
            shard_rows=16,
            max_excluded=1.0,
        )
    expected = run_folder(tmp_path / "here").traces
    found = prune_on_ray(source, None, ratio=0.3, dtype="fp32")[1].traces
    assert [row["row"] for row in found] == [row["row"] for row in expected] == list(range(120))
    n_scored = 0
    for here, there in zip(expected, found, strict=True):
        scores = [[step["surprisal"] for step in row["steps"] or ()] for row in (here, there)]
        for mine, other in zip(*scores, strict=True):
            assert mine == other or abs(mine - other) <= 1e-3
        n_scored += sum(value is not None for value in scores[0])
        if here["removal_order"] != there["removal_order"]:
            ranked = [[values[i] for i in here["removal_order"]] for values in scores]
            close = [abs(a - b) <= 1e-3 for a, b in zip(*ranked, strict=True) if a is not None]
            assert all(close), "another order where there is no tie"
    assert n_scored > 500


@on_cluster
def test_a_worker_is_killed_and_a_node_removed(
    source: Path, tmp_path: Path, nodes: Nodes, prune: Prune, prune_on_ray: Prune
) -> None:
    _, expected = prune(source, shard_rows=8, ratio=0.3)
    gate = tmp_path / "gate"
    gate.mkdir()
    os.mkfifo(gate / "arrivals")
    (gate / "lock").touch()
    lock = os.open(gate / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    killed: list[int] = []

    def disturb() -> None:
        """When workers on both nodes are in the middle of a shard."""
        second = nodes.raylet_of_second()
        on_head, on_second = None, None
        with open(gate / "arrivals") as arrivals:
            while on_head is None or on_second is None:
                pid, parent = map(int, arrivals.readline().split())
                if parent == second:
                    on_second = pid
                else:
                    on_head = pid
            os.kill(on_head, signal.SIGKILL)
            nodes.remove_second()
            killed.extend([on_head, on_second])
            fcntl.flock(lock, fcntl.LOCK_UN)
            while arrivals.readline():
                pass  # who comes now may pass

    # The pipe stays open for writers until the run is over, so that nobody waits for a reader.
    keeper = os.open(gate / "arrivals", os.O_RDWR)
    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    try:
        result, found = prune_on_ray(source, partial(open_gated, gate), shard_rows=8, ratio=0.3)
    finally:
        os.close(keeper)
        os.close(lock)
        if killed:
            nodes.replace_second()
    thread.join(60)
    assert len(set(killed)) == 2
    assert result.summary.rows_in == 120
    assert found.files("data", "traces", "excluded.jsonl") == expected.files(
        "data", "traces", "excluded.jsonl"
    )


# With an LLM.


def answer(body: dict[str, Any], n_times: int) -> str:
    """A function of the request alone, different for each."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    numbered = re.search(r"into (\d+) numbered steps", body["messages"][-1]["content"])
    if numbered is None:
        return f"Add the numbers ({digest})."
    kept = random.Random(digest).sample(range(int(numbered[1])), int(numbered[1]) // 2)
    return json.dumps({"keep": sorted(kept), "why": digest})


def stored(cache: Path) -> set[str]:
    """Digests of the requests whose replies are on disk."""
    with sqlite3.connect(cache) as connection:
        texts = [row[0] for row in connection.execute("SELECT text FROM replies")]
    connection.close()
    return {found[0] for text in texts if (found := re.search(r"[0-9a-f]{64}", text))}


@on_cluster
def test_one_limit_holds_over_all_nodes_and_no_reply_is_asked_for_twice(
    source: Path, tmp_path: Path, prune_on_ray: Prune, prune: Prune, fault_server: Any
) -> None:
    fault_server.script(answer)
    limits = ChatLimits(concurrency=3)
    opener = partial(open_served, fault_server.url, tmp_path / "replies.sqlite", limits)
    result, found = prune_on_ray(source, opener, stage1="select")
    n_requests = len(fault_server.requests)
    assert result.llm.requests == n_requests == 2 * 118
    assert fault_server.most_under_way <= 3
    assert set(fault_server.counts.values()) == {1}
    assert all(
        "the-key-of-the-head" in headers["authorization"] for headers in fault_server.headers
    )
    text = b"".join(found.files().values())
    assert b"the-key-of-the-head" not in text

    # Without Ray, and with the replies that are there.
    with opener(frozenset({"chat"})) as tools:
        again, expected = prune(source, tools=tools, shard_rows=16, stage1="select")
    assert again.llm.requests == 0
    assert len(fault_server.requests) == n_requests
    assert found.files("data", "traces") == expected.files("data", "traces")


@on_cluster
def test_what_stops_a_run_comes_as_what_it_is_and_the_run_goes_on(
    source: Path, tmp_path: Path, prune_on_ray: Prune, fault_server: Any
) -> None:
    cache = tmp_path / "replies.sqlite"
    opener = partial(open_served, fault_server.url, cache, ChatLimits(concurrency=2))
    fault_server.script(lambda body, n: fault_server.refuse_key())
    with pytest.raises(KeyRefused, match="ASAP_API_KEY"):
        prune_on_ray(source, opener, stage1="select")
    report = json.loads((tmp_path / "on-ray" / "report.json").read_text("utf-8"))
    assert report["status"] == "unfinished"

    fault_server.script(answer)
    limits = ChatLimits(concurrency=2, token_limit=300)
    at = len(fault_server.requests)
    with pytest.raises(SpendingLimitReached, match="300 LLM tokens"):
        prune_on_ray(source, partial(open_served, fault_server.url, cache, limits), stage1="select")
    # 15 tokens each; two may be under way when the limit is reached, and they are stored.
    n_asked = len(fault_server.requests) - at
    assert 20 <= n_asked <= 22
    assert len(stored(cache)) == n_asked

    result, _ = prune_on_ray(source, opener, stage1="select")
    assert result.is_resumed
    assert result.summary.rows_out == 118
    assert len(fault_server.requests) - at == 2 * 118


class Command:
    """`asap prune` in a process of its own, on the cluster or without it; no scorer."""

    def __init__(self, nodes: Nodes, source: Path, server: Any) -> None:
        self.nodes, self.source, self.server = nodes, source, server
        self.cache = Path(os.environ["ASAP_CACHE"]) / "replies.sqlite"

    def run(self, output: Path, on_ray: bool, end: signal.Signals | None = None) -> Any:
        """Run it to its end, or end it in the middle, at the 70th reply to come."""
        had = stored(self.cache) if self.cache.exists() else set()
        at = len(self.server.requests)
        started = threading.Event()
        process: subprocess.Popen[str]

        def script(body: dict[str, Any], n_times: int) -> str:
            if end is not None and len(self.server.requests) - at == 70:
                started.wait(60)
                process.send_signal(end)
            return answer(body, n_times)

        self.server.script(script)
        command = [sys.executable, "-m", "asap.cli.main", "prune", str(self.source)]
        command += ["--output", str(output), "--stage1", "select", "--stage2", "none"]
        command += ["--llm", "served", "--llm-url", self.server.url, "--max-excluded", "1"]
        command += ["--llm-concurrency", "4"]
        if on_ray:
            command += ["--on", self.nodes.address]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        started.set()
        out, err = process.communicate(timeout=500)
        asked = {self.server.digest(body) for body in self.server.requests[at:]}
        assert asked & had == set(), "a stored reply was asked for again"
        return subprocess.CompletedProcess(command, process.returncode, out, err)


def has_no_actor_of_ours() -> bool:
    """Ray Data leaves two of its own to whoever uses it next."""
    from ray._private.state import actors

    ours = {"Model", "Router", "Desk", "Coordinator"}
    names = [actor["ActorClassName"] for actor in actors().values() if actor["State"] != "DEAD"]
    return ours.isdisjoint(name.rpartition(".")[2] for name in names)


def wait_until(holds: Callable[[], bool]) -> None:
    """The cluster learns of an end a moment after it."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@on_cluster
def test_a_driver_is_ended_and_any_executor_goes_on(
    tmp_path: Path,
    nodes: Nodes,
    fault_server: Any,
    make_rows: Callable[..., Any],
    write_jsonl: Callable[..., Path],
    run_folder: Callable[[Path], Any],
) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", make_rows(200, seed=8))
    command = Command(nodes, source, fault_server)
    run = tmp_path / "run"
    interrupted = command.run(run, True, signal.SIGINT)
    assert interrupted.returncode == 130, interrupted.stderr
    assert interrupted.stderr.splitlines()[-1] == (
        "asap: interrupted; the same command goes on from here"
    )
    wait_until(has_no_actor_of_ours)
    assert command.run(run, False, signal.SIGKILL).returncode == -signal.SIGKILL
    assert command.run(run, True, signal.SIGKILL).returncode == -signal.SIGKILL
    wait_until(has_no_actor_of_ours)
    done = command.run(run, True)
    assert done.returncode == 0, done.stderr
    # What Ray has to say is not for the user.
    assert "ray" not in done.stderr.lower().replace("on-ray", "")
    n_requests = len(fault_server.requests)
    # What was in flight at an end may be asked for again: at most the client's 4 each time.
    assert 400 <= n_requests <= 400 + 3 * 4

    expected = tmp_path / "expected"
    assert command.run(expected, False).returncode == 0
    assert len(fault_server.requests) == n_requests
    assert run_folder(run).files(*SAME) == run_folder(expected).files(*SAME)
    assert not list(run.rglob("*.tmp"))


# What is refused.


def open_bad(on: str, **more: Any) -> None:
    with open_cluster(on, asap.load_recipe("default", {}), opener=open_fakes, **more):
        pass


@pytest.mark.parametrize("on", ["here", "ray:", "ray:nowhere", "ray://host", "rays", ""])
def test_an_address_that_is_none_is_refused(on: str) -> None:
    with pytest.raises(ClusterError, match=r"write ray .*ray://HOST:PORT"):
        open_bad(on)


def test_a_device_that_only_one_machine_knows_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"cuda:1.*Ray picks the GPU"):
        open_bad("ray", device="cuda:1")


def test_a_method_that_asks_for_labels_is_refused_before_ray_is_asked() -> None:
    recipe = asap.load_recipe("default", {"method": "oracle"})
    with (
        pytest.raises(asap.errors.RecipeError, match="labels"),
        open_cluster("ray:127.0.0.1:1", recipe),
    ):
        pass


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"asap-cot\[ray\]"):
        open_bad("ray")


@on_cluster
def test_no_cluster_at_the_address_is_one_line(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "asap.cli.main", "prune", str(source), "-o", "run"]
    command += ["--on", "ray:127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("asap: no Ray cluster at 127.0.0.1:1: ")
    assert not (tmp_path / "run").exists()


@on_cluster
def test_a_folder_that_is_not_shared_is_refused_before_the_work_begins(
    source: Path, tmp_path: Path, prune_on_ray: Prune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asap.run.ray.SEEN_S", 0.0)
    (tmp_path / "own").mkdir()
    # A path that means something in this process alone.
    descriptor = os.open(tmp_path / "own", os.O_RDONLY)
    spare = os.dup2(descriptor, 900)
    try:
        with pytest.raises(ClusterError, match="does not see /proc/self/fd/900/run: --output must"):
            prune_on_ray(source, output=Path(f"/proc/self/fd/{spare}/run"))
    finally:
        os.close(descriptor)
        os.close(spare)
    assert not list((tmp_path / "own").rglob("*.parquet"))
    assert not list((tmp_path / "own").rglob("*probe*"))
