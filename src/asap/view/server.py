"""The page over HTTP, on the loopback interface only: its files, and the answers of `Api` as JSON.

A request names no path on the disk: files come from a list made at the start, runs by position.
Foreign sites are kept out by the Host header (a name rebound to 127.0.0.1 is refused) and by the
policy, under which the page can load nothing from elsewhere.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap.errors import AsapError, InputError
from asap.view.api import Api
from asap.view.page import PAGE, STATIC, write_served_page

_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_GRACE_S = 1


def make_app(api: Api, page: Path = PAGE) -> Starlette:
    """The application.

    Args:
        api: what answers.
        page: the folder of the page's files.
    """
    html, policy = write_served_page(page)
    files = {path.name: path for path in page.iterdir() if path.suffix in (".js", ".css")}

    def send_page(_: Request) -> Response:
        return HTMLResponse(html)

    def send_file(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        if path is None:
            return _refuse(404, "there is no such file")
        return Response(path.read_bytes(), media_type=guess_type(path.name)[0])

    def answer(request: Request) -> Response:
        path = f"/api/{request.path_params['path']}"
        try:
            if path.endswith(".svg"):
                return _send_picture(api.draw(path))
            return _send_answer(api.get(path, dict(request.query_params)))
        except InputError as error:
            return _refuse(400, str(error))
        except AsapError as error:
            return _refuse(500, str(error))

    # Plain functions run in worker threads, so that a long search holds up nothing else.
    routes = [
        Route("/", send_page),
        Route(f"{STATIC}{{name}}", send_file),
        Route("/api/{path:path}", answer),
    ]
    middleware = [
        Middleware(_Guard, policy=policy),
        Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
    ]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={404: _find_nothing})


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1 that takes connections from now on.

    Args:
        port: 0 for any that is free.

    Raises:
        InputError: the port cannot be had.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise InputError(
            f"cannot listen on port {port}: {error.strerror}; name another --port, or none for a "
            "free one"
        ) from None
    return listener


def make_server(app: ASGIApp) -> uvicorn.Server:
    """A server for the application, to be run with the socket of `listen`."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)


class _Guard:
    """Refuses foreign hosts, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            # Traces may be private; a copy in the browser's cache would outlive the look at them.
            "Cache-Control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            refusal = PlainTextResponse("asap view answers to localhost only\n", 400)
            await refusal(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)


def _send_answer(answer: Any | None) -> Response:
    if answer is None:
        return _refuse(404, "there is no such row, run or view")
    return _send_json(answer, 200)


def _send_picture(svg: bytes | None) -> Response:
    if svg is None:
        return _refuse(404, "there is no such plot")
    headers = {"Content-Security-Policy": _PICTURE_POLICY}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def _find_nothing(_: Request, __: Exception) -> Response:
    return _refuse(404, "there is nothing here")


def _refuse(status: int, message: str) -> Response:
    return _send_json({"error": message}, status)


def _send_json(value: Mapping[str, Any], status: int) -> Response:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, media_type="application/json")
