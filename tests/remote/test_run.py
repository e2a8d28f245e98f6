"""Run folders on an S3 server: the bytes of a local run, finished or resumable whatever happens."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asap.errors import RunFolderError, StoreError
from asap.run import Ledger, RunResult, read_report

Prune = Callable[..., RunResult]

CHILD = """
import sys
import asap
from asap.prune import Tools
from asap.surprisal import FakeCounter, FakeScorer

asap.prune_corpus(
    asap.open_corpus([sys.argv[1]]), sys.argv[2], asap.load_recipe(),
    Tools(FakeCounter(), FakeScorer()), shard_rows=4, max_excluded=1.0,
)
"""


def same_as(folder: Path, *names: str) -> dict[str, bytes]:
    """Content by relative path of a local run's files that must not differ."""
    found = [p for name in names for p in (folder / name, *(folder / name).glob("*"))]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


EQUAL = ("data", "traces", "excluded.jsonl", "README.md", "recipe.yaml")


def test_a_run_in_a_store_has_the_bytes_of_a_local_one(
    store: Any, prune: Prune, source: Path, tmp_path: Path
) -> None:
    local = prune(source, tmp_path / "run")
    store.put("in/in.jsonl", source.read_bytes())
    remote = prune("s3://bucket/in/*.jsonl", "s3://bucket/runs/a/")
    found = store.objects("runs/a/")
    assert set(found) - {"report.json"} == set(same_as(tmp_path / "run", *EQUAL))
    assert {name: found[name] for name in found if name != "report.json"} == same_as(
        tmp_path / "run", *EQUAL
    )
    assert remote.summary == local.summary
    assert (remote.summary.rows_out, remote.summary.rows_excluded) == (15, 1)
    report = json.loads(found["report.json"])
    assert report["status"] == "finished"
    assert report["files"] == ["in.jsonl"]
    puts = [request for request in store.requests if request.startswith("PUT")]
    for shard in range(4):
        data, traces = (f"PUT /bucket/runs/a/{n}/{shard:06d}.parquet" for n in ("data", "traces"))
        assert puts.index(data) < puts.index(traces)
    assert not [request for request in store.requests if request.startswith(("POST", "DELETE"))]


def test_requests_grow_with_the_shards_and_not_with_the_rows(
    store: Any, prune: Prune, make_rows: Callable[..., Any], write_jsonl: Any, tmp_path: Path
) -> None:
    counts = {}
    for n_shards, shard_rows in ((3, 2), (3, 12), (9, 2)):
        rows = write_jsonl(tmp_path / "in.jsonl", make_rows(n_shards * shard_rows))
        store.put(f"in-{n_shards}-{shard_rows}.jsonl", rows.read_bytes())
        prune(
            f"s3://bucket/in-{n_shards}-{shard_rows}.jsonl",
            f"s3://bucket/{n_shards}-{shard_rows}",
            shard_rows,
        )
        listings = [request for request in store.requests if request.startswith("LIST")]
        counts[n_shards, shard_rows] = (len(store.requests), len(listings))
        store.requests.clear()
    assert counts[3, 12] <= counts[3, 2]
    # A put for each of two files, and what is read of one for excluded.jsonl and for the summary.
    per_shard = (counts[9, 2][0] - counts[3, 2][0]) / 6
    assert 3 < per_shard <= 8
    assert counts[9, 2][1] <= counts[3, 2][1] <= 16
    store.requests.clear()
    assert Ledger("s3://bucket/9-2").finished_shards() == list(range(9))
    assert len(store.requests) == 1


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.slow), "after"])
def test_killed_in_the_middle_and_resumed(
    store: Any, prune: Prune, source: Path, tmp_path: Path, when: str
) -> None:
    prune(source, tmp_path / "run")
    store.put("in.jsonl", source.read_bytes())
    command = [sys.executable, "-c", CHILD, "s3://bucket/in.jsonl", "s3://bucket/run"]
    child = subprocess.Popen(command)

    def kill(request: str) -> None:
        if request.startswith("PUT /bucket/run/traces/") and child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()

    setattr(store, when, kill)
    assert child.wait(60) == -signal.SIGKILL
    store.before = store.after = lambda _: None
    there = store.objects("run/")
    assert json.loads(there["report.json"])["status"] == "unfinished"
    n_finished = len([name for name in there if name.startswith("traces/")])
    # What had come whole before the process was gone: two shards are in flight at most.
    assert (when == "after") <= n_finished <= 2
    store.requests.clear()
    result = prune("s3://bucket/in.jsonl", "s3://bucket/run")
    assert result.is_resumed
    written = [r for r in store.requests if r.startswith("PUT /bucket/run/traces/")]
    assert len(written) == 4 - n_finished
    found = store.objects("run/")
    assert json.loads(found.pop("report.json"))["status"] == "finished"
    assert found == same_as(tmp_path / "run", *EQUAL)


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "No AccessDenied"), pytest.param(500, "No InternalError", marks=pytest.mark.slow)],
)
def test_a_put_that_fails_leaves_an_unfinished_run(
    store: Any, prune: Prune, source: Path, tmp_path: Path, status: int, said: str
) -> None:
    def refuse(request: str) -> int | None:
        return status if request == "PUT /bucket/run/traces/000002.parquet" else None

    store.before = refuse
    with pytest.raises(StoreError) as caught:
        prune(source, "s3://bucket/run")
    message = str(caught.value)
    assert said in message
    assert "s3://bucket/run/traces/000002.parquet" in message
    assert "\n" not in message
    there = store.objects("run/")
    assert "traces/000002.parquet" not in there
    assert "excluded.jsonl" not in there
    assert not Ledger("s3://bucket/run").is_finished()
    store.before = lambda _: None
    prune(source, "s3://bucket/run")
    prune(source, tmp_path / "run")
    found = store.objects("run/")
    del found["report.json"]
    assert found == same_as(tmp_path / "run", *EQUAL)


