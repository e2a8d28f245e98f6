"""What can be named as input, in which order it is read, and one clear line for what cannot be."""

import gzip
import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from asap.corpus import Columns, open_corpus
from asap.errors import InputError

LINE = b'{"id": "%d", "generation": "<think>t</think>a"}\n'


def write_lines(path, *numbers):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(LINE % number for number in numbers))


def ids(*inputs):
    return [row.id for row in open_corpus([str(i) for i in inputs]).rows()]


def refusal(*inputs):
    with pytest.raises(InputError) as caught:
        open_corpus([str(i) for i in inputs])
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_rows_are_numbered_in_path_order_whatever_the_order_of_the_arguments(tmp_path):
    write_lines(tmp_path / "b.jsonl", 3)
    write_lines(tmp_path / "a.jsonl", 1, 2)
    assert ids(tmp_path / "b.jsonl", tmp_path / "a.jsonl") == ["1", "2", "3"]


def test_a_file_named_twice_is_read_once(tmp_path):
    write_lines(tmp_path / "a.jsonl", 1)
    assert ids(tmp_path / "a.jsonl", tmp_path, str(tmp_path / "*.jsonl")) == ["1"]


def test_a_folder_is_its_data_files(tmp_path):
    write_lines(tmp_path / "b.jsonl", 2)
    write_lines(tmp_path / "a.jsonl", 1)
    write_lines(tmp_path / "sub" / "c.jsonl", 3)
    (tmp_path / "notes.txt").write_text("no data")
    (tmp_path / ".hidden.jsonl").write_text("no data")
    (tmp_path / "dataset_info.json").write_text("{}")
    corpus = open_corpus([str(tmp_path)])
    assert corpus.files == ("a.jsonl", "b.jsonl")
    assert [row.id for row in corpus.rows()] == ["1", "2"]


def test_a_folder_of_train_parquet_files_is_read_in_path_order(tmp_path):
    for i in (1, 0):
        rows = [{"id": f"{i}", "generation": "<think>t</think>a"}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"train-0000{i}-of-00002.parquet")
    assert ids(tmp_path) == ["0", "1"]


def test_files_of_several_splits_are_not_mixed(tmp_path):
    write_lines(tmp_path / "train-0.jsonl", 1)
    write_lines(tmp_path / "test-0.jsonl", 2)
    assert "several splits (test, train)" in refusal(tmp_path)
    assert ids(tmp_path / "train*") == ["1"]


def test_a_run_of_asap_is_read_from_its_data(tmp_path):
    write_lines(tmp_path / "excluded.jsonl", 9)
    (tmp_path / "report.json").write_text('{"kind": "prune"}')
    rows = [{"id": "1", "prompt": "q", "completion": "<think>\nt\n</think>\na", "row": 0}]
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "00000.parquet")
    (row,) = open_corpus([str(tmp_path)]).rows()
    assert (row.outcome.question, row.outcome.thinking, row.outcome.answer) == ("q", "t", "a")


def test_a_folder_with_data_in_two_places_is_refused(tmp_path):
    write_lines(tmp_path / "a.jsonl", 1)
    write_lines(tmp_path / "data" / "b.jsonl", 2)
    assert "name" in refusal(tmp_path)


def test_globs(tmp_path):
    write_lines(tmp_path / "x" / "a.jsonl", 1)
    write_lines(tmp_path / "y" / "a.jsonl", 2)
    (tmp_path / "y" / "README.md").write_text("no data")
    corpus = open_corpus([str(tmp_path / "**" / "*")])
    assert corpus.files == ("x/a.jsonl", "y/a.jsonl")
    assert ids(tmp_path / "?" / "a.jsonl") == ["1", "2"]
    assert ids(tmp_path / "[y]") == ["2"]
    assert "no data file matches" in refusal(tmp_path / "*.parquet")


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    write_lines(tmp_path / "a[1].jsonl", 1)
    assert ids(tmp_path / "a[1].jsonl") == ["1"]


