"""Stands between a command and a server that it starts, so that the server cannot outlive it.

Run as a script: seconds of grace, then the server's command line. Standard input is a pipe from the
command: a byte asks for an end, and that it closes means that the command is gone, however it went
(after SIGKILL the kernel closes it). Either way the server is told to end, and after the grace its
whole process group is killed. What the server leaves behind is killed too. Imports nothing of asap.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


def main() -> None:
    """Run the server; exit as it does."""
    grace_s = float(sys.argv[1])
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, process_group=0)
    # Not earlier: the server would inherit that they are ignored.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_stop_when_asked, args=(server, grace_s), daemon=True).start()
    status = server.wait()
    _kill_group(server)
    sys.exit(status if status >= 0 else 128 - status)


def _stop_when_asked(server: subprocess.Popen[bytes], grace_s: float) -> None:
    os.read(0, 1)
    server.terminate()
    time.sleep(grace_s)
    _kill_group(server)


def _kill_group(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
