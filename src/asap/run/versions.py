"""What a report says of when and with what it was made, and how many cores there are for it."""

from __future__ import annotations

import os
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


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
