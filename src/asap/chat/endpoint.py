"""Where an LLM server is and what opens it: an address, and a key from the environment.

The key stays in here: it is in no repr, and `scrub` takes it out of what a server says.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from asap.errors import RecipeError, UserError

KEY_NAMES = ("ASAP_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key, the first that is set counts."""

_OPENAI_URL = "https://api.openai.com/v1"
_NO_KEY = "no-key"
_LONGEST_WORDS = 300


class Endpoint:
    """A server's address and its key.

    Args:
        url: the address up to `/v1`.
        host: host and port, the part of the address that is safe to show.
        key: the key, or None for a server that needs none.
        key_name: how messages call the key.
    """

    def __init__(self, url: str, host: str, key: str | None, key_name: str) -> None:
        self.url = url
        self.host = host
        self.key_name = key_name
        self._key = key

    def __repr__(self) -> str:
        return f"Endpoint(host={self.host!r})"

    def reveal_key(self) -> str:
        """The key for the transport, or a placeholder that servers without keys ignore."""
        return self._key or _NO_KEY

    def scrub(self, words: str) -> str:
        """A server's words on one line of readable length, without the key, masked ones too."""
        if self._key:
            words = words.replace(self._key, "***")
        words = re.sub(r"\bsk-\S+", "***", " ".join(words.split()))
        return words if len(words) <= _LONGEST_WORDS else words[:_LONGEST_WORDS] + "..."


def find_endpoint(base_url: str | None) -> Endpoint:
    """The server at `base_url`, else `OPENAI_BASE_URL`, else OpenAI's, and the key for it.

    Raises:
        RecipeError: the address is none.
        UserError: the key holds characters that no request can carry.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI_URL
    for key_name in KEY_NAMES:
        # Keys read from files often end in a line break, which no HTTP header may hold; the
        # transport's complaint about that would quote the whole header.
        key = os.environ.get(key_name, "").strip()
        if not key:
            continue
        if not (key.isascii() and key.isprintable()):
            raise UserError(
                f"{key_name} holds characters that are no part of a key: set it to the key alone"
            )
        return Endpoint(url, _find_host(url), key, key_name)
    return Endpoint(url, _find_host(url), None, f"a request without a key (set {KEY_NAMES[0]})")


def _find_host(url: str) -> str:
    """Host and port of an address; a user name and password in it are left out."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        pass
    raise RecipeError(
        "the LLM server's address must look like http://localhost:8000/v1 or https://api.example.com/v1"
    )
