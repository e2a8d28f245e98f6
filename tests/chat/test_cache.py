"""The reply cache: what alters its key, and what it survives."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap.chat import ChatRequest, Message, Reply, ReplyCache
from asap.chat.cache import make_key
from asap.errors import RunFolderError

REQUEST = ChatRequest((Message("user", "hi"),), "select", "row-1", "v1")
REPLY = Reply("text \u2028 \x00 é", "length", 7, 3)


def key_of(request: ChatRequest, model: str = "m", host: str = "h:1") -> str:
    return make_key(request, model=model, host=host)


@pytest.mark.parametrize(
    "altered",
    [
        replace(REQUEST, messages=(Message("user", "hi "),)),
        replace(REQUEST, messages=(Message("system", "hi"),)),
        replace(REQUEST, messages=(Message("user", "hi"), Message("user", ""))),
        replace(REQUEST, prompt_version="v2"),
        replace(REQUEST, attempt=2),
        replace(REQUEST, temperature=2.0),
        replace(REQUEST, top_p=0.5),
        replace(REQUEST, max_tokens=5),
        replace(REQUEST, is_json=True),
    ],
)
def test_what_alters_the_answer_alters_the_key(altered: ChatRequest) -> None:
    assert key_of(altered) != key_of(REQUEST)


def test_model_and_host_alter_the_key() -> None:
    keys = {key_of(REQUEST), key_of(REQUEST, model="n"), key_of(REQUEST, host="h:2")}
    assert len(keys) == 3


def test_what_does_not_alter_the_answer_does_not_alter_the_key() -> None:
    same = replace(REQUEST, purpose="rewrite", id="row-2", temperature=0)
    assert key_of(same) == key_of(REQUEST)


def test_the_key_is_the_same_in_every_version_of_asap() -> None:
    # sha256 of the canonical JSON, written out by hand. A change of this line throws away what
    # users have paid for.
    assert key_of(REQUEST) == "c65869ebdedba29f5572b8534f899dbf82391239b5b5896227285df2e29ff4bf"


def test_a_reply_comes_back_as_it_was_and_is_counted(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "deep" / "replies.sqlite") as cache:
        assert cache.find("k") is None
        assert cache.store("k", REPLY) == REPLY
        assert cache.find("k") == replace(REPLY, is_cached=True)
        assert (cache.hits, len(cache)) == (1, 1)
    with ReplyCache(tmp_path / "deep" / "replies.sqlite") as again:
        assert again.find("k") == replace(REPLY, is_cached=True)


def test_the_first_reply_to_a_key_stands(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with ReplyCache(path) as one, ReplyCache(path) as other:
        one.store("k", REPLY)
        assert other.store("k", replace(REPLY, text="late")).text == REPLY.text


@given(text=st.text(), reason=st.text())
def test_any_text_survives(text: str, reason: str) -> None:
    reply = Reply(text, reason, 0, 0)
    with ReplyCache(":memory:") as cache:
        cache.store("k", reply)
        assert cache.find("k") == replace(reply, is_cached=True)


def test_many_threads_write_and_read_at_once(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache, ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8, timeout=10)

        def work(thread: int) -> None:
            barrier.wait()
            for n in range(25):
                cache.store(f"{thread}-{n}", REPLY)
                assert cache.find(f"{thread}-{n}") is not None

        list(pool.map(work, range(8)))
        assert (len(cache), cache.hits) == (200, 200)


WRITER = """
import sys
from asap.chat.cache import ReplyCache
from asap.chat.client import Reply
name, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.stdin.readline()
cache = ReplyCache(path)
for i in range(n):
    cache.store(f"{name}-{i}", Reply(f"text {i}", "stop", 1, 1))
    print(i, flush=True)
"""


def start_writer(name: str, path: Path, n_replies: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(path), str(n_replies)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_make_and_fill_one_file(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    writers = [start_writer(name, path, 50) for name in "abc"]
    for writer in writers:  # all are waiting for this line: they open the new file together
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=50)
        assert writer.returncode == 0
    with ReplyCache(path) as cache:
        assert len(cache) == 150


def test_every_reply_stored_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with start_writer("a", path, 10**9) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
        stored = [writer.stdout.readline().strip() for _ in range(40)]
        writer.kill()
        stored += writer.stdout.read().split()
    with ReplyCache(path) as cache:
        # The last number may have been cut in two by the kill.
        assert all(cache.find(f"a-{number}") is not None for number in stored[:-1])
        assert len(cache) >= 40


def test_a_file_that_is_no_cache_is_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database, but long enough to be looked at " * 20)
    with pytest.raises(RunFolderError, match=r"notes.txt is no reply cache"):
        ReplyCache(text)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE replies (other INTEGER)")
    connection.close()
    with pytest.raises(RunFolderError, match="no reply cache of version 1"):
        ReplyCache(foreign)


def test_a_cache_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(RunFolderError, match=r"version 1 \(it says 7\)"):
        ReplyCache(path)


def test_a_folder_in_the_files_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="reply cache"):
        ReplyCache(tmp_path)