def test_a_server_that_stops_is_one_line(mortal_store: Any, prune: Prune, source: Path) -> None:
    def stop(request: str) -> None:
        if request == "PUT /bucket/run/data/000001.parquet":
            inner = mortal_store._server._server
            inner.shutdown_signal = True
            inner.server_close()

    mortal_store.after = stop
    with pytest.raises(StoreError, match="cannot use s3://bucket/run") as caught:
        prune(source, "s3://bucket/run")
    assert "\n" not in str(caught.value)


def test_a_missing_bucket_is_named_and_not_made(store: Any, prune: Prune, source: Path) -> None:
    with pytest.raises(StoreError, match=r"s3://nobody/run: The specified bucket does not exist"):
        prune(source, "s3://nobody/run")
    for path in ("s3://nobody/in.jsonl", "s3://nobody/in/*.jsonl", "s3://nobody/in"):
        with pytest.raises(StoreError, match="bucket does not exist"):
            prune(path, "s3://bucket/run")
    with pytest.raises(StoreError, match="bucket does not exist"):
        read_report("s3://nobody/run")
    assert [bucket["Name"] for bucket in store.client.list_buckets()["Buckets"]] == ["bucket"]
    assert store.objects() == {}


def test_wrong_credentials_are_one_line_without_them(
    store: Any, prune: Prune, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.core.responses import ActionAuthenticatorMixin

    store.put("in.jsonl", source.read_bytes())
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)
    for path, output in ((source, "s3://bucket/run"), ("s3://bucket/in.jsonl", "s3://bucket/run")):
        with pytest.raises(StoreError) as caught:
            prune(path, output)
        assert "not-a-secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_no_credentials_at_all_is_one_line(
    store: Any, prune: Prune, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match=r"Unable to locate credentials .*docs/remote.md"):
        prune(source, "s3://bucket/run")


def test_another_run_and_a_folder_that_is_no_run_are_refused(
    store: Any, prune: Prune, source: Path
) -> None:
    prune(source, "s3://bucket/run")
    before = store.objects()
    with pytest.raises(RunFolderError, match=r"recipe.ratio is 0.5 there and 0.4 here"):
        prune(source, "s3://bucket/run", ratio=0.4)
    with pytest.raises(RunFolderError, match=r"s3://bucket/run/data exists and is no run folder"):
        prune(source, "s3://bucket/run/data")
    with pytest.raises(RunFolderError, match="no run folder"):
        prune(source, "s3://bucket/run/report.json")
    with pytest.raises(RunFolderError, match=r"s3://bucket/none is no run folder"):
        read_report("s3://bucket/none")
    assert store.objects() == before
    store.put("made-by-a-console/", b"")
    prune(source, "s3://bucket/made-by-a-console")


def test_the_same_input_is_the_same_run_and_a_changed_one_is_not(
    store: Any, prune: Prune, source: Path
) -> None:
    store.put("in.jsonl", source.read_bytes())
    prune("s3://bucket/in.jsonl", "s3://bucket/run")
    assert prune("s3://bucket/in.jsonl", "s3://bucket/run").is_resumed
    store.put("in.jsonl", source.read_bytes())  # written anew, with the same content
    assert prune("s3://bucket/in.jsonl", "s3://bucket/run").is_resumed
    store.put("in.jsonl", source.read_bytes().replace(b"first", b"third"))
    with pytest.raises(RunFolderError, match="the input's content differs"):
        prune("s3://bucket/in.jsonl", "s3://bucket/run")


def test_what_others_wrote_meanwhile_is_seen(store: Any, prune: Prune, source: Path) -> None:
    prune(source, "s3://bucket/run")
    ledger = Ledger("s3://bucket/run")
    assert ledger.finished_shards() == [0, 1, 2, 3]
    store.client.delete_object(Bucket="bucket", Key="run/traces/000001.parquet")
    assert ledger.finished_shards() == [0, 2, 3]
    store.put("run/report.json", b'{"kind": "prune", "format_version": 1, "status": "other"}')
    assert read_report("s3://bucket/run")["status"] == "other"


def test_a_ledger_travels_to_another_process(store: Any, prune: Prune, source: Path) -> None:
    prune(source, "s3://bucket/run")
    packed = pickle.dumps(Ledger("s3://bucket/run"))
    assert b"not-a-secret" not in packed
    there = pickle.loads(packed)
    assert there.folder == Ledger("s3://bucket/run").folder
    there.write_shard(7, there.read_data(0), there.read_traces(0))
    assert there.finished_shards() == [0, 1, 2, 3, 7]
    assert there.count_rows(7) == 4
