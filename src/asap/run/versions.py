"""What a report says of when and with what it was made."""

from __future__ import annotations

import platform
import time
from importlib import metadata


def find_versions(*more: str) -> dict[str, str]:
    """Versions of Python, asap, what its numbers hang on and what is named, as far as they are
    installed.
    """
    versions = {"python": platform.python_version()}
    for name in ("asap-cot", "torch", "transformers", "tokenizers", "pyarrow", *more):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def say_now() -> str:
    """The time in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
