"""Every error that asap raises on purpose. A leaf: it imports nothing.

    AsapError
    ├── UserError                 the user can mend it: one line, exit code 2, no traceback
    │   ├── InputError            a file, a column or a row layout that cannot be read
    │   ├── RecipeError           an unknown key, a value out of range, fields that exclude each
    other │   ├── RunFolderError        a folder that holds another run, or something that is no run
    │   ├── StoreError            an address (s3://, ...) that cannot be read or written
    │   ├── ModelError            a model or tokenizer that cannot be loaded or does not fit
    │   ├── SandboxError          this machine cannot run untrusted code safely
    │   ├── ClusterError          a Ray cluster that cannot be reached, or cannot do this run
    │   └── MissingExtraError     an optional dependency is not installed
    ├── RunStopped                a run stopped on purpose, resumable: exit code 1
    │   ├── KeyRefused            the server refused the API key
    │   ├── SpendingLimitReached  the run's limit on LLM tokens is used up
    │   ├── NoReply               the LLM has answered nothing at all
    │   ├── ClusterLost           the Ray cluster has gone in the middle of a run
    │   └── TooManyExcluded       more rows were excluded than `max_excluded` allows
    └── ChatError                 one request to an LLM failed after its last attempt

Anything else that escapes is a defect of asap and keeps its traceback.
"""

from __future__ import annotations

from typing import Self


class AsapError(Exception):
    """Root of the tree."""


class UserError(AsapError):
    """Something that the user can mend; the message says what is wrong and how to mend it."""


class InputError(UserError):
    """An input cannot be read: a missing or empty file, an unknown column, a layout that is not
    recognised.
    """


class RecipeError(UserError):
    """A recipe is wrong: unknown key, value out of range, or fields that exclude each other."""


class RunFolderError(UserError):
    """An output folder holds another run, or something that is no run of a known format."""


class StoreError(UserError):
    """A store (s3://, ...) cannot be reached, refuses, has no such bucket, or lacks its driver."""


class ModelError(UserError):
    """A model or tokenizer cannot be loaded or served, or is not fit for what is asked of it."""


class SandboxError(UserError):
    """Untrusted code cannot be run safely on this machine, or a process of the judge is gone."""


class ClusterError(UserError):
    """A Ray cluster cannot be reached, or its machines cannot do this run together."""


class MissingExtraError(UserError):
    """An optional dependency is missing.

    Args:
        feature: what needs it, in the user's words.
        extra: the extra of the distribution that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra '{extra}': pip install 'asap-cot[{extra}]'")
        self._parts = (feature, extra)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """From its parts: errors of workers come to the driver as they are."""
        return type(self), self._parts


class RunStopped(AsapError):
    """A run stopped on purpose; what is finished stays, and the same command goes on from there."""


class KeyRefused(RunStopped):
    """The LLM server refused the API key (HTTP 401 or 403)."""


class SpendingLimitReached(RunStopped):
    """The run's limit on LLM tokens is used up."""


class NoReply(RunStopped):
    """The LLM has not answered a single request of a whole batch: its URL or its name is wrong."""


class ClusterLost(RunStopped):
    """The Ray cluster that a run was on has gone, or what the run needs of it."""


class TooManyExcluded(RunStopped):
    """More rows were excluded than allowed."""


class ChatError(AsapError):
    """A request to an LLM failed and its attempts are used up.

    Args:
        reason: the fault's name, as it stands in a row's record: `timed_out`, `rate_limited`,
        `server_error`,
            `connection_lost`, `bad_request`.
        message: what the server or the transport said.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self._message = message

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """From its parts, so that it can go from one process to another."""
        return type(self), (self.reason, self._message)
