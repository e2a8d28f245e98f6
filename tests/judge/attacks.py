"""Attacks on the sandbox, and a program that tries them: `attacks.py judged|plain SRC`.

It runs as a process of its own, so that it can run as another user. `judged` runs them in the
judge, `plain` without any sandbox: an attack that does not even work there would show nothing.
Prints a JSON object.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

PRELUDE = """
import ctypes, errno, fcntl, mmap, os, signal, socket, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def worked(result):
    return result >= 0
def is_parent(pid):
    if pid == 0:
        os._exit(0)
    return pid > 0
"""

ATTACKS = {
    # first, since those that fail halfway leave descriptors of their own
    "descriptors": "return any(is_open(number) for number in range(5, 256))",
    # network
    "tcp": "return socket.create_connection(tuple(place['tcp']), 2) is not None",
    "unix socket": "return socket.socket(socket.AF_UNIX).connect(place['unix']) is None",
    "abstract socket": "return socket.socket(1).connect('\\0' + place['abstract']) is None",
    "udp": "return socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9)) == 1",
    "raw netlink": "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) is not None",
    "listen": "return socket.create_server(('127.0.0.1', 0)) is not None",
    # files
    "write": "return open(place['folder'] + '/new', 'w').write('x') == 1",
    "append": "return open(place['victim'], 'a').write('x') == 1",
    "write by libc": "return worked(libc.open(place['victim'].encode(), os.O_RDWR))",
    "truncate": "os.truncate(place['victim'], 0); return True",
    "delete": "os.unlink(place['doomed'][0]); return True",
    "rename": "os.rename(place['doomed'][1], place['doomed'][1] + 'x'); return True",
    "link": "os.link(place['victim'], place['folder'] + '/link'); return True",
    "symlink": "os.symlink('/etc', place['folder'] + '/symlink'); return True",
    "make a folder": "os.mkdir(place['folder'] + '/made'); return True",
    "make a pipe": "os.mkfifo(place['folder'] + '/fifo'); return True",
    "change the mode": "os.chmod(place['victim'], 0o666); return True",
    "change the times": "os.utime(place['victim'], (1, 1)); return True",
    "change the folder": "os.chdir(place['folder']); return True",
    "read a secret": "return place['mark'] in open(place['victim']).read()",
    "read by libc": "return worked(libc.open(place['victim'].encode(), 0))",
    "read by openat2": """
    how = struct.pack('QQQ', 0, 0, 0)
    return worked(libc.syscall(437, -100, place['victim'].encode(), how, ctypes.c_size_t(24)))""",
    "read the expected outputs": "return open(place['tests']).read() != ''",
    "read the users": "return 'root' in open('/etc/passwd').read()",
    "list a folder": "return os.listdir(place['folder']) != []",
    "list processes": "return os.listdir('/proc') != []",
    "memory of its own": "return open('/proc/self/mem', 'rb') is not None",
    "maps of its own": "return open('/proc/self/maps').read() != ''",
    "memory of the parent": "return open(f'/proc/{os.getppid()}/mem', 'rb') is not None",
    "environment of its own": "return open('/proc/self/environ').read() != ''",
    "environment of the parent": "return open(f'/proc/{os.getppid()}/environ').read() != ''",
    "environment": "return place['mark'] in ''.join(os.environ.values())",
    "temporary file": "import tempfile; return tempfile.TemporaryFile() is not None",
    "fill the disk": """
    with open(place['folder'] + '/big', 'wb') as file:
        return all(file.write(bytes(1 << 20)) for _ in range(40))""",
    # processes
    "fork": "return is_parent(os.fork())",
    "fork by libc": "return is_parent(libc.fork())",
    "fork bomb": """
    return all(is_parent(os.fork()) for _ in range(50))""",
    "clone": """
    number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
    return is_parent(libc.syscall(number, signal.SIGCHLD, 0, 0, 0, 0))""",
    "clone3": """
    arguments = struct.pack('11Q', 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    return is_parent(libc.syscall(435, arguments, ctypes.c_size_t(88)))""",
    "daemon": """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.5)
        os._exit(0)
    return True""",
    "spawn": "return os.posix_spawn('/bin/true', ['true'], {}) > 0",
    "subprocess": "import subprocess; return subprocess.run(['/bin/true']).returncode == 0",
    "shell": "return os.system('exit 3') == 3 << 8",
    "exec": """
    os.execv('/bin/true', ['true'])""",
    "multiprocessing": """
    import multiprocessing
    process = multiprocessing.get_context('fork').Process(target=print)
    process.start()
    return True""",
    # signals
    "signal the parent": "os.kill(os.getppid(), signal.SIGCONT); return True",
    "signal another process": "os.kill(place['pid'], signal.SIGCONT); return True",
    "signal everyone": "os.kill(-1, 0); return True",
    "signal the group": "os.kill(0, 0); return True",
    "signal by pidfd": """
    signal.pidfd_send_signal(os.pidfd_open(place['pid']), signal.SIGCONT)
    return True""",
    "signal by owner": """
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, place['pid'])
    return True""",
    # memory
    "file in memory": "return worked(os.memfd_create('x'))",
    "lock memory": """
    block = mmap.mmap(-1, 1 << 20)
    address = ctypes.addressof(ctypes.c_char.from_buffer(block))
    return libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(1 << 16)) == 0""",
    # the kernel
    "trace the parent": "return libc.ptrace(0x4206, os.getppid(), 0, 0) == 0",
    "trace itself": "return libc.ptrace(0, 0, 0, 0) == 0",
    "read the parent's memory": """
    number = {'x86_64': 310, 'aarch64': 270}[os.uname().machine]
    return libc.syscall(number, os.getppid(), 0, 0, 0, 0, 0) == 0""",
    "user namespace": "return libc.unshare(0x10000000) == 0",
    "network namespace": "return libc.unshare(0x40000000) == 0",
    "mount": "return libc.mount(b'none', place['folder'].encode(), b'tmpfs', 0, None) == 0",
    "change the root": "os.chroot(place['folder']); return True",
    "io_uring": """
    return worked(libc.syscall(425, 1, ctypes.create_string_buffer(120)))""",
    "userfaultfd": """
    return worked(libc.syscall({'x86_64': 323, 'aarch64': 282}[os.uname().machine], 1))""",
    "key ring": """
    return worked(libc.syscall({'x86_64': 250, 'aarch64': 219}[os.uname().machine], 0, -3, 1))""",
    "32-bit calls": """
    assert os.uname().machine == 'x86_64'
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b'\\x53\\xb8\\x14\\0\\0\\0\\xcd\\x80\\x5b\\xc3')  # getpid through int 0x80
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid()""",
    "be dumpable": "return libc.prctl(4, 1, 0, 0, 0) == 0",
    "outlive the parent": "return libc.prctl(1, 0, 0, 0, 0) == 0",
    "limits of the parent": """
    import resource
    return resource.prlimit(os.getppid(), resource.RLIMIT_CORE) is not None""",
    "pin to a core": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); return True",
    "lower its rank": "os.nice(1); return True",
    "host name": "return libc.sethostname(place['host'].encode(), len(place['host'])) == 0",
    # bombs, last, since what they leave behind could stop the others
    "memory": "return len(bytearray(1200 << 20)) > 0",
    "mapped memory": "return len(mmap.mmap(-1, 1200 << 20)) > 0",
    "many small objects": "return len([bytes(1 << 20) for _ in range(1100)]) == 1100",
    "thread bomb": """
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(400)]
    try:
        for thread in threads:
            thread.start()
        return True
    finally:
        stop.set()""",
}
"""Each the body of `attack(place)`."""

NOT_EVERYWHERE = {
    "change the root",
    "host name",
    "io_uring",
    "key ring",
    "limits of the parent",
    "memory of the parent",
    "environment of the parent",
    "mount",
    "network namespace",
    "read the parent's memory",
    "trace the parent",
    "user namespace",
    "userfaultfd",
    "32-bit calls",
    "descriptors",
    "exec",
}
"""Whether these work without a sandbox depends on the machine, its settings, or the user."""

DEADLY = {"32-bit calls", "exec"}
"""These may end the process that tries them, so each gets one of its own."""

TRY = """
def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False

