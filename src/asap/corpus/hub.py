"""Data sets on the Hugging Face Hub, streamed through `datasets` (extra `hub`).

`owner/name[@revision][:config[:split]]`; the split is `train` unless named. The revision is
resolved to a commit when the data set is opened, so that a resumed run reads the same rows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asap.corpus.card import read_licence
from asap.corpus.record import Record
from asap.errors import InputError, MissingExtraError

_HUB_ID = re.compile(
    r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[\w./-]+))?"
    r"(?::(?P<config>[^:]*))?(?::(?P<split>[^:]+))?"
)


def is_hub_id(text: str) -> bool:
    """Whether a text that names no file could be a data set on the Hub."""
    return _HUB_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class HubDataset:
    """One split of a data set on the Hub, at one commit."""

    repository: str
    commit: str
    config: str | None
    split: str
    licence: str | None

    @property
    def name(self) -> str:
        """The id with config and split."""
        return ":".join(filter(None, (self.repository, self.config, self.split)))

    @property
    def identity(self) -> tuple[str, ...]:
        """The commit."""
        return (self.commit,)

    def read(self, start: int = 0) -> Iterator[Record]:
        """Records from `start` on."""
        import datasets

        with _guard_hub(self.name):
            rows = datasets.load_dataset(
                self.repository, self.config, split=self.split, revision=self.commit, streaming=True
            )
            for position, row in enumerate(rows.skip(start), start):
                yield Record(f"{self.name}, record {position + 1}", row)

    def count(self) -> int:
        """By reading it: the number on the card is not binding."""
        return sum(1 for _ in self.read())

    def estimate(self) -> int | None:
        """What the data set's own description says, if it has one."""
        import datasets

        with _guard_hub(self.name):
            builder = datasets.load_dataset_builder(
                self.repository, self.config, revision=self.commit
            )
            split = (builder.info.splits or {}).get(self.split)
        return int(split.num_examples) if split is not None and split.num_examples else None


def open_hub(text: str) -> HubDataset:
    """Find a data set on the Hub and pin its commit.

    Args:
        text: `owner/name[@revision][:config[:split]]`.

    Raises:
        MissingExtraError: `datasets` is not installed.
        InputError: the Hub cannot be reached or has no such data set.
    """
    # Telemetry is off unless the user's environment asks for it; both libraries read it when first
    # imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    try:
        import datasets  # noqa: F401
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(
            f"'{text}' is no file or folder here, and reading it from the Hub", "hub"
        ) from error
    parts = _HUB_ID.fullmatch(text)
    if parts is None:
        raise InputError(f"'{text}' is not a Hub id; write owner/name[@revision][:config[:split]]")
    with _guard_hub(text):
        info = huggingface_hub.HfApi().dataset_info(parts["repository"], revision=parts["revision"])
    card: dict[str, Any] = info.card_data.to_dict() if info.card_data else {}  # type: ignore[no-untyped-call]
    return HubDataset(
        parts["repository"],
        str(info.sha),
        parts["config"] or None,
        parts["split"] or "train",
        read_licence(card),
    )


@contextmanager
def _guard_hub(name: str) -> Iterator[None]:
    """Whatever the Hub or the way to it refuses becomes one line."""
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    # Its bases are OSError and the root of the HTTP library's tree, whichever library that is.
    transport_errors = HfHubHTTPError.__bases__
    try:
        yield
    except (OSError, ValueError, RuntimeError, DatasetsError, *transport_errors) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"'{name}' is no file or folder here and cannot be read from the Hub: {reason}"
        ) from error
