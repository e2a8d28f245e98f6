"""Where a model's files are, and what it is called in a run's record. No torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from asap.errors import ModelError

BUILTIN = "builtin"
_BUILTIN_FOLDER = Path(__file__).parent / "models" / "asap-r1-7m-v3"
_WEIGHTS = ("*.safetensors", "*.bin")
_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.txt")
_DIGEST_WHOLE_BYTES = 2 * 1024**3
_SAMPLE_BYTES = 16 * 1024
_N_SAMPLES = 1024


def find_builtin_folder() -> Path:
    """The folder of the model that comes with asap.

    Raises:
        ModelError: this installation was made without it.
    """
    if not (_BUILTIN_FOLDER / "config.json").is_file():
        raise ModelError(
            "this installation of asap has no built-in model (a source archive leaves it out); "
            "install the wheel, or name another scorer: a folder or a Hub id"
        )
    return _BUILTIN_FOLDER


def find_model_folder(name: str) -> tuple[Path, str]:
    """The folder of a model and the label that it has in a run's record.

    Args:
        name: `builtin`, a folder in Hugging Face format, or a Hub id (fetched once, then read from
            the local cache).

    Raises:
        ModelError: there is no such model.
    """
    if name == BUILTIN:
        folder = find_builtin_folder()
        return folder, folder.name
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} is no model folder: it has no config.json")
        return folder, folder.resolve().name
    return _fetch_model(name), name


def find_tokenizer_folder(name: str) -> tuple[Path, str]:
    """The folder of a model's small files, and its label; weights are not asked for.

    Args:
        name: as for `find_model_folder`; a folder needs no more than `tokenizer.json`.

    Raises:
        ModelError: there is no such model.
    """
    folder = Path(name).expanduser()
    if name == BUILTIN:
        return find_model_folder(name)
    if folder.is_dir():
        return folder, folder.resolve().name
    return _fetch(name, [*_SMALL_FILES]), name


def find_window(name: str) -> int | None:
    """How many tokens a model reads, by its config; None where that does not say. Beyond it most
    software goes on without a word.

    Raises:
        ModelError: there is no such model.
    """
    folder, _ = find_model_folder(name)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    window: int | None = config.get("max_position_embeddings")
    return window


def digest_weights(folder: Path) -> str:
    """The first 12 hex digits of a sha256 of the config and the weights' files.

    Up to 2 GiB every byte counts. Above, hashing would take as long as loading: then the files'
    sizes and 1,024 samples of 16 KiB spread evenly over each file, its head included, do. Further
    training changes nearly every weight, so it cannot pass unnoticed.

    Raises:
        ModelError: there are no weights.
    """
    files = [path for pattern in _WEIGHTS for path in sorted(folder.glob(pattern))]
    if not files:
        raise ModelError(f"{folder} holds no weights (*.safetensors)")
    files = [path for path in files if path.suffix == files[0].suffix]
    is_whole = sum(path.stat().st_size for path in files) <= _DIGEST_WHOLE_BYTES
    # The config counts too: another window or another rotary base makes other scores.
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in files:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        _digest_file(path, digest, is_whole)
    return digest.hexdigest()[:12]


def _digest_file(path: Path, digest: hashlib._Hash, is_whole: bool) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if is_whole:
            while block := file.read(1024 * 1024):
                digest.update(block)
            return
        for sample_index in range(_N_SAMPLES):
            file.seek(size * sample_index // _N_SAMPLES)
            digest.update(file.read(_SAMPLE_BYTES))


def _fetch_model(hub_id: str) -> Path:
    folder = _fetch(hub_id, [*_SMALL_FILES, _WEIGHTS[0]])
    if not list(folder.glob(_WEIGHTS[0])):
        folder = _fetch(hub_id, [*_SMALL_FILES, _WEIGHTS[1]])
    if not (folder / "config.json").is_file():
        raise ModelError(f"the Hub's {hub_id} is no model: it has no config.json")
    return folder


def _fetch(hub_id: str, patterns: list[str]) -> Path:
    """The files of a Hub repository that patterns name, from the local cache where it has them."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns))
    except (HFValidationError, HfHubHTTPError, OSError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"no model {hub_id!r}: neither 'builtin' nor a folder, and the Hub does not "
            f"give it ({first_line})"
        ) from error
