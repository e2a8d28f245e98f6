"""The judge's end of a zygote: start it, hand it jobs, hear how they ended.

Bubblewrap, where it is wanted and works, is put round the whole zygote, so it costs nothing per
job.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap.errors import SandboxError
from asap.judge.limits import Limits
from asap.judge.zygote import KILL

_START_S = 60
_BOOT = """
import sys, types
package = types.ModuleType("asap")
package.__path__ = [sys.argv[1]]
sys.modules["asap"] = package
from asap.judge.zygote import main
main(int(sys.argv[2]))
"""
"""An empty `asap` in front of the room, since the whole package would load far more."""
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # The order of sets, and with it some verdicts, would differ from run to run.
    "PYTHONHASHSEED": "0",
}
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job's process ended."""

    ended: str
    """`itself`, `cpu`, `call` or `wall` (a limit), `asked`."""
    status: int
    """Exit status, or a signal's number with a minus."""
    cpu_s: float


class JobFault(Exception):
    """A job could not even begin: its preamble fails, or the jail could not be entered."""


class Zygote:
    """A running zygote.

    Args:
        wrapped: inside bubblewrap.

    Raises:
        SandboxError: it does not start.
    """

    def __init__(self, wrapped: bool = False) -> None:
        command = [sys.executable, "-s", "-P", "-c", _BOOT, str(Path(__file__).parents[1])]
        with contextlib.ExitStack() as stack:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.callback(self._control.close)
            with theirs:
                self._process = subprocess.Popen(
                    [*(_wrapper() if wrapped else ()), *command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=_ENVIRONMENT | _library_path(),
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # an interrupt from the keyboard is for the judge alone
                )
            stack.callback(self._process.wait)
            stack.callback(self._process.wait)
            stack.callback(self._process.kill)
            self.hello: dict[str, Any] = self._receive_hello()
            stack.pop_all()

    def _receive_hello(self) -> dict[str, Any]:
        assert self._process.stderr is not None
        self._control.settimeout(_START_S)
        with self._process.stderr as stderr:
            try:
                hello = self._control.recv(1 << 16)
            except TimeoutError:
                self._process.kill()
                hello = b""
            if not hello:
                [reason] = stderr.read().decode(errors="replace").splitlines()[-1:] or ["no reason"]
                raise SandboxError(f"a process of the judge does not start: {reason}")
        self._control.settimeout(None)
        return dict(json.loads(hello))

    def start(
        self,
        job: dict[str, Any],
        limits: Limits,
        targets: Sequence[int],
        sources: Sequence[int],
        notes: int | None = None,
    ) -> None:
        """Start a job.

        Args:
            job: goes to the child alone.
            limits: what the child gets.
            targets: numbers that the descriptors shall have in the child.
            sources: the descriptors here, in the same order.
            notes: a socket for the zygote itself, on which the checker notes every answer; needed
                for a limit on each call.
        """
        request = {
            "targets": targets,
            "cpu_s": limits.cpu_s,
            "wall_s": limits.wall_s,
            "call_cpu_s": limits.call_cpu_s,
            "memory_mib": limits.memory_mib,
            "has_notes": notes is not None,
        }
        last = () if notes is None else (notes,)
        file = seal(json.dumps(job).encode())
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], [file, *sources, *last])
        finally:
            os.close(file)

    def kill(self) -> None:
        """End the job under way, if there still is one; `wait` tells."""
        self._control.send(KILL)

    def wait(self) -> Ended:
        """Wait for the job's end.

        Raises:
            JobFault: the job could not begin.
            SandboxError: the zygote is gone.
        """
        answer = self._control.recv(1 << 16)
        if not answer:
            raise SandboxError("a process of the judge has ended unexpectedly; run it again")
        ended = json.loads(answer)
        if ended["fault"] is not None:
            raise JobFault(ended["fault"])
        return Ended(ended["ended"], ended["status"], ended["cpu_s"])

    def close(self) -> None:
        """End the zygote and what it runs."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for it
        self._control.close()
        self._process.wait()


def seal(data: bytes) -> int:
    """A descriptor of a file in memory that holds the data, and that nobody can change any more."""
    import fcntl

    file = os.memfd_create("asap", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.lseek(file, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    return file


def has_bubblewrap() -> bool:
    """Whether bubblewrap is installed and can run a program here."""
    if _find_bubblewrap() is None:
        return False
    command = [*_wrapper(), sys.executable, "-c", ""]
    try:
        return subprocess.run(command, capture_output=True, timeout=_START_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _find_bubblewrap() -> str | None:
    # The search path is the judge's own: its processes are started without one.
    return shutil.which("bwrap")


def _wrapper() -> list[str]:
    """A view of the file system with the interpreter, its packages and this package, no more."""
    paths = sysconfig.get_paths()
    folders = {*_SYSTEM_FOLDERS, sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"]}
    folders.add(str(Path(__file__).parents[1]))
    command = [_find_bubblewrap() or "bwrap"]
    command += ["--unshare-all", "--new-session", "--cap-drop", "ALL"]
    for folder in sorted(folders):
        command += ["--ro-bind-try", folder, folder]
    return [*command, "--dev", "/dev", "--chdir", "/", "--"]


def _library_path() -> dict[str, str]:
    # Some interpreters find their own libpython through it.
    path = os.environ.get("LD_LIBRARY_PATH")
    return {} if path is None else {"LD_LIBRARY_PATH": path}
