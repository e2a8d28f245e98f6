"""Fixtures that tests of several rooms use."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _load_fault_server() -> Any:
    # By path: with import-mode importlib the tests are no package that could be imported from.
    name = "asap_tests_fault_server"
    if name not in sys.modules:
        path = Path(__file__).parent / "chat" / "fault_server.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def fault_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An OpenAI-compatible server with faults on demand: see `tests/chat/fault_server.py`.

    The environment is cleared of keys, addresses and proxies of the person who runs the tests.
    """
    for name in ("ASAP_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_LOG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with _load_fault_server().FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real traces; what needs it is skipped where there is none."""
    folder = os.environ.get("ASAP_REAL_DATA")
    if not folder:
        pytest.skip("ASAP_REAL_DATA is not set")
    return Path(folder)
