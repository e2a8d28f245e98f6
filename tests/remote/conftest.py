"""A real S3 server (moto's) on the loopback interface, and runs with fakes against it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asap
from asap.prune import Tools
from asap.run import RunResult
from asap.surprisal import FakeCounter, FakeScorer

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # One try is enough for a server on this machine; what is tested is the end, not the waiting.
    "AWS_MAX_ATTEMPTS": "1",
}


class Store:
    """The server. `requests` are those that came, as "PUT /bucket/key"; `before` and `after` are
    called around each, and a status from `before` is the reply.
    """

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}
        inner = self._server._server
        assert inner is not None
        self._app, inner.app = inner.app, self._reply
        self.clear()

    def clear(self) -> None:
        """No buckets, no requests, no faults."""
        from moto.s3.models import s3_backends

        s3_backends.reset()
        self.requests: list[str] = []
        self.n_bytes_sent = 0
        self.before: Callable[[str], int | None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None

    def stop(self) -> None:
        self._server.stop()

    def _reply(self, environ: Any, start_response: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        if "list-type=2" in environ["QUERY_STRING"]:
            request = f"LIST {environ['QUERY_STRING']}"
        self.requests.append(request)
        status = self.before(request)
        if status is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{status} Fault", [("Content-Type", "application/xml")])
            code = {403: "AccessDenied", 500: "InternalError"}[status]
            return [f"<Error><Code>{code}</Code><Message>No {code}</Message></Error>".encode()]
        parts = list(self._app(environ, start_response))
        self.n_bytes_sent += sum(map(len, parts))
        self.after(request)
        return parts

    @property
    def client(self) -> Any:
        """Another's client, not ours."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )

    def make_bucket(self, name: str = "bucket") -> None:
        self.client.create_bucket(Bucket=name)
        self.requests.clear()

    def put(self, key: str, content: bytes, bucket: str = "bucket") -> str:
        self.client.put_object(Bucket=bucket, Key=key, Body=content)
        self.requests.clear()
        return f"s3://{bucket}/{key}"

    def objects(self, prefix: str = "", bucket: str = "bucket") -> dict[str, bytes]:
        """Content by key behind the prefix."""
        client, pages = self.client, []
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        read = {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(prefix): content for key, content in read.items()}


def _forget_drivers() -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def server() -> Iterator[Store]:
    pytest.importorskip("s3fs")
    store = Store()
    yield store
    store.stop()


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server with one empty bucket, named in the environment."""
    server.clear()
    server.make_bucket()
    use(server, monkeypatch)
    yield server
    _forget_drivers()


def use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    _forget_drivers()


@pytest.fixture
def mortal_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A server of the test's own, that it may stop."""
    store = Store()
    store.make_bucket()
    use(store, monkeypatch)
    yield store
    store.stop()
    _forget_drivers()


@pytest.fixture
def prune() -> Callable[..., RunResult]:
    """Prunes with fakes: `(input, output, shard_rows=4)`."""

    def run(source: Any, output: Any, shard_rows: int = 4, **more: Any) -> RunResult:
        return asap.prune_corpus(
            asap.open_corpus([str(source)]),
            output,
            asap.load_recipe("default", more),
            Tools(FakeCounter(), FakeScorer()),
            shard_rows=shard_rows,
            max_excluded=1.0,
        )

    return run


@pytest.fixture
def source(tmp_path: Path, make_rows: Callable[..., Any], write_jsonl: Callable[..., Path]) -> Path:
    """16 rows, one of them no row."""
    return write_jsonl(tmp_path / "in.jsonl", [*make_rows(15), "not json at all"])