def test_a_saved_data_set_is_read_from_the_files_that_its_state_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [{"id": str(i), "prompt": "q", "generation": "<think>t</think>a"} for i in range(5)]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "d"), num_shards=2)
    (tmp_path / "d" / "cache-1.arrow").write_bytes(b"what datasets leaves behind")
    assert ids(tmp_path / "d") == ["0", "1", "2", "3", "4"]
    state = json.loads((tmp_path / "d" / "state.json").read_text())
    (tmp_path / "d" / state["_data_files"][1]["filename"]).unlink()
    assert "copy the data set whole" in refusal(tmp_path / "d")


def test_a_saved_data_set_with_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    split = datasets.Dataset.from_list([{"generation": "<think>t</think>a"}])
    datasets.DatasetDict({"train": split}).save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": split, "test": split}).save_to_disk(str(tmp_path / "two"))
    assert ids(tmp_path / "one") == ["0"]
    assert "(test, train)" in refusal(tmp_path / "two")
    assert ids(tmp_path / "two" / "train") == ["0"]


def test_a_saved_data_set_is_read_without_datasets(tmp_path, monkeypatch):
    (tmp_path / "state.json").write_text('{"_data_files": [{"filename": "x.arrow"}]}')
    table = pa.Table.from_pylist([{"id": "7", "generation": "<think>t</think>a"}])
    with (
        pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert ids(tmp_path) == ["7"]
    (tmp_path / "state.json").write_text("{}")
    assert "state.json" in refusal(tmp_path)


def test_no_input():
    assert "no input given" in refusal()


def test_a_missing_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.jsonl")
    assert "does not exist" in refusal("folder/none.jsonl")


def test_an_empty_file(tmp_path):
    (tmp_path / "a.jsonl").touch()
    assert refusal(tmp_path / "a.jsonl") == f"{tmp_path / 'a.jsonl'} is empty"


def test_an_empty_shard_among_others_has_no_rows(tmp_path):
    (tmp_path / "a.jsonl").touch()
    write_lines(tmp_path / "b.jsonl", 1)
    assert ids(tmp_path) == ["1"]
    (tmp_path / "b.jsonl").write_bytes(b"")
    assert "there are no rows" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"\n\n \n", b"\xef\xbb\xbf", b"[]"])
def test_a_file_without_rows(tmp_path, content):
    name = "a.json" if content == b"[]" else "a.jsonl"
    (tmp_path / name).write_bytes(content)
    assert "there are no rows" in refusal(tmp_path / name)


def test_a_parquet_file_without_rows(tmp_path):
    pq.write_table(pa.table({"generation": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert "there are no rows" in refusal(tmp_path / "a.parquet")


def test_a_folder_without_data(tmp_path):
    (tmp_path / "README.md").write_text("no data")
    assert "holds no data file" in refusal(tmp_path)


def test_an_unknown_suffix(tmp_path):
    (tmp_path / "a.csv").write_text("id,generation")
    assert "known are .jsonl" in refusal(tmp_path / "a.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    assert "neither a file nor a folder" in refusal(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\x03\x04\x14\0", b"\xfe\xed\xfa\xce"]
)
def test_a_binary_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content * 50)
    assert "is a binary file" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl"])
def test_a_binary_file_inside_gzip(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"\0\1\2\3" * 100))
    assert "is a binary file" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_table_file_that_is_none(tmp_path, name):
    (tmp_path / name).write_bytes(LINE * 3)
    assert "cannot be read" in refusal(tmp_path / name)


def test_a_utf16_file(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"generation": "<think>t</think>a"}', "utf-16")
    assert "UTF-16" in refusal(tmp_path / "a.jsonl")


