"""The server: what it answers to whom, with which headers, and what it never gives away."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asap.errors import InputError
from asap.view.page import PAGE
from asap.view.server import listen

PATHS = [
    "/",
    "/static/main.js",
    "/static/style.css",
    "/api/runs",
    "/api/overview?runs=0,1",
    "/api/runs/0/overview",
    "/api/runs/0/traces",
    "/api/runs/0/traces/3",
    "/api/runs/0/search?q=sum",
    "/api/runs/0/plots/tokens.svg",
    "/api/plots/0,1/tokens-after.svg",
    "/nothing",
    "/api/runs/9/overview",
]


def read_policy(headers: dict[str, str]) -> dict[str, list[str]]:
    terms = [term.split() for term in headers["content-security-policy"].split(";")]
    return {name: values for name, *values in terms}


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(client: Any, path: str) -> None:
    headers = client.get(path).headers
    assert read_policy(headers)["default-src"] == ["'none'"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/api/runs", "/static/main.js", "/nothing"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:80@localhost",
        "127.0.0.2",
        "0.0.0.0",
        "localhost:1:2",
        "[::2]",
        "",
    ],
)
def test_a_foreign_host_is_refused(client: Any, path: str, host: str) -> None:
    answer = client.get(path, Host=host)
    assert answer.status == 400
    assert b"main" not in answer.body
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:81", "127.0.0.1:9", "[::1]", "[::1]:80"])
def test_the_names_of_this_machine_are_answered(client: Any, host: str) -> None:
    assert client.get("/api/runs", Host=host).status == 200


def test_two_hosts_or_none_are_refused(client: Any) -> None:
    for lines in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(b"GET /api/runs HTTP/1.0\r\n" + lines + b"\r\n")
            assert connection.recv(100).split()[1] == b"400"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../api.py",
        "/static/%2e%2e/api.py",
        "/static/..%2fapi.py",
        "/static/%2e%2e%2fapi.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..\\api.py",
        "/static/index.html",
        "/static/",
        "/static",
        "/etc/passwd",
        "/report.json",
        "/traces/000000.parquet",
        "/api/runs/0/../../report.json",
        "/api/runs/..%2f..%2freport.json",
        "/api/runs/0/plots/../../report.json",
        "/api/runs/0/plots/%2e%2e%2freport.svg",
        "/api/",
    ],
)
def test_no_file_is_served_but_the_pages_own(client: Any, path: str) -> None:
    # Written by hand: a client would tidy the path up.
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.split()[1] == b"404", answer
    assert b"import " not in answer
    assert b"root:" not in answer
    assert b"format_version" not in answer


def test_there_is_reading_only(client: Any) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            request = f"{method} /api/runs HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(request.encode())
            assert connection.recv(100).split()[1] == b"405"


def test_the_policy_allows_what_stands_inline_and_nothing_else(client: Any) -> None:
    answer = client.get("/")
    policy = read_policy(answer.headers)
    html = answer.body.decode()
    inline = re.findall(r"<script(?![^>]*src=)[^>]*>(.*?)</script>", html, re.DOTALL)
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in inline
    ]
    assert len(inline) == 2
    assert policy["script-src"] == ["'self'", *digests]
    assert policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert "unsafe-inline" not in "".join(policy["script-src"] + policy["style-src"])
    assert "<style" not in html


def test_every_module_that_is_named_is_there(client: Any) -> None:
    html = client.get("/").body.decode()
    names = set(re.findall(r'"(asap/[\w-]+)":"(/static/[\w.-]+)"', html))
    assert {module for module, _ in names} >= {"asap/main", "asap/api", "asap/katex"}
    for _, path in names:
        answer = client.get(path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.body == (PAGE / path.rpartition("/")[2]).read_bytes()
    for path in re.findall(r'href="(/static/[^"]+)"', html):
        assert client.get(path).headers["content-type"].startswith("text/css")


def test_large_answers_are_compressed_for_those_who_ask(client: Any) -> None:
    plain = client.get("/api/runs/0/traces")
    packed = client.get("/api/runs/0/traces", **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 2


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/runs/0/traces?sort=thinking", "sort"),
        ("/api/runs/0/traces?sort=row;drop", "sort"),
        ("/api/runs/0/traces?limit=0", "limit"),
        ("/api/runs/0/traces?limit=1000000", "limit"),
        ("/api/runs/0/traces?offset=-1", "offset"),
        ("/api/runs/0/traces?min_kept=much", "min_kept"),
        ("/api/runs/0/traces?shape=round", "shape"),
        ("/api/runs/0/search", "1 to 500"),
        (f"/api/runs/0/search?q={'x' * 501}", "1 to 500"),
        ("/api/runs/0/search?q=a&cursor=-3", "cursor"),
        ("/api/runs/0/search?q=a&cursor=999", "cursor"),
        ("/api/runs/0/search?q=a&limit=0", "limit"),
        ("/api/runs/0/search?q=a&min_kept=much", "min_kept"),
        ("/api/runs/0/search?q=a&shape=round", "shape"),
        ("/api/overview?runs=", "runs"),
        ("/api/overview?runs=0,7", "runs"),
        ("/api/overview?runs=0;1", "runs"),
    ],
)
def test_a_wrong_parameter_is_named(client: Any, path: str, named: str) -> None:
    answer = client.get(path)
    assert answer.status == 400
    assert named in answer.json["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/2/overview",
        "/api/runs/-1/overview",
        "/api/runs/0/traces/40",
        "/api/runs/0/traces/1e3",
        "/api/runs/0/traces/99999999999999999999",
        "/api/runs/0/plots/nothing.svg",
        "/api/plots/0,1/nothing.svg",
        "/api/else",
    ],
)
def test_what_is_not_there_is_said(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    assert answer.json["error"]


def test_a_port_that_is_taken_is_named() -> None:
    with listen(0) as first:
        port = first.getsockname()[1]
        assert first.getsockname()[0] == "127.0.0.1"
        with pytest.raises(InputError, match=f"port {port}.*--port"):
            listen(port)


def test_many_at_once_get_the_same(client: Any) -> None:
    paths = ["/api/runs/0/traces?sort=kept", "/api/runs/0/traces/5", "/api/runs/1/overview"] * 8
    alone = {path: client.json(path) for path in set(paths)}
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(client.json, paths))
    assert together == [alone[path] for path in paths]


def test_the_page_is_in_the_package() -> None:
    assert (PAGE / "index.html").is_file()
    assert Path(PAGE).parent.name == "view"
