"""Servers that are started and stopped: a fake `vllm` on the search path, and transformers' own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib import metadata
from importlib.util import find_spec

import pytest

from asap.bench import start_server
from asap.errors import ModelError

FAKE_VLLM = """#!{python} -IS
import json, os, socket, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

with open({started!r}, "w") as file:
    json.dump({{"arguments": sys.argv[1:], "environment": dict(os.environ)}}, file)
if "breaks" in sys.argv:
    print("(EngineCore pid=7) ValueError: the window is too long for the cache", flush=True)
    print("RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
    print("and out", flush=True)
    sys.exit(1)

class Handler(BaseHTTPRequestHandler):
    answers = {{"/health": b"", "/version": b'{{"version": "0.99.1"}}'}}
    n_asked = 0

    def do_GET(self):
        Handler.n_asked += 1
        answer = self.answers.get(self.path)
        is_ready = Handler.n_asked > 2 and answer is not None
        self.send_response(200 if is_ready else 503)
        self.end_headers()
        self.wfile.write(answer if is_ready else b"")

watch = socket.create_connection(("127.0.0.1", {watch_port}))
worker = "import signal, socket; w = socket.create_connection(('127.0.0.1', {watch_port}));"
subprocess.Popen([sys.executable, "-IS", "-c", worker + "w.sendall(b'u'); signal.pause()"])
watch.sendall(b"u")
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
OWNER = """
import sys, threading
from contextlib import ExitStack
from pathlib import Path
from asap.bench import start_server

stack = ExitStack()

def enter():
    server = stack.enter_context(start_server("vllm", "model", log=Path(sys.argv[1])))
    print(server.url, flush=True)

# The server must not be tied to the thread that starts it, which ends here.
starter = threading.Thread(target=enter)
starter.start()
starter.join()
threading.Event().wait()
"""


class FakeVllm:
    """What the fake was started with, and whether its processes are gone."""

    def __init__(self, folder, monkeypatch):
        self.started = folder / "started.json"
        self.log = folder / "server.log"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(50)
        script = folder / "bin" / "vllm"
        script.parent.mkdir()
        script.write_text(
            FAKE_VLLM.format(
                python=sys.executable,
                started=str(self.started),
                watch_port=self._listener.getsockname()[1],
            )
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)

    def accept(self):
        """Connections to the server and to its worker, which close when these die."""
        watches = [self._listener.accept()[0] for _ in range(2)]
        for watch in watches:
            watch.settimeout(50)
            assert watch.recv(1) == b"u"
        return watches

    def read(self):
        return json.loads(self.started.read_text())

    def close(self):
        self._listener.close()


@pytest.fixture
def fake_vllm(tmp_path, monkeypatch):
    fake = FakeVllm(tmp_path, monkeypatch)
    yield fake
    fake.close()


def assert_gone(watches):
    for watch in watches:
        with watch, contextlib.suppress(ConnectionResetError):
            assert watch.recv(1) == b""


def test_vllm_is_started_as_in_the_paper_and_stopped(fake_vllm):
    with start_server("vllm", "owner/model", log=fake_vllm.log, max_model_len=12_288, seed=3) as it:
        watches = fake_vllm.accept()
        port = it.url.removeprefix("http://127.0.0.1:").removesuffix("/v1")
        assert (it.model, it.version) == ("owner/model", "0.99.1")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://127.0.0.1:{port}/health"
        ) as answer:
            assert answer.status == 200
    assert_gone(watches)
    assert fake_vllm.read()["arguments"] == [
        *("serve", "owner/model", "--host", "127.0.0.1", "--port", port, "--seed", "3"),
        *("--dtype", "bfloat16", "--gpu-memory-utilization", "0.9", "--no-enable-prefix-caching"),
        *("--generation-config", "vllm", "--disable-uvicorn-access-log"),
        *("--max-model-len", "12288"),
    ]
    assert f"vllm serve owner/model --host 127.0.0.1 --port {port}" in fake_vllm.log.read_text()


