"""The guard alone: a shell stands for the server, and says by a socket that it is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import asap

GUARD = Path(asap.__file__).parent / "bench" / "guard.py"
SERVER = """
import signal, socket, subprocess, sys
deaf = "deaf" in sys.argv
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
watch = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if "parent" in sys.argv:
    worker = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1], sys.argv[2], "deaf"])
watch.sendall(b"up")
if "dies" in sys.argv:
    watch.recv(1)
    worker.returncode = 0  # nobody is to mind that it lives on
    sys.exit(3)
signal.pause()
"""


def start(grace_s: float, *words: str) -> tuple[subprocess.Popen[bytes], list[socket.socket]]:
    """A guard with a server, and a connection to each process of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(50)
        server = [sys.executable, "-c", SERVER, str(listener.getsockname()[1]), SERVER, *words]
        guard = subprocess.Popen(
            [sys.executable, "-IS", str(GUARD), str(grace_s), *server], stdin=subprocess.PIPE
        )
        watches = []
        for _ in range(1 + ("parent" in words)):
            watch = listener.accept()[0]
            watch.settimeout(50)
            assert watch.recv(2) == b"up"
            watches.append(watch)
    return guard, watches


def assert_gone(watches: list[socket.socket]) -> None:
    for watch in watches:
        with watch:
            assert not receive(watch)


def receive(watch: socket.socket) -> bytes:
    """Nothing once the process at the other end is gone."""
    try:
        return watch.recv(1)
    except ConnectionResetError:
        return b""


def test_a_byte_ends_the_server() -> None:
    guard, watches = start(50)
    guard.communicate(b"s", timeout=40)
    assert_gone(watches)
    assert guard.returncode == 128 + 15


def test_the_end_of_the_pipe_ends_the_server() -> None:
    guard, watches = start(50)
    guard.communicate(timeout=40)
    assert_gone(watches)


def test_a_server_that_is_deaf_to_it_is_killed_with_its_workers() -> None:
    guard, watches = start(0.1, "deaf", "parent")
    guard.communicate(b"s", timeout=40)
    assert_gone(watches)
    assert guard.returncode == 128 + 9


def test_workers_do_not_outlive_a_server_that_ends_by_itself() -> None:
    guard, watches = start(50, "parent", "dies")
    for watch in watches:
        watch.sendall(b"d")
    assert guard.wait(timeout=40) == 3
    assert_gone(watches)
    guard.communicate()


def test_signals_meant_for_the_guard_do_not_part_it_from_the_server() -> None:
    guard, watches = start(50)
    guard.terminate()
    guard.communicate(b"s", timeout=40)
    assert_gone(watches)
    assert guard.returncode == 128 + 15
