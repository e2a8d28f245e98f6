"""Where a file or a run folder is: on this machine, or in a store that fsspec knows (s3://, gs://,
hf://, ...; extra `remote`). A leaf: what the user writes becomes a path here and nowhere else.

A path on this machine is a `pathlib.Path`, and nothing of fsspec is loaded for it; any other is a
`UPath`, which has the same methods. Credentials come from the driver's environment only.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from asap.errors import MissingExtraError, RunFolderError, StoreError

READ_AHEAD_BYTES = 4 * 2**20
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
# A colon before the first slash, but that of a port, and an @ somewhere behind it (keys may hold
# slashes).
_PASSWORD = re.compile(r"[^/:@]*:(?!\d+(?:/|\Z))[^@]*@")
# A URL as `pathlib.Path` leaves it.
_SQUASHED_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
# A put is seen whole or not at all there, and a rename would be a copy. They have no folders.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory"}
# What stores call the digest or the version of a content.
_ETAGS = ("blob_id", "md5Hash", "ETag", "etag")


def find_place(place: str | Path) -> Path:
    """The path that a user's text names; what is a path already stays what it is.

    What the store's driver remembers of its listings is forgotten: others may have written since.

    Args:
        place: a path on this machine, or a URL of a file or a folder (`s3://bucket/run`).

    Raises:
        MissingExtraError: the extra `remote` is not installed.
        StoreError: there is no such kind of store, its driver is missing, or a key stands in the
        URL.
    """
    url = _URL.fullmatch(place) if isinstance(place, str) else None
    if url:
        found = _open_url(url[1].lower(), url[2])
    else:
        found = Path(place) if isinstance(place, str) else place
    if is_remote(found):
        _driver(found).invalidate_cache()
    return found


def _open_url(kind: str, rest: str) -> Path:
    """A path for what stands before and behind `://`."""
    is_web = kind in ("http", "https")
    if _PASSWORD.match(rest) or (is_web and "@" in rest.partition("/")[0]):
        raise StoreError(
            f"the {kind}:// address holds a password or a key: leave it out, credentials come from "
            "the environment alone (docs/remote.md)"
        )
    text = f"{kind}://{rest.rstrip('/')}"
    if kind == "file":
        if rest[:1] != "/":
            raise StoreError(f"{text}: write a file's URL with three slashes, file:///folder/file")
        return Path(url2pathname(urlsplit(text).path))
    try:
        from upath import UPath
    except ImportError as error:
        raise MissingExtraError(f"reading or writing {kind}://", "remote") from error
    try:
        found = cast(Path, UPath(text))
        _driver(found)
        log = logging.getLogger("botocore")
        if log.isEnabledFor(logging.DEBUG):  # session tokens stand in it
            log.setLevel(logging.INFO)
    except (ImportError, ValueError) as error:
        raise StoreError(f"{text} cannot be opened: {_say(error)}") from error
    return found


def is_remote(path: Path) -> bool:
    """Whether a path is in a store and not on this machine's file system."""
    return not isinstance(path, Path)


def refuse_remote(path: Path) -> None:
    """Refuse a folder that was written as a URL where only this machine's folders are read.

    Raises:
        RunFolderError: it was.
    """
    text = str(path)
    if is_remote(path) or (_SQUASHED_URL.match(text) and not path.exists()):
        raise RunFolderError(
            f"{text} is not on this machine, and this works on folders here: copy the folder here "
            "first, or write here and copy it there (docs/remote.md)"
        )


@contextmanager
def guard_store(path: Path) -> Iterator[None]:
    """Whatever a store, the way to it or its driver refuses becomes one line.

    Drivers have error trees of their own (botocore, aiohttp, google, azure), so what is neither
    Python's nor ours is the store's. On this machine's file system nothing is changed.

    Raises:
        StoreError: in place of such an error.
    """
    try:
        yield
    except Exception as error:
        origin = type(error).__module__.partition(".")[0]
        is_ours = origin in {"builtins", "asap", "pyarrow"} and not isinstance(error, OSError)
        if is_ours or not is_remote(path):
            raise
        raise StoreError(
            f"cannot use {path}: {_say(error)} (for credentials and endpoints see docs/remote.md)"
        ) from error


