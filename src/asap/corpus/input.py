"""From what the user names (files, folders, globs, saved data sets, Hub ids) to sources in path
order.

A folder means the data files directly in it, or, if it has none or is a run of asap's, those in its
`data/`. Files of several splits are never mixed without being asked: a training set with the test
split in it is worse than an error.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Sequence
from pathlib import Path

from asap.corpus.hub import is_hub_id, open_hub
from asap.corpus.json_document import JsonFile, is_document
from asap.corpus.jsonl import JsonlFile
from asap.corpus.record import Source
from asap.corpus.stream import check_text
from asap.corpus.table import ArrowFile, ParquetFile
from asap.errors import InputError
from asap.place import find_kind, find_place, is_remote, list_folder, match_files

_SUFFIX = re.compile(r"\.(?:(jsonl|ndjson|json)(?:\.gz|\.zst)?|(parquet)|(arrow))\Z", re.IGNORECASE)
_KNOWN = ".jsonl, .ndjson, .json (each also with .gz or .zst), .parquet, .arrow"
_METADATA = {
    "state.json",
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "report.json",
}
_SPLIT = re.compile(r"(train|validation|valid|val|dev|test|eval)(?:[-_.].*)?", re.IGNORECASE)


def find_sources(inputs: Sequence[str]) -> tuple[Source, ...]:
    """The sources behind the inputs: files sorted by path, each once, then data sets on the Hub.

    Args:
        inputs: paths or URLs of files and folders, globs, Hub ids.

    Raises:
        InputError: one of them is missing, holds no data or cannot be read.
    """
    if not inputs:
        raise InputError("no input given; name a file, a folder, a glob or a data set on the Hub")
    files: dict[Path, tuple[Path, str]] = {}
    hub_ids: list[str] = []
    for text in inputs:
        found = _find_files(text)
        if found is None:
            hub_ids.append(text)
        for path, name in found or ():
            files.setdefault(path if is_remote(path) else path.resolve(), (path, name))
    ordered = sorted(files.values(), key=lambda file: file[0].parts)
    sources = [_open_file(path, name) for path, name in ordered if path.stat().st_size]
    return (*sources, *(open_hub(text) for text in sorted(set(hub_ids))))


def _find_files(text: str) -> list[tuple[Path, str]] | None:
    """Files with their names inside the input, or None for a Hub id."""
    path = find_place(text)
    kind = find_kind(path)
    if kind == "folder":
        return [(file, file.relative_to(path).as_posix()) for file in _find_in_folder(path)]
    if kind == "file":
        if not _SUFFIX.search(path.name):
            raise InputError(f"{path} has no known suffix; known are {_KNOWN}")
        if not path.stat().st_size:
            raise InputError(f"{path} is empty")
        return [(path, path.name)]
    if kind is not None:
        raise InputError(
            f"{path} is neither a file nor a folder; write what it yields to a file first"
        )
    if glob.has_magic(text):
        return _find_by_glob(path)
    if is_hub_id(text) and not _SUFFIX.search(text):
        return None
    raise InputError(
        f"{path} does not exist; name a file, a folder, a glob or a Hub data set (owner/name)"
    )


def _find_by_glob(pattern: Path) -> list[tuple[Path, str]]:
    if is_remote(pattern):
        matches = match_files(pattern)
    else:
        found = [Path(match) for match in glob.glob(str(pattern), recursive=True)]
        matches = [(path, path.is_file()) for path in found if path.is_file() or path.is_dir()]
    files = [path for path, is_file in matches if is_file and _is_data(path)]
    if "**" not in str(pattern):
        folders = [path for path, is_file in matches if not is_file]
        files += [file for folder in folders for file in _find_in_folder(folder)]
    if not files:
        raise InputError(f"no data file matches {pattern}; known suffixes are {_KNOWN}")
    fixed = pattern
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return [(path, path.relative_to(fixed).as_posix()) for path in files]


def _is_data(path: Path) -> bool:
    is_hidden = path.name.startswith((".", "_"))
    return bool(_SUFFIX.search(path.name)) and path.name not in _METADATA and not is_hidden


def _find_in_folder(folder: Path) -> list[Path]:
    names = {path.name for path, is_file in list_folder(folder) if is_file}
    if "dataset_dict.json" in names:
        return _find_in_saved_splits(folder)
    if "state.json" in names:
        return _find_in_saved(folder)
    own = _list_data(folder)
    nested = _list_data(folder / "data")
    if own and nested and "report.json" not in names:
        raise InputError(
            f"{folder} has data files both in it and in its data/; name {folder / 'data'} or a glob"
        )
    files = nested or own
    if not files:
        raise InputError(f"{folder} holds no data file; known suffixes are {_KNOWN}")
    splits = sorted({match[1].lower() for file in files if (match := _SPLIT.fullmatch(file.name))})
    if len(splits) > 1:
        example = files[0].parent / f"{splits[-1]}*"
        raise InputError(
            f"{folder} holds several splits ({', '.join(splits)}); name one by a glob: '{example}'"
        )
    return files


def _list_data(folder: Path) -> list[Path]:
    return [path for path, is_file in list_folder(folder) if is_file and _is_data(path)]


def _find_in_saved(folder: Path) -> list[Path]:
    """What `save_to_disk` wrote; its list of files matters, since caches of `datasets` lie beside
    them.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = [folder / entry["filename"] for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'state.json'} does not say which files the data set has; save it again"
        ) from error
    if missing := [file.name for file in files if not file.is_file()]:
        raise InputError(
            f"{folder} lacks {', '.join(missing)}, named in its state.json; copy the data set whole"
        )
    return files


def _find_in_saved_splits(folder: Path) -> list[Path]:
    splits = sorted(path.name for path in folder.iterdir() if (path / "state.json").is_file())
    if len(splits) != 1:
        names = ", ".join(splits) or "none"
        raise InputError(
            f"{folder} is a saved data set with splits ({names}); name one: {folder / 'train'}"
        )
    return _find_in_saved(folder / splits[0])


def _open_file(path: Path, name: str) -> Source:
    """The reader for a file; damaged and binary ones are refused before a run begins."""
    kind = _SUFFIX.search(name)
    source: ParquetFile | ArrowFile | JsonFile
    if kind and kind[2]:
        source = ParquetFile(path, name)
    elif kind and kind[3]:
        source = ArrowFile(path, name)
    else:
        check_text(path)
        if not kind or kind[1].lower() != "json" or not is_document(path):
            return JsonlFile(path, name)
        source = JsonFile(path, name)
    source.count()
    return source
