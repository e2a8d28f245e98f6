"""A malformed row among good ones is a row with reason and place: never an error, never gone."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asap.corpus import ROW_REASONS, Columns, open_corpus
from asap.corpus.stream import MAX_RECORD_BYTES
from asap.trace import REASONS, Excluded, Trace

GOOD = b'{"prompt": "q", "generation": "<think>t</think>a"}'

BAD = {
    "cut off": (b'{"prompt": "q", "gener', "malformed_json"),
    "no json": (b"hello", "malformed_json"),
    "raw nul": (b'{"generation": "a\0b"}', "malformed_json"),
    "only nuls": (b"\0\0\0\0", "malformed_json"),
    "deep": (b"[" * 200_000, "malformed_json"),
    "huge number": (b'{"generation": ' + b"9" * 5000 + b"}", "malformed_json"),
    "array": (b"[1]", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "latin-1": ('{"generation": "é"}'.encode("latin-1"), "not_utf8"),
    "surrogate": (rb'{"generation": "<think>t\ud800</think>a"}', "lone_surrogate"),
    "surrogate elsewhere": (rb'{"generation": "<think>t</think>a", "\uDFFF": 1}', "lone_surrogate"),
    "missing": (b'{"prompt": "q"}', "missing_column"),
    "null column": (b'{"generation": null}', "null_value"),
    "number": (b'{"generation": 5}', "wrong_type"),
    "object": (b'{"generation": {"text": "x"}}', "wrong_type"),
    "empty list": (b'{"generation": []}', "null_value"),
    "question": (b'{"prompt": 5, "generation": "<think>t</think>a"}', "wrong_type"),
    "turns of others": (
        b'{"generation": [{"role": "user", "content": "x"}]}',
        "no_assistant_turn",
    ),
    "no closing tag": (b'{"generation": "<think>t"}', "no_closing_tag"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_is_a_row_with_a_reason(tmp_path, name, place):
    line, reason = BAD[name]
    lines = [GOOD, GOOD]
    lines.insert(place, line)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    rows = list(open_corpus([str(tmp_path / "a.jsonl")]).rows())
    assert [row.row for row in rows] == [0, 1, 2]
    bad = rows.pop(place)
    assert all(isinstance(row.outcome, Trace) for row in rows)
    assert bad.outcome.reason == reason
    assert bad.outcome.detail.startswith(f"a.jsonl, line {place + 1}")
    assert reason in {**ROW_REASONS, **REASONS}
    assert bad.id == str(place)


def test_line_numbers_count_blank_lines_and_rows_do_not(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD + b"\r\n\r\n\r\nbad\r\n" + GOOD + b"\r\n\r\n")
    rows = list(open_corpus([str(tmp_path / "a.jsonl")]).rows())
    assert [row.row for row in rows] == [0, 1, 2]
    assert rows[1].outcome.detail.startswith("a.jsonl, line 4: ")


def test_a_surrogate_pair_is_a_character(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(rb'{"generation": "<think>\ud83d\ude00</think>a"}')
    (row,) = open_corpus([str(tmp_path / "a.jsonl")]).rows()
    assert row.outcome.thinking == "\U0001f600"


def test_an_escaped_nul_is_text(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(rb'{"generation": "<think>a\u0000b</think>a"}')
    (row,) = open_corpus([str(tmp_path / "a.jsonl")]).rows()
    assert row.outcome.thinking == "a\0b"


def test_an_endless_line_is_one_bad_row(tmp_path):
    with open(tmp_path / "a.jsonl", "wb") as file:
        file.write(GOOD + b"\n")
        file.write(b'{"generation": "' + b"x" * (MAX_RECORD_BYTES + 10) + b'"}\n')
        file.write(GOOD + b"\n")
    rows = list(open_corpus([str(tmp_path / "a.jsonl")]).rows())
    assert [getattr(row.outcome, "reason", "ok") for row in rows] == ["ok", "line_too_long", "ok"]
    assert rows[1].outcome.detail == "a.jsonl, line 2"


def test_a_row_without_a_question_is_a_row(tmp_path):
    lines = [
        GOOD,
        b'{"generation": "<think>t</think>a"}',
        b'{"prompt": null, "generation": "<think>t</think>a"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    rows = open_corpus([str(tmp_path / "a.jsonl")]).rows()
    assert [row.outcome.question for row in rows] == ["q", "", ""]


def test_a_template_with_a_hole_is_no_question(tmp_path):
    rows = [{"c": "x", "generation": "<think>t</think>a"}, {"generation": "<think>t</think>a"}]
    rows.append({"c": None, "generation": "<think>t</think>a"})
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = open_corpus([str(tmp_path / "a.jsonl")], Columns(question_template="{c}!"))
    found = [getattr(row.outcome, "reason", "ok") for row in corpus.rows()]
    assert found == ["ok", "missing_column", "null_value"]


def test_an_answer_of_another_type(tmp_path):
    rows = [{"reasoning": "t", "answer": "a"}, {"reasoning": "t", "answer": {"a": 1}}]
    rows += [{"reasoning": "t"}, {"answer": "a"}, {"reasoning": 3, "answer": "a"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = [
        getattr(r.outcome, "reason", "ok") for r in open_corpus([str(tmp_path / "a.jsonl")]).rows()
    ]
    assert found == ["ok", "wrong_type", "no_answer", "missing_column", "wrong_type"]


def test_a_list_without_a_usable_text_has_the_first_one_s_reason(tmp_path):
    rows = [{"generations": ["<think>t</think>a"]}, {"generations": ["<think>t", "none"]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, row = open_corpus([str(tmp_path / "a.jsonl")]).rows()
    assert row.outcome == Excluded("no_closing_tag", "a.jsonl, line 2")


def test_bad_elements_of_a_document(tmp_path):
    good = GOOD.decode()
    (tmp_path / "a.json").write_text(f'[{good}, 5, {{"generation": "\\ud800"}}, {good}]')
    rows = list(open_corpus([str(tmp_path / "a.json")]).rows())
    found = [getattr(row.outcome, "reason", "ok") for row in rows]
    assert found == ["ok", "not_an_object", "lone_surrogate", "ok"]
    assert rows[1].outcome.detail == "a.json, item 2: it is int"


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_text_that_is_not_utf8_in_a_table_costs_its_own_row(tmp_path, suffix):
    texts = [b"<think>t</think>a", b"<think>\xff</think>a", b"<think>t</think>a"]
    # Arrow checks nothing here: this is how files of careless writers come about.
    column = pa.array(texts, pa.binary()).view(pa.string())
    table = pa.table({"generation": column})
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    rows = list(open_corpus([str(path)]).rows())
    assert [getattr(row.outcome, "reason", "ok") for row in rows] == ["ok", "not_utf8", "ok"]
    assert rows[1].outcome.detail == f"a.{suffix}, record 2"


def test_a_second_file_of_another_layout_is_counted_row_by_row(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "other"}\n' * 2)
    rows = list(open_corpus([str(tmp_path)]).rows())
    assert [getattr(row.outcome, "reason", "ok") for row in rows] == ["ok"] + ["missing_column"] * 2


@given(
    junk=st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["generation", "prompt", "id", "role", "content", "x"]),
                        inner,
                        max_size=4,
                    )
                ),
            ).map(lambda value: json.dumps(value).encode()),
        ),
        max_size=6,
    )
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_stands_between_good_lines_nothing_is_lost(tmp_path, junk):
    lines = [line.replace(b"\n", b"") for line in junk]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([GOOD, *lines, GOOD]))
    corpus = open_corpus([str(tmp_path / "a.jsonl")])
    rows = list(corpus.rows())
    n_lines = 2 + sum(1 for line in lines if line.strip())
    assert [row.row for row in rows] == list(range(n_lines)) == list(range(corpus.n_rows_hint))
    assert isinstance(rows[0].outcome, Trace)
    assert isinstance(rows[-1].outcome, Trace)
    known = {**ROW_REASONS, **REASONS}
    for row in rows:
        if isinstance(row.outcome, Excluded):
            assert row.outcome.reason in known
            assert "a.jsonl, line" in row.outcome.detail
        else:
            row.outcome.thinking.encode("utf-8")


def test_a_question_that_rests_on_an_earlier_answer_is_refused_by_name(tmp_path):
    turns = [
        {"role": "user", "content": "q1"},
        {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "q2"},
        {"role": "assistant", "content": "<think>t</think>a2"},
    ]
    single = {"messages": [turns[2], turns[3]]}
    path = tmp_path / "a.jsonl"
    rows = [single, single, {"messages": turns}]
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    first, _, last = open_corpus([str(path)]).rows()
    assert first.outcome.question == "q2"
    assert last.outcome.reason == "several_turns"
    assert "--question-column" in last.outcome.detail