def test_the_server_gets_no_api_keys_and_reports_to_nobody(fake_vllm, monkeypatch):
    for name in ("ASAP_API_KEY", "OPENAI_API_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "a secret")
    with start_server("vllm", "model", log=fake_vllm.log, dtype="fp32"):
        pass
    started = fake_vllm.read()
    assert "a secret" not in started["environment"].values()
    assert started["environment"]["VLLM_NO_USAGE_STATS"] == "1"
    assert started["environment"]["DO_NOT_TRACK"] == "1"
    assert started["arguments"][8:10] == ["--dtype", "float32"]
    assert "--max-model-len" not in started["arguments"]


def test_a_proxy_does_not_get_in_the_way(fake_vllm, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with start_server("vllm", "model", log=fake_vllm.log) as server:
        assert server.version == "0.99.1"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_server_is_stopped_when_the_work_with_it_fails(fake_vllm, error):
    def work():
        with start_server("vllm", "model", log=fake_vllm.log):
            watches.extend(fake_vllm.accept())
            raise error

    watches = []
    with pytest.raises(error):
        work()
    assert len(watches) == 2
    assert_gone(watches)


def test_a_server_that_ends_at_once_is_one_clear_error(fake_vllm):
    with pytest.raises(ModelError) as failure, start_server("vllm", "breaks", log=fake_vllm.log):
        pass
    assert str(failure.value) == (
        "the model's server does not start: ValueError: the window is too long for the cache "
        f"(see {fake_vllm.log})"
    )


def test_vllm_that_is_not_installed_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with (
        pytest.raises(ModelError, match="vLLM is not installed: pip install vllm"),
        start_server("vllm", "model", log=tmp_path / "log"),
    ):
        pass


def test_a_command_that_is_killed_leaves_no_server_behind(fake_vllm):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(fake_vllm.log)], stdout=subprocess.PIPE, text=True
    )
    with owner:
        watches = fake_vllm.accept()
        url = owner.stdout.readline().strip()
        owner.send_signal(signal.SIGKILL)
    assert_gone(watches)
    port = int(url.removeprefix("http://127.0.0.1:").removesuffix("/v1"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


needs_serving = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "fastapi", "uvicorn", "accelerate")),
    reason="the server of transformers is not installed (extra bench)",
)


@needs_serving
@pytest.mark.parametrize(
    ("model", "words"),
    [("no/such/model", "no model 'no/such/model'"), (".", "is no model folder")],
)
def test_a_model_that_does_not_exist_is_one_clear_error(tmp_path, monkeypatch, model, words):
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ModelError, match=words),
        start_server("transformers", model, log=tmp_path / "log"),
    ):
        pass


@needs_serving
@pytest.mark.timeout(300)
def test_the_server_of_transformers_decodes_greedily_and_samples(tiny_model, tmp_path):
    # A generation config that bends greedy decoding must not count.
    model = tmp_path / "model@1"
    model.mkdir()
    for path in tiny_model.iterdir():
        (model / path.name).symlink_to(path)
    config = model / "generation_config.json"
    known = json.loads(config.read_text())
    config.unlink()
    config.write_text(json.dumps(known | {"repetition_penalty": 9.0}))

    with start_server("transformers", str(model), log=tmp_path / "log", dtype="fp32") as server:
        assert server.version == metadata.version("transformers")

        def ask(**sampling):
            body = {"model": server.model, "prompt": "x y z", "max_tokens": 40, **sampling}
            request = urllib.request.Request(
                f"{server.url}/completions",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as got:
                return json.load(got)

        greedy = ask(temperature=0.0)
        samples = {ask(temperature=1.0, seed=seed)["choices"][0]["text"] for seed in range(3)}
    assert greedy["choices"][0]["text"] == decode_greedily(tiny_model, "x y z", 40)
    assert greedy["choices"][0]["finish_reason"] == "length"
    assert greedy["usage"]["completion_tokens"] == 40
    assert len(samples) == 3
    assert json.loads(config.read_text())["repetition_penalty"] == 9.0


def decode_greedily(folder, prompt, n_tokens):
    """Token by token, the most likely one."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    n_prompt = ids.shape[1]
    with torch.no_grad():
        for _ in range(n_tokens):
            best = model(ids).logits[0, -1].argmax()
            ids = torch.cat([ids, best.view(1, 1)], dim=1)
    return tokenizer.decode(ids[0, n_prompt:], skip_special_tokens=True)
