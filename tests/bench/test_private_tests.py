"""Reading tests that somebody else has packed: nothing runs, nothing unpacks without bounds."""

from __future__ import annotations

import base64
import json
import os
import pickle
import tracemalloc
import zlib

import pytest

from asap.bench import read_tests

TESTS = [
    {"input": "1 2\n", "output": "3\n", "testtype": "stdin"},
    {"input": "ünï 🐍", "output": "", "testtype": "stdin"},
]


def pack(value, protocol=4):
    return pack_bytes(pickle.dumps(value, protocol))


def pack_bytes(pickled):
    return base64.b64encode(zlib.compress(pickled)).decode()


class RunsACommand:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class IsText(str):
    """A subclass: its pickle names the class."""


def test_plain_json_is_read():
    assert [test.model_dump() for test in read_tests(json.dumps(TESTS))] == TESTS
    assert read_tests("[]") == []


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("n_repeats", [1, 100, 2000])
def test_the_packed_form_is_read_in_every_protocol(protocol, n_repeats):
    """Short, middling and framed texts are written with different opcodes."""
    tests = TESTS * n_repeats
    packed = pack(json.dumps(tests, ensure_ascii=False), protocol)
    assert [test.model_dump() for test in read_tests(packed)] == tests


def test_a_pickle_that_runs_a_command_runs_nothing(tmp_path):
    trace = tmp_path / "ran"
    packed = pack(RunsACommand(trace))
    with pytest.raises(ValueError, match="only a text"):
        read_tests(packed)
    assert not trace.exists()
    pickle.loads(zlib.decompress(base64.b64decode(packed)))
    assert trace.exists()  # so it was a real one


HOSTILE = {
    "a global": b"cos\nsystem\n.",
    "a stack global": pickle.dumps(os.system, 4),
    "inst": b"(S'touch ran'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch ran'\no.",
    "reduce behind a text": b"\x80\x04\x8c\x01x0cos\nsystem\n\x8c\x02id\x85R.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"P1\n.",
    "a list": pickle.dumps([json.dumps(TESTS)]),
    "a dict": pickle.dumps({"tests": json.dumps(TESTS)}),
    "bytes": pickle.dumps(json.dumps(TESTS).encode()),
    "an old string": b"S'[]'\n.",
    "a number": pickle.dumps(7),
    "none": pickle.dumps(None),
    "a subclass of text": pickle.dumps(IsText("[]")),
    "two texts": b"\x80\x04\x8c\x02[]\x8c\x02[].",
    "no text": b"\x80\x04.",
    "a pickle cut off": pickle.dumps(json.dumps(TESTS))[:-10],
    "a text longer than the file": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f[].",
    "no pickle": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("pickled", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_pickle_that_is_not_one_text_is_refused(pickled):
    with pytest.raises(ValueError, match=r"\w"):
        read_tests(pack_bytes(pickled))


def test_a_memo_of_a_billion_entries_is_not_made():
    """Unpickling `LONG_BINPUT` of a large index allocates a memo of that size."""
    pickled = b"\x80\x04\x8c\x02[]r\xff\xff\xff\x7f."
    tracemalloc.start()
    assert read_tests(pack_bytes(pickled)) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_a_decompression_bomb_is_refused_without_being_unpacked():
    bomb = pack_bytes(b"\0" * (50 * 2**20))
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="bomb"):
        read_tests(bomb, max_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 2**20


def test_the_limit_is_on_the_unpacked_size_to_the_byte():
    pickled = pickle.dumps("[]")
    assert read_tests(pack_bytes(pickled), max_bytes=len(pickled)) == []
    with pytest.raises(ValueError, match="bomb"):
        read_tests(pack_bytes(pickled), max_bytes=len(pickled) - 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        base64.b64encode(b"not zlib").decode(),
        pack("[]")[:-8],
        base64.b64encode(zlib.compress(pickle.dumps("[]")) + b"more").decode(),
        pack("no json"),
        pack('{"input": "", "output": "", "testtype": "stdin"}'),
        pack('[{"input": "", "output": ""}]'),
        pack('[{"input": "", "output": "", "testtype": "shell"}]'),
        pack('[{"input": "", "output": "", "testtype": "stdin", "more": 1}]'),
        pack('[{"input": 1, "output": "", "testtype": "stdin"}]'),
        pack("[" * 100_000),
        "[" * 100_000,
        '["\\ud800"]',
    ],
)
def test_what_holds_no_tests_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        read_tests(text)
