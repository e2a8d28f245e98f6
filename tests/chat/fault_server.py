"""A server of the OpenAI kind on a loopback socket, with the faults that real ones have.

Every request gets an `Action`. A test says which by `queue` (the next ones, in order of arrival)
and by `script` (a function of the request's body and of how often this same body has come, from 1);
a script may return plain text for a plain reply. Without either the server echoes the last message.

Actions are made by the server's methods, so a test needs the fixture `fault_server` and no import:
`reply`, `stream`, `status`, `body`, `drop`, `drop_midway`, `stall`, `trickle`, `refuse_key`.
Bodies are counted in `counts` by `digest`, so that a test can prove that nothing was asked twice.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

Body = dict[str, Any]
LONGEST_STALL_S = 30.0


@dataclass(frozen=True, slots=True)
class Action:
    """What the server does with one request. Made by the methods of `FaultServer`."""

    kind: Literal["send", "drop", "drop_midway", "stall", "trickle"] = "send"
    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait_for: threading.Event | None = None


Script = Callable[[Body, int], "Action | str"]


class FaultServer:
    """Starts on construction, at `url`; `close` ends it and whatever it is stalling."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queued: deque[Action] = deque()
        self._script: Script = lambda body, n_before: str(body["messages"][-1]["content"])
        self._n_under_way = 0
        self.closing = threading.Event()
        self.requests: list[Body] = []
        """Bodies in order of arrival."""
        self.headers: list[dict[str, str]] = []
        """Their headers, names in lower case."""
        self.counts: Counter[str] = Counter()
        """How often each body came, by `digest`."""
        self.most_under_way = 0
        """The most requests that were under way at once."""
        self.models: list[dict[str, Any]] | None = None
        """What `/models` lists; None: there is no such page."""
        self.arrived = threading.Semaphore(0)
        """Released once per request: `arrived.acquire(timeout=...)` waits for the next one."""
        self._http = _Server(("127.0.0.1", 0), _make_handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def queue(self, *actions: Action) -> None:
        """Meet the next requests with these, in order of arrival; then the script goes on."""
        with self._lock:
            self._queued.extend(actions)

    def script(self, script: Script) -> None:
        """Have a function of the body, and of how often it has come (from 1), say what to do."""
        with self._lock:
            self._script = script

    @staticmethod
    def digest(body: Body) -> str:
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def asked(self, text: str) -> int:
        """How many requests had this text as their last message."""
        with self._lock:
            return sum(body["messages"][-1]["content"] == text for body in self.requests)

    def reply(
        self,
        text: str | None,
        *,
        finish_reason: str | None = "stop",
        prompt_tokens: int = 10,
        completion_tokens: int = 5,
        has_usage: bool = True,
        wait_for: threading.Event | None = None,
    ) -> Action:
        """A completion; with `wait_for` not before that event is set."""
        completion: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "served",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": finish_reason,
                }
            ],
        }
        if has_usage:
            completion["usage"] = {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            }
        return Action(content=json.dumps(completion).encode(), wait_for=wait_for)

    def stream(
        self,
        pieces: list[dict[str, Any]],
        *,
        finish_reason: str | None = "stop",
        usage: tuple[int, int] | None = (10, 5),
        tail: bytes = b"data: [DONE]\n\n",
    ) -> Action:
        """A stream of choices: `{"text": …, "token_ids": …}`, or `{"delta": …}` of a chat; the last
        one has the finish reason, and the usage comes after it.
        """
        choices = [{"index": 0, "finish_reason": None} | piece for piece in pieces]
        choices[-1]["finish_reason"] = finish_reason
        chunks: list[dict[str, Any]] = [{"choices": [choice]} for choice in choices]
        if usage is not None:
            counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
            chunks.append({"choices": [], "usage": counts})
        head = {"id": "cmpl-1", "object": "text_completion", "created": 0, "model": "served"}
        lines = [b"data: " + json.dumps(head | chunk).encode() + b"\n\n" for chunk in chunks]
        return self.body(b"".join(lines) + tail, content_type="text/event-stream")

    def status(
        self,
        status: int,
        *,
        message: str = "the fault asked for",
        code: str | None = None,
        retry_after: str | None = None,
    ) -> Action:
        """An error of the OpenAI kind."""
        error = {"error": {"message": message, "type": code, "code": code, "param": None}}
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return Action(status=status, content=json.dumps(error).encode(), headers=headers)

    def refuse_key(self, message: str = "Incorrect API key provided") -> Action:
        return self.status(401, message=message, code="invalid_api_key")

    def body(self, content: bytes, *, content_type: str = "application/json") -> Action:
        """Status 200 and any bytes: invalid JSON, no choices, an error page."""
        return Action(content=content, headers={"Content-Type": content_type})

    def drop(self) -> Action:
        """The connection closes before an answer."""
        return Action("drop")

    def drop_midway(self) -> Action:
        """The connection closes in the middle of the body."""
        return Action("drop_midway", content=self.reply("never whole").content)

    def stall(self) -> Action:
        """Nothing comes, until the server closes."""
        return Action("stall")

    def trickle(self) -> Action:
        """The head comes, then a byte of white space now and then, for ever: no read times out."""
        return Action("trickle")

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self, body: Body, headers: dict[str, str]) -> Action:
        """Note a request's arrival and choose what to do with it. For the handler."""
        with self._lock:
            digest = self.digest(body)
            self.counts[digest] += 1
            self.requests.append(body)
            self.headers.append(headers)
            self._n_under_way += 1
            self.most_under_way = max(self.most_under_way, self._n_under_way)
            n_times, script = self.counts[digest], self._script
            queued = self._queued.popleft() if self._queued else None
        self.arrived.release()
        if queued is not None:
            return queued
        said = script(body, n_times)
        return self.reply(said) if isinstance(said, str) else said

    def end(self) -> None:
        """Note that a request is over. For the handler."""
        with self._lock:
            self._n_under_way -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() then waits for every handler: no socket is left open
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news here."""


def _make_handler(server: FaultServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            action = server.begin(body, {name.lower(): x for name, x in self.headers.items()})
            if action.wait_for is not None:
                action.wait_for.wait(LONGEST_STALL_S)
            # Over before the client can know it is: it may send the next one on the last byte.
            server.end()
            if action.kind == "stall":
                server.closing.wait(LONGEST_STALL_S)
            elif action.kind != "drop":
                _send(self, action, server.closing)

        def do_GET(self) -> None:
            action = server.status(404)
            if self.path.endswith("/models") and server.models is not None:
                listed = {"object": "list", "data": server.models}
                action = server.body(json.dumps(listed).encode())
            _send(self, action, server.closing)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on stderr."""

    return Handler


def _send(handler: BaseHTTPRequestHandler, action: Action, closing: threading.Event) -> None:
    handler.send_response(action.status)
    for name, value in ({"Content-Type": "application/json"} | action.headers).items():
        handler.send_header(name, value)
    if action.kind != "trickle":
        handler.send_header("Content-Length", str(len(action.content)))
    handler.end_headers()
    while action.kind == "trickle" and not closing.wait(0.01):
        handler.wfile.write(b" ")
    n_bytes = len(action.content) // (2 if action.kind == "drop_midway" else 1)
    handler.wfile.write(action.content[:n_bytes])