def try_attack(name, place):
    try:
        return bool(globals()["attack_" + name](place))
    except (OSError, MemoryError, RuntimeError, ValueError):
        return False
"""


def write_solution(names: list[str]) -> str:
    """Source that defines `try_attack(identifier, place)` for the attacks named."""
    bodies = (
        f"def attack_{identify(name)}(place):\n    {ATTACKS[name].strip()}\n" for name in names
    )
    return "\n".join((PRELUDE, *bodies, TRY))


def identify(name: str) -> str:
    return re.sub("[^a-z0-9]", "_", name)


def find_working(judge: Any, names: list[str], place: dict[str, Any]) -> list[str]:
    """Those of the attacks that work, or what else the verdict says."""
    from asap.judge import CallProblem

    tests = f"""
def check(candidate):
    names = {list(map(identify, names))}
    worked = [name for name in names if candidate(name, {place!r}) is not False]
    assert not worked, worked
"""
    problem = CallProblem("attacks", "", "try_attack", tests, cpu_limit_s=20.0)
    [verdict] = judge.judge([(problem, write_solution(names))])
    is_dead = verdict.outcome in ("violation", "runtime_error") and len(names) == 1
    return [] if verdict.outcome == "passed" or is_dead else [str(verdict)]


def run_plain(name: str, place: dict[str, Any]) -> str:
    """How it ends in a fork of this process, without a sandbox."""
    make_files(place)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        namespace: dict[str, Any] = {}
        exec(write_solution([name]), namespace)
        os.write(writer, str(namespace["try_attack"](identify(name), place)).encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 100)
    os.close(reader)
    return "worked" if answer == b"True" else "failed"


def main(way: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as bystander,
    ):
        os.chmod(folder, 0o755)
        place = make_place(Path(folder), bystander.pid)
        place["tcp"] = tcp.getsockname()
        local.bind(place["unix"])
        abstract.bind("\0" + place["abstract"])
        for server in (local, abstract):
            server.listen()
        results = run_judged(place) if way == "judged" else {}
        if way == "plain":
            results = {
                name: run_plain(name, place) for name in sorted(ATTACKS.keys() - NOT_EVERYWHERE)
            }
        results["bystander_lives"] = bystander.poll() is None
        results["files_are_whole"] = are_whole(place)
        bystander.kill()
    json.dump(results, sys.stdout)


def make_place(folder: Path, pid: int) -> dict[str, Any]:
    place = {
        "mark": os.environ["ASAP_TEST_SECRET"],
        "folder": str(folder),
        "victim": str(folder / "victim"),
        "tests": str(folder / "tests"),
        "doomed": [str(folder / "doomed-0"), str(folder / "doomed-1")],
        "unix": str(folder / "socket"),
        "abstract": f"asap-{os.getpid()}",
        "pid": pid,
        "host": socket.gethostname(),
    }
    make_files(place)
    return place


def make_files(place: dict[str, Any]) -> None:
    for path in (place["victim"], place["tests"], *place["doomed"]):
        Path(path).write_text(place["mark"])


def are_whole(place: dict[str, Any]) -> bool:
    paths = [Path(path) for path in (place["victim"], place["tests"], *place["doomed"])]
    return all(path.exists() and path.read_text() == place["mark"] for path in paths)


def run_judged(place: dict[str, Any]) -> dict[str, Any]:
    # The room alone: whoever runs this may have an interpreter without the package's dependencies.
    package = types.ModuleType("asap")
    package.__path__ = [sys.argv[2]]
    sys.modules["asap"] = package
    from asap.judge import Judge

    # Whatever loses its parent becomes a child of this process, which sees what is left over.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    with Judge() as judge:
        groups = [[name for name in ATTACKS if name not in DEADLY], *([name] for name in DEADLY)]
        worked = [verdict for group in groups for verdict in find_working(judge, group, place)]
        results: dict[str, Any] = {"worked": worked}
        results["kind"] = judge.sandbox.kind
    results["leftovers"] = count_children() - 1  # the bystander
    return results


def count_children() -> int:
    own = str(os.getpid())
    n_children = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        n_children += parent == own and state != "Z"  # dead ones wait for no one but an init
    return n_children


if __name__ == "__main__":
    main(sys.argv[1])
