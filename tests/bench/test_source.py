"""Where the data comes from: files of three kinds, folders, the Hub; and what is recorded of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asap.bench import open_benchmark
from asap.errors import InputError, MissingExtraError

COMMIT = "c" * 40


@pytest.fixture
def rows(humaneval_row):
    return [humaneval_row | {"task_id": f"HumanEval/{n}"} for n in range(3)]


@pytest.fixture
def files(tmp_path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "plain.jsonl").write_text(text + "\n", encoding="utf-8")
    with gzip.open(tmp_path / "packed.jsonl.gz", "wt") as stream:
        stream.write(text)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test-00000.parquet")
    return tmp_path


@pytest.mark.parametrize("name", ["plain.jsonl", "packed.jsonl.gz", "test-00000.parquet"])
def test_a_file_of_any_kind_holds_the_same_questions(files, name):
    dataset = open_benchmark("humaneval", files / name)
    assert list(dataset.questions) == ["HumanEval/0", "HumanEval/1", "HumanEval/2"]
    assert [problem.id for problem in dataset.problems({"HumanEval/1"})] == ["HumanEval/1"]


def test_what_was_read_is_recorded(files):
    (file,) = open_benchmark("humaneval", files / "plain.jsonl").files
    content = (files / "plain.jsonl").read_bytes()
    assert (file.name, file.sha256, file.revision) == (
        "plain.jsonl",
        hashlib.sha256(content).hexdigest(),
        None,
    )


def test_a_folder_holds_the_file_under_its_name(files):
    assert len(open_benchmark("humaneval", files).questions) == 3
    (files / "test-00001.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"must hold one file .*; it holds test-00000.parquet"):
        open_benchmark("humaneval", files)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mbpp", "there is no benchmark 'mbpp'; choose from humaneval, "),
        ("humaneval:v1", "humaneval has no parts"),
    ],
)
def test_a_wrong_name_says_what_there_is(files, name, message):
    with pytest.raises(InputError, match=message):
        open_benchmark(name, files / "plain.jsonl")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.jsonl does not exist"):
        open_benchmark("humaneval", tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no problems"),
        (b"\n\n", "has no problems"),
        (b"{}\n", "line 1 is no row of this benchmark: .*task_id"),
        (b"\n[1]\n", "line 2 is no JSON object"),
        (b"{\n", "line 1 is no JSON"),
        (b"\xff\xfe\n", "line 1 is no JSON"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "cannot be read"),
        (b"PAR1 and no more", "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, content, message):
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        _ = open_benchmark("humaneval", path).questions
    assert "\n" not in str(caught.value)


def test_a_bad_row_of_a_table_is_named_by_its_number(tmp_path, rows):
    path = tmp_path / "table.parquet"
    rows[1]["prompt"] = None
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(InputError, match=r"table.parquet, row 2 is no row .*prompt"):
        _ = open_benchmark("humaneval", path).questions


def test_an_id_that_comes_twice_is_refused(tmp_path, write_jsonl, humaneval_row):
    path = write_jsonl(tmp_path / "twice.jsonl", [humaneval_row, humaneval_row])
    with pytest.raises(InputError, match=r"line 2: the id HumanEval/900 has been there"):
        _ = open_benchmark("humaneval", path).questions


@pytest.fixture
def hub(files, monkeypatch):
    """The Hub's library, with the Hub itself replaced by a folder."""
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra hub is missing")
    asked = []

    class Api:
        def dataset_info(self, repository, revision):
            asked.append((repository, revision))
            if revision == "gone":
                raise OSError("404: there is no such revision\nask again")
            names = ["README.md", "openai_humaneval/test-00000.parquet"]
            return SimpleNamespace(
                sha=COMMIT, siblings=[SimpleNamespace(rfilename=name) for name in names]
            )

    def download(repository, name, repo_type, revision):
        asked.append((repository, name, repo_type, revision))
        return str(files / name.rpartition("/")[2])

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_the_hubs_newest_revision_is_pinned_to_its_commit(hub):
    dataset = open_benchmark("humaneval")
    assert len(dataset.questions) == 3
    name = "openai_humaneval/test-00000.parquet"
    assert hub == [
        ("openai/openai_humaneval", None),
        ("openai/openai_humaneval", name, "dataset", COMMIT),
    ]
    assert (dataset.files[0].name, dataset.files[0].revision) == (name, COMMIT)


def test_a_revision_is_passed_on(hub):
    open_benchmark("humaneval", revision="v1")
    assert hub[0] == ("openai/openai_humaneval", "v1")


def test_what_the_hub_refuses_is_one_clear_line(hub):
    with pytest.raises(InputError, match=r"no such revision ask again.*; name a local file"):
        open_benchmark("humaneval", revision="gone")


def test_a_file_that_the_hub_lacks_is_named(hub):
    with pytest.raises(InputError, match=r"code_generation_lite@cccccccc .* one file test.jsonl"):
        open_benchmark("livecodebench:v1")


def test_without_the_hubs_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"humaneval from the Hub needs the extra 'hub'"):
        open_benchmark("humaneval")
