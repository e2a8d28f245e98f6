"""Plain data as JSON, for the pipe between a solution and its checker. No pickle, no marshal.

What JSON lacks is written as an object with one key, its tag: `{"tuple": [1, 2]}`. Only values of
exact builtin types (and nodes of classes that the tests' own source defines) are ever rebuilt, so
nothing of a solution's making, such as an `__eq__` that always holds, reaches the other side.
"""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any

MAX_DEPTH = 200
"""Levels of nesting of one value; each costs a few frames of Python's default 1,000."""

_SMALL = 1 << 63
"""Larger numbers are written in hexadecimal: decimal digits cost quadratic time and are capped."""
_FLAT = {bool, float, str, NoneType}
_NUMBERS = {bool, float, int}
_NUMPY_NAME = re.compile(r"bool_?|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")
# What `json.dumps` and `json.loads` would make anew for every value.
_write_json = json.JSONEncoder(check_circular=False).encode
_read_json = json.JSONDecoder().decode
_LINKS = {"ListNode": ("next",), "TreeNode": ("left", "right")}


class NotPlain(Exception):
    """A value that cannot cross: the message says of which type."""


class BadFrame(Exception):
    """Bytes that no honest peer sends."""


class Codec:
    """Writes and reads values.

    Args:
        namespace: where the classes `ListNode` and `TreeNode` are looked up when read.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def dumps(self, value: object) -> bytes:
        """The value as JSON.

        Raises:
            NotPlain: it is of another type, or nested deeper than `MAX_DEPTH`.
        """
        return _write_json(self._encode(value, 0)).encode("ascii")

    def loads(self, data: bytes) -> Any:
        """The value that `dumps` wrote.

        Raises:
            BadFrame: `dumps` would not write this.
        """
        try:
            return self._decode(_read_json(data.decode("ascii")), 0)
        except MemoryError:
            raise
        except Exception as error:  # whatever hostile bytes can provoke
            raise BadFrame(f"no plain value: {type(error).__name__}: {error}") from None

    def _encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _FLAT:
            return value
        if kind is int:
            return value if -_SMALL < value < _SMALL else {"int": hex(value)}
        if depth == MAX_DEPTH:
            raise NotPlain(f"a value nested deeper than {MAX_DEPTH} levels")
        if kind in _ENCODERS:
            return _ENCODERS[kind](self, value, depth + 1)
        if kind.__name__ in _LINKS:
            return {kind.__name__: self._encode_nodes(value, _LINKS[kind.__name__], depth + 1)}
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic):
            return {"numpy": [value.dtype.name, self._encode(value.item(), depth + 1)]}
        for base in _BASES:
            if isinstance(value, base):  # a subclass crosses as its base type
                return self._encode(base(value), depth)
        raise NotPlain(f"a value of type {kind.__name__}, which is no plain data")

    def _encode_items(self, values: Iterable[Any], depth: int) -> list[Any]:
        return [value if type(value) in _FLAT else self._encode(value, depth) for value in values]

    def _encode_list(self, values: list[Any], depth: int) -> list[Any]:
        kinds = set(map(type, values))
        if kinds <= _FLAT:
            return values
        if kinds <= _NUMBERS and min(values) > -_SMALL and max(values) < _SMALL:
            return values
        return self._encode_items(values, depth)

    def _encode_dict(self, mapping: dict[Any, Any], depth: int) -> dict[str, Any]:
        return {"dict": [self._encode_items(pair, depth) for pair in mapping.items()]}

    def _encode_nodes(self, root: Any, links: tuple[str, ...], depth: int) -> list[Any]:
        # Row by row with the row numbers of the neighbours: a long list is not a deep one.
        nodes, numbers = [root], {id(root): 0}
        rows = []
        for node in nodes:
            row = [self._encode(node.val, depth)]
            for link in links:
                neighbour = getattr(node, link)
                if neighbour is not None and id(neighbour) not in numbers:
                    numbers[id(neighbour)] = len(nodes)
                    nodes.append(neighbour)
                row.append(None if neighbour is None else numbers[id(neighbour)])
            rows.append(row)
        return rows

    def _decode(self, value: Any, depth: int) -> Any:
        if type(value) is list:
            if depth == MAX_DEPTH:
                raise ValueError("nested too deep")
            return [
                item if type(item) not in (list, dict) else self._decode(item, depth + 1)
                for item in value
            ]
        if type(value) is not dict:
            return value
        [(tag, body)] = value.items()
        if tag in _LINKS:
            return self._decode_nodes(tag, body, depth)
        return _DECODERS[tag](self._decode(body, depth + 1))

    def _decode_nodes(self, name: str, rows: list[list[Any]], depth: int) -> Any:
        kind = self._namespace[name]
        nodes = [kind.__new__(kind) for _ in rows]
        for node, row in zip(nodes, rows, strict=True):
            node.val = self._decode(row[0], depth + 1)
            for link, number in zip(_LINKS[name], row[1:], strict=True):
                setattr(node, link, None if number is None else nodes[number])
        return nodes[0]


_Encoder = Callable[[Codec, Any, int], Any]


def _tagged(tag: str) -> _Encoder:
    return lambda codec, values, depth: {tag: codec._encode_items(values, depth)}


_ENCODERS: dict[type, _Encoder] = {
    list: Codec._encode_list,
    dict: Codec._encode_dict,
    tuple: _tagged("tuple"),
    set: _tagged("set"),
    frozenset: _tagged("frozenset"),
    deque: _tagged("deque"),
    bytes: lambda codec, value, depth: {"bytes": value.hex()},
    bytearray: lambda codec, value, depth: {"bytearray": value.hex()},
    complex: lambda codec, value, depth: {"complex": [value.real, value.imag]},
    range: lambda codec, value, depth: {
        "range": codec._encode_items((value.start, value.stop, value.step), depth)
    },
}
_BASES = (int, float, str, *(kind for kind in _ENCODERS if kind is not range))


def _read_numpy(body: list[Any]) -> Any:
    name, value = body
    if not _NUMPY_NAME.fullmatch(name):
        raise ValueError(name)
    return sys.modules["numpy"].dtype(name).type(value)


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda body: int(body, 16),
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "dict": dict,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda body: complex(*body),
    "range": lambda body: range(*body),
    "numpy": _read_numpy,
}
