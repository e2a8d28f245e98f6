"""Reads LiveCodeBench's tests without trusting them.

Public tests are JSON. Private ones are JSON too, or base64 of zlib of a pickle of a text that is
JSON; upstream unpickles that, which runs whatever the file says. Here the size is bounded, the
pickle may hold one text and nothing else, and that is read off it without unpickling anything.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

MAX_TESTS_BYTES = 512 * 2**20
"""Of one problem's tests, unpacked; what is larger is taken for a decompression bomb."""

_TEXTS = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_FRAMING = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})


class Test(BaseModel):
    """One test; no other field may stand beside these."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: str
    output: str
    testtype: Literal["stdin", "functional"]


_TESTS: TypeAdapter[list[Test]] = TypeAdapter(list[Test])


def read_tests(text: str, max_bytes: int = MAX_TESTS_BYTES) -> list[Test]:
    """The tests in a column of LiveCodeBench, public or private.

    Args:
        text: the column.
        max_bytes: limit on what it may unpack to.

    Raises:
        ValueError: it is none of the known forms, too large, or holds something else than tests.
    """
    is_json = text.lstrip()[:1] == "["
    return _TESTS.validate_json(text if is_json else _unpack(text, max_bytes))


def _unpack(text: str, max_bytes: int) -> str:
    try:
        packed = base64.b64decode(text, validate=True)
        inflater = zlib.decompressobj()
        pickled = inflater.decompress(packed, max_bytes + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(
            f"the tests are neither JSON nor packed as upstream does: {error}"
        ) from None
    if len(pickled) > max_bytes:
        raise ValueError(f"the tests unpack to more than {max_bytes} bytes; a decompression bomb?")
    if not inflater.eof or inflater.unused_data:
        raise ValueError("the tests are cut off, or something stands behind them")
    return _read_pickled_text(pickled)


def _read_pickled_text(pickled: bytes) -> str:
    """The text in a pickle that holds one text and nothing else. Nothing is unpickled: the opcodes
    are read, and the text is the argument of one of them.
    """
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in _TEXTS:
            texts.append(str(argument))
        elif opcode.name not in _FRAMING:
            raise ValueError(f"the tests' pickle holds {opcode.name}; only a text may be there")
    if len(texts) != 1:
        raise ValueError(f"the tests' pickle holds {len(texts)} texts instead of one")
    return texts[0]