def _say(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _driver(path: Path) -> Any:
    """The fsspec file system behind a remote path."""
    return cast(Any, path).fs


def _address(path: Path) -> str:
    """A remote path as its driver spells it."""
    return cast(str, cast(Any, path).path)


def find_kind(path: Path) -> Literal["file", "folder", "other"] | None:
    """What stands there, or None if nothing does.

    Raises:
        StoreError: the store does not say, or there is no such bucket.
    """
    if not is_remote(path):
        if path.is_dir():
            return "folder"
        return "file" if path.is_file() else "other" if path.exists() else None
    with guard_store(path):
        try:
            return "file" if _driver(path).info(_address(path))["type"] == "file" else "folder"
        except FileNotFoundError:
            return "folder" if list_folder(path) else None


def is_there(path: Path) -> bool:
    """Whether something stands there as of now: others may have written it since it was listed.

    Raises:
        StoreError: the store does not say.
    """
    if not is_remote(path):
        return path.exists()
    _driver(path).invalidate_cache()
    with guard_store(path):
        try:
            _driver(path).info(_address(path))
        except FileNotFoundError:
            return False
    return True


def list_folder(folder: Path) -> list[tuple[Path, bool]]:
    """What stands directly in a folder, ordered, each with whether it is a file; nothing where
    there is no such folder. One listing, and a fresh one.

    Raises:
        StoreError: the store does not say, or there is no such bucket.
    """
    if not is_remote(folder):
        if folder.is_dir():
            return [(path, path.is_file()) for path in sorted(folder.iterdir())]
        return [(folder, True)] if folder.exists() else []
    driver, address = _driver(folder), _address(folder)
    driver.invalidate_cache()
    with guard_store(folder):
        try:
            entries = driver.ls(address, detail=True)
        except FileNotFoundError as error:
            # With a cause it is the store's own answer, about the bucket and not about the folder.
            if error.__cause__ is not None:
                raise
            return []
    # The folder itself is among them where a console made an empty object to stand for it.
    own = address.strip("/")
    there = [e for e in entries if e["name"].strip("/") != own or e["size"]]
    return sorted((_path_of(folder, e["name"]), e["type"] == "file") for e in there)


def match_files(pattern: Path) -> list[tuple[Path, bool]]:
    """What matches a pattern in a store, ordered, each with whether it is a file.

    Raises:
        StoreError: the store does not say.
    """
    with guard_store(pattern):
        found = _driver(pattern).glob(_address(pattern), detail=True)
    return sorted((_path_of(pattern, name), e["type"] == "file") for name, e in found.items())


def _path_of(sibling: Path, address: str) -> Path:
    return sibling.with_segments(address.rstrip("/"))  # type: ignore[attr-defined,no-any-return]


def find_etag(path: Path) -> str | None:
    """What a store itself says of a file's content: its digest, or its version; None where it says
    nothing.
    """
    with guard_store(path):
        info = _driver(path).info(_address(path))
    return next((str(info[name]).strip('"') for name in _ETAGS if info.get(name)), None)


def open_binary(path: Path, read_ahead_bytes: int = READ_AHEAD_BYTES) -> BinaryIO:
    """A file opened for reading; from a store, as it is read, with so much read ahead."""
    if is_remote(path):
        return cast(BinaryIO, cast(Any, path).open("rb", block_size=read_ahead_bytes))
    return open(path, "rb")


def read_file(path: Path) -> bytes | None:
    """All of a file, or None if there is none.

    Raises:
        StoreError: the store does not give it.
    """
    with guard_store(path):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


def make_folder(folder: Path) -> None:
    """Make a folder with those above it; object stores have none (and a bucket is never made)."""
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)
    elif not _puts_whole(folder):
        with guard_store(folder):
            _driver(folder).makedirs(_address(folder), exist_ok=True)


def write_whole(path: Path, content: bytes, *, writer: str = "") -> None:
    """Write a file whole or not at all; one that is there is replaced.

    Under a temporary name, and renamed when the content is on the disk; into an object store at
    once, since a put that fails leaves nothing there.

    Args:
        path: the file.
        content: all of it.
        writer: part of the temporary name, where several may write the same file at a time.

    Raises:
        StoreError: the store does not take it.
    """
    temporary = path.with_name(f"{path.name}{'.' if writer else ''}{writer}.tmp")
    if not is_remote(path):
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        return
    with guard_store(path):
        if _puts_whole(path):
            _driver(path).pipe_file(_address(path), content)
        else:
            _driver(path).pipe_file(_address(temporary), content)
            _driver(path).mv(_address(temporary), _address(path))


def _puts_whole(path: Path) -> bool:
    return cast(Any, path).protocol in _OBJECT_STORES
