"""The page's files, and its one HTML document with the head that it needs here: import map, styles,
and a content security policy by the digests of what stands inline.

Served, the modules are files of their own; in a single file all of it stands in the document.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "page"
"""The folder of the page's files."""
STATIC = "/static/"
"""Where the server has them."""

_HEAD = "<!--asap:head-->"
_START = '<script type="module">import "asap/main";</script>'
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
_POLICY = {
    "default-src": "'none'",
    "style-src-attr": "'unsafe-inline'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


def write_served_page(folder: Path = PAGE) -> tuple[str, str]:
    """The document that the server sends, and its content security policy."""
    modules = {_name_module(path): STATIC + path.name for path in sorted(folder.glob("*.js"))}
    links = [
        f'<link rel="stylesheet" href="{STATIC}{path.name}">'
        for path in sorted(folder.glob("*.css"))
    ]
    html = _fill(folder, [*links, _write_import_map(modules), _START])
    policy = {
        **_POLICY,
        "script-src": f"'self' {_list_digests(html)}",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
    }
    return html, _write_policy(policy)


def write_single_page(answers: Mapping[str, Any], folder: Path = PAGE) -> str:
    """A document that has everything in it, and asks for nothing.

    Args:
        answers: by path, as the page asks for them.
        folder: the page's files.
    """
    modules = {
        _name_module(path): write_data_url(path.read_bytes(), "text/javascript;charset=utf-8")
        for path in sorted(folder.glob("*.js"))
    }
    styles = [f"<style>{path.read_text('utf-8')}</style>" for path in sorted(folder.glob("*.css"))]
    data = _write_json(answers)
    carrier = f'<script type="application/json" id="asap-data">{data}</script>'
    scripts = [_write_import_map(modules), _START]
    # Modules of data: URLs have no digest that a policy could name; nothing else loads such URLs.
    policy = {
        **_POLICY,
        "script-src": f"data: {_list_digests(''.join(scripts))}",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
    }
    meta = f'<meta http-equiv="Content-Security-Policy" content="{_write_policy(policy)}">'
    return _fill(folder, [meta, *styles, carrier, *scripts])


def write_data_url(content: bytes, media_type: str) -> str:
    """The content as a URL of its own."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _fill(folder: Path, parts: list[str]) -> str:
    html = (folder / "index.html").read_text("utf-8")
    return html.replace(_HEAD, "\n    ".join(parts))


def _name_module(path: Path) -> str:
    """`katex.min.js` is `asap/katex`."""
    return f"asap/{path.name.partition('.')[0]}"


def _write_import_map(modules: Mapping[str, str]) -> str:
    return f'<script type="importmap">{_write_json({"imports": modules})}</script>'


def _write_json(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _list_digests(html: str) -> str:
    digests = []
    for attributes, content in _SCRIPT.findall(html):
        if "src=" not in attributes and "application/json" not in attributes:
            digest = hashlib.sha256(content.encode()).digest()
            digests.append(f"'sha256-{base64.b64encode(digest).decode()}'")
    return " ".join(digests)


def _write_policy(policy: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())
