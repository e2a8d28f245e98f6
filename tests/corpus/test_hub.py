"""Data sets on the Hub, read through the real `datasets` from a stand-in for the Hub."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from asap.corpus import open_corpus
from asap.errors import MissingExtraError

COMMIT = "a" * 40
API = "/api/datasets/owner/name"
CARD = """---
license: cc-by-4.0
configs:
- config_name: py
  data_files:
  - split: train
    path: py/train-*.jsonl
---
"""
FILES = {
    "README.md": CARD.encode(),
    "py/train-00000.jsonl": b'{"id": "x", "generation": "<think>t</think>a"}\n'
    b'{"id": "y", "generation": "<think>cut off"}\n',
    "py/train-00001.jsonl": b'{"id": "z", "generation": "<think>t</think>a"}\n',
}
SCRIPT = """
import json, os, sys
from asap.corpus import open_corpus
from asap.errors import UserError

for text in sys.argv[1:]:
    try:
        corpus = open_corpus([text])
    except UserError as error:
        print(json.dumps({"error": str(error)}))
        continue
    print(json.dumps({
        "files": corpus.files,
        "licence": corpus.licence,
        "commit": corpus.sources[0].identity,
        "rows": [(row.row, row.id, getattr(row.outcome, "reason", "ok")) for row in corpus.rows()],
        "rest": [(row.row, row.id) for row in corpus.rows(2)],
        "telemetry": os.environ.get("HF_HUB_DISABLE_TELEMETRY"),
    }))
"""


class StandIn(BaseHTTPRequestHandler):
    """As much of the Hub as `datasets` asks for: one data set, its commit, its tree, its files."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == API or path.startswith(f"{API}/revision/"):
            siblings = [{"rfilename": name} for name in FILES]
            info = {"id": "owner/name", "sha": COMMIT, "siblings": siblings, "tags": []}
            self.reply(json.dumps({**info, "cardData": {"license": "cc-by-4.0"}}).encode())
        elif found := re.match(rf"{API}/tree/(?:{COMMIT}|main)(.*)", path):
            self.reply(json.dumps(self.list_folder(found[1].strip("/"))).encode())
        elif found := re.match(rf"/datasets/owner/name/resolve/(?:{COMMIT}|main)/(.*)", path):
            self.reply_file(found[1])
        else:
            self.reply(b"{}", 404, {"X-Error-Code": "RepoNotFound"})

    def do_POST(self):
        """What stands at some paths: asked by the file system of hf:// addresses."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        wanted = json.loads(body)["paths"] if body[0] == "{" else parse_qs(body)["paths"]
        entries = [*self.list_folder(""), *self.list_folder("py")]
        self.reply(json.dumps([entry for entry in entries if entry["path"] in wanted]).encode())

    def list_folder(self, folder):
        if not folder:
            names = ["README.md"]
            folders = [{"type": "directory", "path": "py", "oid": "0" * 40, "size": 0}]
        else:
            names, folders = [name for name in FILES if name.startswith(folder + "/")], []
        return folders + [
            {"type": "file", "path": name, "size": len(FILES[name]), "oid": "0" * 40}
            for name in names
        ]

    def reply_file(self, name):
        if name not in FILES:
            self.reply(b"{}", 404, {"X-Error-Code": "EntryNotFound"})
            return
        body, headers = FILES[name], {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT}
        if wanted := self.headers.get("Range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            part = body[int(first) : int(last) + 1]
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            self.reply(part, 206, headers)
        else:
            self.reply(body, 200, headers)

    def reply(self, body, status=200, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def read_hub(tmp_path, endpoint, *inputs):
    """Read inputs in a process of their own: the libraries take the Hub's address when imported."""
    unset = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"}
    env = {name: value for name, value in os.environ.items() if name.upper() not in unset}
    env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", SCRIPT, *inputs]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_data_set_on_the_hub_is_streamed(tmp_path, hub):
    pytest.importorskip("datasets")
    good, no_config, no_split, no_repository = read_hub(
        tmp_path, hub, "owner/name:py", "owner/name:none", "owner/name:py:test", "owner/other"
    )
    assert good == {
        "files": ["owner/name:py:train"],
        "licence": "cc-by-4.0",
        "commit": [COMMIT],
        "rows": [[0, "x", "ok"], [1, "y", "no_closing_tag"], [2, "z", "ok"]],
        "rest": [[2, "z"]],
        "telemetry": "1",
    }
    assert "'none' not found. Available: ['py']" in no_config["error"]
    assert "Available splits: ['train']" in no_split["error"]
    assert "'owner/other' is no file or folder here" in no_repository["error"]
    assert "\n" not in no_repository["error"]


def test_files_on_the_hub_are_read_by_their_address(tmp_path, hub):
    pytest.importorskip("upath")
    glob, folder, missing, no_repository = read_hub(
        tmp_path,
        hub,
        "hf://datasets/owner/name/py/*.jsonl",
        "hf://datasets/owner/name/py",
        "hf://datasets/owner/name/py/none.jsonl",
        "hf://datasets/owner/other/a.jsonl",
    )
    for found in (glob, folder):
        assert found["files"] == ["train-00000.jsonl", "train-00001.jsonl"]
        assert found["licence"] == "cc-by-4.0"
        assert found["rows"] == [[0, "x", "ok"], [1, "y", "no_closing_tag"], [2, "z", "ok"]]
    assert "hf://datasets/owner/name/py/none.jsonl does not exist" in missing["error"]
    assert "owner/other" in no_repository["error"]


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path):
    pytest.importorskip("datasets")
    # Nothing listens on the discard port; a connection there is refused at once.
    (reply,) = read_hub(tmp_path, "http://127.0.0.1:9", "owner/name")
    assert "cannot be read from the Hub" in reply["error"]
    assert "\n" not in reply["error"]


def test_a_missing_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"'owner/name' .* pip install 'asap-cot\[hub\]'"):
        open_corpus(["owner/name"])
