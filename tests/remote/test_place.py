"""What a user writes becomes a path: no server is needed for these."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from asap.errors import MissingExtraError, RunFolderError, StoreError
from asap.place import find_place, is_remote, refuse_remote
from asap.run import RunResult, read_report


def test_paths_on_this_machine_load_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from asap.place import find_place\n"
        f"print(find_place('a/b.jsonl'), find_place({(tmp_path / 'a b').as_uri()!r}))\n"
        "print({'upath', 'fsspec', 's3fs'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"{Path('a/b.jsonl')} {tmp_path / 'a b'}\nset()\n"


def test_a_path_stays_what_it_is(tmp_path: Path) -> None:
    assert find_place(tmp_path) is tmp_path
    assert not is_remote(tmp_path)
    with pytest.raises(StoreError, match="three slashes"):
        find_place("file://folder/file")


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAKEY:hush@bucket/run",
        "s3://AKIAKEY:hu/sh@bucket/run",
        "https://user:hush@host/in.jsonl",
        "https://hush@host/in.jsonl",
        "sftp://user:hush@host:22/run",
    ],
)
def test_keys_in_an_address_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(StoreError, match="credentials come from the environment") as caught:
        find_place(text)
    assert not any(word in str(caught.value) for word in ("hush", "hu/sh", "AKIAKEY"))


@pytest.mark.parametrize("text", ["memory://a:b/c@d", "memory://a/b:c@d", "memory://a:1234/x@y"])
def test_other_addresses_may_hold_the_signs(text: str) -> None:
    if text == "memory://a:b/c@d":  # a key of an S3 address may look like that
        with pytest.raises(StoreError):
            find_place(text)
    else:
        assert is_remote(find_place(text))


def test_a_missing_extra_or_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"nosuch://a/b cannot be opened: .*nosuch"):
        find_place("nosuch://a/b")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(StoreError, match=r"gs://a/b cannot be opened: .*gcsfs"):
        find_place("gs://a/b")
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'asap-cot\[remote\]'"):
        find_place("s3://a/b")


def test_what_only_reads_folders_here_says_what_to_do(tmp_path: Path) -> None:
    refuse_remote(tmp_path)
    (tmp_path / "s3:").mkdir()
    refuse_remote(tmp_path / "s3:")
    for path in (Path("s3://bucket/run"), find_place("memory://run")):
        with pytest.raises(RunFolderError, match="copy the folder here first"):
            refuse_remote(path)


@pytest.fixture
def shelf() -> Iterator[type[Any]]:
    """A store that is no object store: a file is seen while it is written, and it has folders."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Shelf(MemoryFileSystem):
        protocol = "shelf"
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]
        moved: ClassVar[list[str]] = []

        @classmethod
        def _strip_protocol(cls, path: Any) -> Any:
            return super()._strip_protocol(path.replace("shelf://", "memory://"))

        def mv(self, path1: str, path2: str, **more: Any) -> None:
            self.moved.append(path2)
            super().mv(path1, path2, **more)

    fsspec.register_implementation("shelf", Shelf, clobber=True)
    yield Shelf
    Shelf.clear_instance_cache()


def test_any_store_takes_a_run(
    prune: Callable[..., RunResult], source: Path, tmp_path: Path, shelf: type[Any]
) -> None:
    prune(source, tmp_path / "run")
    with warnings.catch_warnings():
        # Of upath: that it has no class of its own for this kind of store.
        warnings.filterwarnings("ignore", "UPath 'shelf' filesystem", UserWarning)
        for url in ("memory://run", "shelf://shelf/run"):
            prune(source, url)
            assert prune(source, url).is_resumed
            assert read_report(url)["status"] == "finished"
            folder = find_place(url)
            there = {p.name for p in folder.iterdir()}
            assert there == {p.name for p in (tmp_path / "run").iterdir()}
            for name in ("data", "traces"):
                found = {p.name: p.read_bytes() for p in (folder / name).iterdir()}
                assert found == {
                    p.name: p.read_bytes() for p in (tmp_path / "run" / name).iterdir()
                }
    assert any(name.endswith("traces/000003.parquet") for name in shelf.moved)
