"""What runs in a solution's process: its own code, and a server that answers the checker's calls.

Everything here shares the process with untrusted code, so nothing that it says is evidence of
anything but an answer to a call.
"""

from __future__ import annotations

import sys
from types import CodeType, ModuleType
from typing import Any

from asap.judge.codec import BadFrame, Codec, NotPlain
from asap.judge.frame import PeerLost, read_frame, write_frame

CALLS, ANSWERS = 3, 4
"""Descriptors: where calls come in, where answers go out."""

_Report = list[str]
"""What it is (`ready`, `raised`, `no_answer`), and a message."""


def prepare_module(name: str, preamble: str) -> dict[str, Any]:
    """The name space of a fresh module, registered by name, in which the preamble has run."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(preamble, "<preamble>", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def serve_calls(job: dict[str, Any], namespace: dict[str, Any]) -> None:
    """Run the solution, say whether it is ready, then answer calls until nobody calls any more."""
    codec = Codec(namespace)
    function, report = _load(job["solution"], job["entry_point"], namespace)
    write_frame(ANSWERS, codec.dumps(report))
    while True:  # also where there is nothing to call: whoever ends before its time is a fault
        try:
            arguments, *keywords = codec.loads(read_frame(CALLS))
        except PeerLost:
            return
        try:
            write_frame(ANSWERS, _answer(codec, function, arguments, *keywords))
        except BadFrame as error:
            write_frame(ANSWERS, codec.dumps(["not_plain", str(error)]))


def _load(source: str, entry_point: str, namespace: dict[str, Any]) -> tuple[Any, _Report]:
    """The callable and `ready`, or nothing and the reason."""
    try:
        exec(compile(source, "<solution>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        return None, ["raised", _describe(error)]
    code = compile(entry_point, "<entry point>", "eval", dont_inherit=True)
    try:
        function = eval(code, namespace)
    except BaseException as error:
        if isinstance(error, (NameError, AttributeError)) and _is_raised_in(error, code):
            return None, ["no_answer", f"the code defines no {entry_point}"]
        return None, ["raised", _describe(error)]
    if not callable(function):
        return None, ["no_answer", f"{entry_point} cannot be called"]
    return function, ["ready", ""]


def _is_raised_in(error: BaseException, code: CodeType) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is code


def _answer(codec: Codec, function: Any, arguments: Any, keywords: Any = None) -> bytes:
    try:
        return codec.dumps(["value", function(*arguments, **(keywords or {}))])
    except NotPlain as error:
        return codec.dumps(["not_plain", str(error)])
    except BaseException as error:
        return codec.dumps(["raised", _describe(error)])


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:1000]
    except BaseException:  # a solution's own exception may do anything here
        return type(error).__name__
