"""Frames on a pipe: four bytes of length, then that many bytes. One at a time in each direction."""

from __future__ import annotations

import os
import select
import time

from asap.judge.codec import BadFrame

MAX_FRAME = 64 << 20
"""Bytes of one frame."""

_CHUNK = 1 << 16


class PeerLost(Exception):
    """The other end of the pipe is closed."""


class PeerSilent(Exception):
    """The other end has sent no whole frame in the time it had."""


def write_frame(fd: int, data: bytes) -> None:
    """Send one frame.

    Raises:
        BadFrame: it is larger than `MAX_FRAME`.
        PeerLost: nobody reads any more.
    """
    if len(data) > MAX_FRAME:
        raise BadFrame(f"{len(data) >> 20} MiB of data, more than {MAX_FRAME >> 20}")
    rest = memoryview(len(data).to_bytes(4, "little") + data)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except BrokenPipeError:
        raise PeerLost from None


def read_frame(fd: int, timeout_s: float | None = None) -> bytes:
    """Receive one frame.

    Both sides take turns, so whoever sends more than one frame before it is asked is no honest
    peer.

    Args:
        fd: the pipe.
        timeout_s: wall seconds until the frame must be complete; None: no limit.

    Raises:
        BadFrame: the bytes are no frame, or too many.
        PeerLost: the pipe ended.
        PeerSilent: the time is over.
    """
    end_s = None if timeout_s is None else time.monotonic() + timeout_s
    buffer = _read_some(fd, end_s)
    while len(buffer) < 4:
        buffer += _read_some(fd, end_s)
    length = int.from_bytes(buffer[:4], "little")
    if length > MAX_FRAME:
        raise BadFrame(f"a frame of {length >> 20} MiB, more than {MAX_FRAME >> 20}")
    if len(buffer) == length + 4:  # nearly always
        return buffer[4:]
    whole = bytearray(buffer)
    while len(whole) < length + 4:
        whole += _read_some(fd, end_s)
    if len(whole) > length + 4:
        raise BadFrame("bytes after the end of a frame")
    return bytes(whole[4:])


def _read_some(fd: int, end_s: float | None) -> bytes:
    if end_s is not None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(max(0.0, end_s - time.monotonic()) * 1000):
            raise PeerSilent
    chunk = os.read(fd, _CHUNK)
    if not chunk:
        raise PeerLost
    return chunk
