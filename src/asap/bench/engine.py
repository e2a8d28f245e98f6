"""A server of a model that a command starts and stops itself: vLLM, or the server that ships with
transformers, for CPUs. It listens on 127.0.0.1 alone. It knows nothing of what is asked of it.

A model's own generation config is kept out of both: a repetition penalty there would bend greedy
decoding, a missing `do_sample` would make the transformers server ignore a temperature.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from asap.errors import MissingExtraError, ModelError

Engine = Literal["vllm", "transformers"]
ServerDType = Literal["auto", "bf16", "fp32"]
"""`auto`: bf16 with vLLM, as in the paper; as the weights are with transformers."""

_log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_START_S = 30 * 60.0
_STOP_S = 20.0
_LONGEST_PAUSE_S = 2.0
_KEY_NAMES = {"ASAP_API_KEY", "OPENAI_API_KEY", "VLLM_API_KEY"}
"""Secrets that the server has no use for; with the last one vLLM would ask for a key."""
_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "PYTHONUNBUFFERED": "1",
}
_DTYPES = {"bf16": "bfloat16", "fp32": "float32"}
_SERVING = ("torch", "transformers", "accelerate", "fastapi", "uvicorn", "openai")
_MODEL_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.safetensors")
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_COMPLAINT = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b: .+|\berror: .+")
_NOT_TELLING = "See root cause above"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    """Up to `/v1`."""
    model: str
    """The name under which requests must ask for the model."""
    version: str
    """Of vLLM or transformers."""


@contextmanager
def start_server(
    engine: Engine,
    model: str,
    *,
    log: Path,
    dtype: ServerDType = "auto",
    max_model_len: int | None = None,
    seed: int = 0,
) -> Iterator[Server]:
    """Start a server, wait until it answers, and stop it in the end, however the end comes.

    Args:
        engine: `vllm`, which must be installed apart, or `transformers`.
        model: a folder in Hugging Face format, or a Hub id.
        log: takes what the server says; what stood there is lost.
        dtype: what the model computes in.
        max_model_len: tokens of prompt and completion together; by default as many as the model
            was made for. The transformers server has no such limit, nor any other, and runs on
            beyond the model's window without a word.
        seed: for the server's random numbers; requests may have their own.

    Raises:
        MissingExtraError: the transformers server is not installed.
        ModelError: vLLM is not installed, there is no such model, or the server does not start.
    """
    port = _find_free_port()
    address = ["--host", _HOST, "--port", str(port)]
    with contextlib.ExitStack() as stack:
        if engine == "vllm":
            command = [_find_vllm(), "serve", model, *address, "--seed", str(seed)]
            command += _write_vllm_flags(dtype, max_model_len)
        else:
            _check_serving()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asap-model-")))
            _link_model(model, folder)
            model = str(folder)
            # Without -P a file in the working folder could pass for a library of the server's.
            command = [sys.executable, "-P", "-m", "transformers.cli.transformers", "serve", model]
            command += [*address, "--default-seed", str(seed), "--log-level", "error"]
            command += ["--device", "auto", "--dtype", _DTYPES.get(dtype, dtype)]
        stack.enter_context(_run(command, port, log))
        version = _ask_version(port) if engine == "vllm" else metadata.version("transformers")
        yield Server(f"http://{_HOST}:{port}/v1", model, version)


def _write_vllm_flags(dtype: ServerDType, max_model_len: int | None) -> list[str]:
    # Requests are logged by no version that knows how to return token ids, unless asked to.
    flags = ["--dtype", _DTYPES.get(dtype, "bfloat16"), "--gpu-memory-utilization", "0.9"]
    flags += ["--no-enable-prefix-caching", "--generation-config", "vllm"]
    flags += ["--disable-uvicorn-access-log"]
    return flags if max_model_len is None else [*flags, "--max-model-len", str(max_model_len)]


def _find_vllm() -> str:
    beside = str(Path(sys.executable).parent)
    found = shutil.which("vllm") or shutil.which("vllm", path=beside)
    if found is None:
        raise ModelError(
            "vLLM is not installed: pip install vllm (it wants a GPU), or --engine transformers, "
            "or the address of a server that runs already with --url"
        )
    return found


def _check_serving() -> None:
    if any(find_spec(package) is None for package in _SERVING):
        raise MissingExtraError("the server of transformers", "bench")


def _link_model(model: str, folder: Path) -> None:
    """Fill a folder with links to a model's files and a generation config of our own."""
    source = _find_model_folder(model)
    for path in source.iterdir():
        (folder / path.name).symlink_to(path.resolve())
    generation = folder / "generation_config.json"
    # As transformers does: a model without the one has its token ids in the other.
    known = _read_json(generation if generation.exists() else folder / "config.json")
    ids = {name: known[name] for name in _TOKEN_IDS if known.get(name) is not None}
    generation.unlink(missing_ok=True)
    # Greedy is what a request's temperature of 0 makes of it; `top_k` would be 50 if left out.
    generation.write_text(json.dumps({"do_sample": True, "top_k": 0} | ids), encoding="utf-8")


def _find_model_folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} is no model folder: it has no config.json")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_MODEL_FILES)))
    except (HFValidationError, HfHubHTTPError, OSError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"no model {model!r}: no folder, and the Hub does not give it ({first_line})"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ModelError(f"{path.resolve()} is no JSON object: {error}") from None


def _find_free_port() -> int:
    with socket.socket() as free:
        free.bind((_HOST, 0))
        return int(free.getsockname()[1])


@contextmanager
def _run(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a server under a guard; see there."""
    guard_file = Path(__file__).with_name("guard.py")
    keep = {name: text for name, text in os.environ.items() if name not in _KEY_NAMES}
    with log.open("wb") as said:
        said.write(f"{shlex.join(command)}\n".encode())
        said.flush()
        guard = subprocess.Popen(
            [sys.executable, "-IS", str(guard_file), str(_STOP_S), *command],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=keep | _ENVIRONMENT,
            start_new_session=True,  # an interrupt from the keyboard is for the command alone
        )
    try:
        _log.info("waiting for the model's server to start; it writes to %s", log)
        _wait_until_ready(guard, port, log)
        yield
    finally:
        guard.communicate(b"s")


def _wait_until_ready(guard: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    pause_s = 0.1
    while _get(port, "/health") is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(pause_s)
            raise ModelError(
                f"the model's server does not start: {_find_complaint(log)} (see {log})"
            )
        if time.monotonic() > deadline:
            raise ModelError(
                f"the model's server has not answered for {_START_S / 60:.0f} minutes (see {log})"
            )
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def _get(port: int, path: str) -> bytes | None:
    """What the server answers; None: nothing yet. A bare connection, so that no proxy comes in."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _ask_version(port: int) -> str:
    try:
        return str(json.loads(_get(port, "/version") or b"")["version"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _find_complaint(log: Path) -> str:
    """The line of a log that says best why a server ended: the last error, else the last line."""
    _command, *lines = filter(None, map(str.strip, log.read_text(errors="replace").splitlines()))
    found = [match[0] for line in lines if (match := _COMPLAINT.search(line))]
    telling = [complaint for complaint in found if _NOT_TELLING not in complaint]
    return (telling or lines or ["it said nothing"])[-1]