def test_a_document_called_json_lines(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps([{"generation": "x"}], indent=1))
    assert "called .json" in refusal(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('[{"a": 1}, {"a": 2}', "expected one of , ], found the end"),
        ('[{"a": 1} {"a": 2}]', "expected one of , ]"),
        ('[{"a": 1}, {"a": }]', "near character 12"),
        ('[{"a": 1}] rest', "something follows"),
        ('{"a": 1}', "no list of rows"),
        ("{}", "no list of rows"),
        ('{"train": [{"a": 1}], "test": [{"a": 1}]}', "two lists, 'train' and 'test'"),
        ('"text"', "neither an array"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_document(tmp_path, content, reason):
    (tmp_path / "a.json").write_text(content)
    message = refusal(tmp_path / "a.json")
    assert "is not valid JSON" in message
    assert reason in message


def test_a_document_that_is_not_utf8(tmp_path):
    (tmp_path / "a.json").write_bytes(b'[{"a": "\xff"}]')
    assert "is not UTF-8" in refusal(tmp_path / "a.json")


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_file_that_was_cut_off_is_never_read_as_if_it_were_whole(tmp_path, compress):
    lines = b"".join(LINE % (i * i) for i in range(20_000))
    path = tmp_path / ("a.jsonl.gz" if compress is gzip.compress else "a.jsonl.zst")
    path.write_bytes(compress(lines)[:-500])
    corpus = open_corpus([str(path)])
    with pytest.raises(InputError, match="is the file complete"):
        list(corpus.rows())


def test_a_fingerprint_belongs_to_the_content_and_not_to_the_place(tmp_path):
    write_lines(tmp_path / "x" / "a.jsonl", 1, 2)
    write_lines(tmp_path / "y" / "a.jsonl", 1, 2)
    write_lines(tmp_path / "z" / "a.jsonl", 1, 3)
    write_lines(tmp_path / "v" / "b.jsonl", 1, 2)
    x, y, z, v = (open_corpus([str(tmp_path / name)]).fingerprint for name in "xyzv")
    assert x == y
    assert len({x, z, v}) == 3


def test_a_fingerprint_knows_how_the_input_is_read(tmp_path):
    write_lines(tmp_path / "a.jsonl", 1, 2)
    path = str(tmp_path / "a.jsonl")
    prints = {
        open_corpus([path]).fingerprint,
        open_corpus([path], Columns(question="id")).fingerprint,
        open_corpus([path], require="code").fingerprint,
    }
    assert len(prints) == 3


CARD = "---\nlicense: {}\nlicense_name: ours\n---\n# A data set\n"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [("cc-by-4.0", "cc-by-4.0"), ("[mit, apache-2.0]", "mit, apache-2.0"), ("other", "ours")],
)
def test_the_licence_is_the_card_s(tmp_path, licence, expected):
    write_lines(tmp_path / "data" / "a.jsonl", 1)
    (tmp_path / "README.md").write_text(CARD.format(licence))
    assert open_corpus([str(tmp_path)]).licence == expected


@pytest.mark.parametrize("card", [None, "# No head", "---\nlicense: [\n---\n", "---\na: b\n---\n"])
def test_without_a_card_there_is_no_licence(tmp_path, card):
    write_lines(tmp_path / "d" / "data" / "a.jsonl", 1)
    if card:
        (tmp_path / "d" / "data" / "README.md").write_text(card)
    assert open_corpus([str(tmp_path / "d" / "data")]).licence is None


def test_licences_of_several_inputs_are_all_named_or_none(tmp_path):
    for name, licence in (("x", "mit"), ("y", "apache-2.0")):
        write_lines(tmp_path / name / "a.jsonl", 1)
        (tmp_path / name / "README.md").write_text(CARD.format(licence))
    write_lines(tmp_path / "z" / "a.jsonl", 1)
    assert open_corpus([str(tmp_path / name) for name in "xy"]).licence == "apache-2.0, mit"
    assert open_corpus([str(tmp_path / name) for name in "xyz"]).licence is None
