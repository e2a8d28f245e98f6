"""LLMs without an LLM: `ScriptedChat` answers what a script says, `ReplayChat` what was recorded.

Public, for tests, demonstrations and dry runs: no network, no key, no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from asap.chat.client import ChatRequest, Reply, Usage, estimate_tokens
from asap.chat.loop import LoopThread
from asap.errors import ChatError, InputError

T = TypeVar("T")

Line = Reply | str | Exception
"""What a script says to one request: a reply, its text alone, or an error to raise."""


class ScriptedChat:
    """Answers by a script and keeps the requests it got, in `requests`.

    Args:
        script: a function of the request, or the answers in the order of the requests. A script
            that has run out ends in `ChatError("bad_request", ...)`.
        model: what `model` says.
    """

    def __init__(
        self, script: Callable[[ChatRequest], Line] | Sequence[Line], *, model: str = "scripted"
    ) -> None:
        self._script = script if callable(script) else _read_in_order(script)
        self._model = model
        self._usage = Usage()
        self._loop = LoopThread("asap-scripted-chat")
        self.requests: list[ChatRequest] = []

    def __repr__(self) -> str:
        return f"ScriptedChat(model={self._model!r})"

    @property
    def model(self) -> str:
        """The name given."""
        return self._model

    @property
    def usage(self) -> Usage:
        """What the script's replies would have cost."""
        return self._usage

    async def ask(self, request: ChatRequest) -> Reply:
        """The script's answer to a request."""
        self.requests.append(request)
        self._usage = replace(self._usage, requests=self._usage.requests + 1)
        line = self._script(request)
        if isinstance(line, Exception):
            raise line
        reply = _make_reply(request, line) if isinstance(line, str) else line
        self._usage = replace(
            self._usage,
            prompt_tokens=self._usage.prompt_tokens + reply.prompt_tokens,
            completion_tokens=self._usage.completion_tokens + reply.completion_tokens,
        )
        return reply

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `ask`, from any thread, in the client's one event loop."""
        return self._loop.run(work)

    def close(self) -> None:
        """End the event loop; closing twice is harmless."""
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ReplayChat:
    """Answers from a recording: JSON lines of `id`, `purpose`, `text`, maybe `finish_reason`.

    Several lines with one `id` and `purpose` answer successive attempts. The answer to a request
    depends on the file alone, not on what was asked before.

    Args:
        path: the recording.
        model: what `model` says.

    Raises:
        InputError: the file cannot be read, is empty, or a line of it is no recorded reply.
    """

    def __init__(self, path: str | Path, *, model: str = "replay") -> None:
        self._path = Path(path)
        self._recorded = _read_recording(self._path)
        self._model = model
        self._usage = Usage()
        self._loop = LoopThread("asap-replay-chat")

    def __repr__(self) -> str:
        return f"ReplayChat({str(self._path)!r})"

    @property
    def model(self) -> str:
        """The name given."""
        return self._model

    @property
    def usage(self) -> Usage:
        """Replies given, as `cached`: a recording costs nothing."""
        return self._usage

    async def ask(self, request: ChatRequest) -> Reply:
        """The recorded reply to a request's `id`, `purpose` and `attempt`.

        Raises:
            ChatError: `bad_request`, there is no such reply.
        """
        lines = self._recorded.get((request.id, request.purpose), [])
        if request.attempt > len(lines):
            raise ChatError(
                "bad_request",
                f"{self._path} holds {len(lines)} replies for id {request.id!r} and purpose"
                f" {request.purpose!r}: none for attempt {request.attempt}",
            )
        line = lines[request.attempt - 1]
        self._usage = replace(self._usage, cached=self._usage.cached + 1)
        reply = _make_reply(request, line.text)
        return replace(reply, finish_reason=line.finish_reason, is_cached=True)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `ask`, from any thread, in the client's one event loop."""
        return self._loop.run(work)

    def close(self) -> None:
        """End the event loop; closing twice is harmless."""
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _RecordedReply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    purpose: str
    text: str
    finish_reason: str = "stop"


def _read_recording(path: Path) -> dict[tuple[str, str], list[_RecordedReply]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as recorded replies: {error}") from error
    recorded: dict[tuple[str, str], list[_RecordedReply]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            reply = _RecordedReply.model_validate_json(line)
        except ValidationError as error:
            place = error.errors(include_url=False, include_input=False)[0]
            words = f"{'.'.join(str(part) for part in place['loc'])} {place['msg']}".strip()
            raise InputError(
                f"{path}:{number} is no recorded reply ({words}): each line is a JSON object with"
                " id, purpose, text and perhaps finish_reason"
            ) from None
        recorded.setdefault((reply.id, reply.purpose), []).append(reply)
    if not recorded:
        raise InputError(f"{path} holds no recorded replies")
    return recorded


def _read_in_order(lines: Sequence[Line]) -> Callable[[ChatRequest], Line]:
    rest = iter(lines)
    spent = ChatError("bad_request", f"the script has {len(lines)} replies and was asked for more")
    return lambda request: next(rest, spent)


def _make_reply(request: ChatRequest, text: str) -> Reply:
    n_prompt = sum(estimate_tokens(message.content) for message in request.messages)
    return Reply(text, "stop", n_prompt, estimate_tokens(text))
