"""A server of the OpenAI kind reads a prompt and tells how likely each of its tokens was.

Two dialects of `/v1/completions`: vLLM's own field `prompt_logprobs`, and OpenAI's `echo` with
`logprobs` (SGLang, llama-cpp-python). One token is generated and thrown away: 0 of them means "as
many as fit" to some servers. What the numbers are good for is the caller's business; nothing is
cached. What each fault ends in: see `OpenAIChat`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import zip_longest
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asap.chat.limits import ChatLimits
from asap.chat.transport import Transport, Waiting

if TYPE_CHECKING:
    import openai

T = TypeVar("T")
Dialect = Literal["prompt_logprobs", "echo"]
"""How log-probabilities of the prompt are asked for."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """One prompt to read."""

    prompt: tuple[int, ...] | str
    """Token ids, as they are; or a text, which the server tokenizes."""
    id: str
    """What it is called in logs."""
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class ReadReply:
    """What came back, unchecked; the lists are empty where the server gave none.

    For ids, at most one entry per id. For a text, whatever the server listed: its own tokens, the
    one it generated among them.
    """

    logprobs: tuple[float | None, ...]
    """Of each token, given those before it; natural logarithms. None: not told."""
    tops: tuple[tuple[str, float] | None, ...]
    """The likeliest token at each place (as text or as id) and its log-probability."""
    tokens: tuple[str | None, ...]
    """Each token's text; None: not told."""
    n_prompt: int | None
    """Tokens of the prompt as the server counts them; None: it does not."""


class ServedModel(BaseModel):
    """A line of a server's list of models, with whatever else stands in it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    """What requests call it."""
    max_model_len: int | None = None
    """Tokens that prompt and completion may have together; None: the server does not say."""


class _Models(BaseModel):
    data: list[ServedModel]


class _Logprob(BaseModel):
    logprob: float
    decoded_token: str | None = None


class _Echo(BaseModel):
    tokens: list[str] = Field(default_factory=list)
    token_logprobs: list[float | None] = Field(default_factory=list)
    top_logprobs: list[dict[str, float] | None] | None = None


class _Choice(BaseModel):
    prompt_logprobs: list[dict[str, _Logprob] | None] | None = None
    logprobs: _Echo | None = None


class _Tokens(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """What is read of a server's reply; everything else in it is let be."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None


class OpenAIReader:
    """Has a server read prompts, with the key in `ASAP_API_KEY`, else `OPENAI_API_KEY`.

    Args:
        model: the model's name as the server knows it.
        base_url: the server's address up to `/v1`.
        limits: what the client may use.
        waiting: between attempts.

    Raises:
        MissingExtraError: the `openai` package is not installed.
        RecipeError: `base_url` is no address of a server.
        UserError: the key in the environment holds characters that no request can carry.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        limits: ChatLimits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self._transport = Transport(model, base_url, limits or ChatLimits(), waiting or Waiting())

    @property
    def host(self) -> str:
        """Host and port of the server."""
        return self._transport.host

    async def read(self, request: ReadRequest) -> ReadReply:
        """Have one prompt read; called within `run`.

        Raises:
            ChatError: the request failed and its transport attempts are used up.
            KeyRefused: the server refused the key.
            SpendingLimitReached: the account's quota is used up.
        """

        async def attempt(client: openai.AsyncOpenAI) -> ReadReply:
            body = _make_body(self._transport.model, request)
            response = await client.completions.with_raw_response.create(**body)
            return self._parse(request, response.content)

        return await self._transport.send(request.id, attempt)

    async def list_models(self) -> list[ServedModel]:
        """The models that the server says it has; called within `run`.

        Raises:
            ChatError: as `read` does; `bad_request` where the server has no such list.
            KeyRefused: the server refused the key.
        """

        async def attempt(client: openai.AsyncOpenAI) -> list[ServedModel]:
            response = await client.models.with_raw_response.list()
            try:
                return _Models.model_validate_json(response.content).data
            except ValidationError as error:
                raise self._transport.complain(f"no list of models: {_say(error)}") from None

        return await self._transport.send("models", attempt)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `read` to its end, from any thread."""
        return self._transport.run(work)

    def close(self) -> None:
        """Stop what is under way and let go of connections; closing twice is harmless."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _parse(self, request: ReadRequest, body: bytes) -> ReadReply:
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            raise self._transport.complain(f"the body is no completion: {_say(error)}") from None
        usage = completion.usage or _Tokens()
        self._transport.count(
            prompt_tokens=usage.prompt_tokens or 0, completion_tokens=usage.completion_tokens or 0
        )
        choice = completion.choices[0]
        if request.dialect == "prompt_logprobs":
            return _read_prompt_logprobs(request, choice, usage.prompt_tokens)
        return _read_echo(request, choice, usage.prompt_tokens)


def _make_body(model: str, request: ReadRequest) -> dict[str, Any]:
    prompt = request.prompt
    body: dict[str, Any] = {
        "model": model,
        "prompt": prompt if isinstance(prompt, str) else list(prompt),
        "max_tokens": 1,
        # Some servers divide the prompt's logits by the temperature too: 1 leaves them alone.
        "temperature": 1.0,
        "top_p": 1.0,
    }
    # One alternative a token: none at all is as good as not asked to some (SGLang), and the
    # likeliest token shows which place a value belongs to.
    if request.dialect == "prompt_logprobs":
        return body | {"extra_body": {"prompt_logprobs": 1}}
    return body | {"echo": True, "logprobs": 1}


def _read_prompt_logprobs(request: ReadRequest, choice: _Choice, n_prompt: int | None) -> ReadReply:
    places = choice.prompt_logprobs or []
    # The entry of another id says nothing about ours: a missing one shows as None. A list that is
    # too long is as wrong as one that is too short.
    pairs = zip_longest(request.prompt[: len(places)], places)
    own = [(place or {}).get(str(token_id)) for token_id, place in pairs]
    plain = [
        None if place is None else {name: entry.logprob for name, entry in place.items()}
        for place in places
    ]
    return ReadReply(
        tuple(None if entry is None else entry.logprob for entry in own),
        _find_tops(plain),
        tuple(None if entry is None else entry.decoded_token for entry in own),
        n_prompt,
    )


def _read_echo(request: ReadRequest, choice: _Choice, n_prompt: int | None) -> ReadReply:
    echo = choice.logprobs or _Echo()
    stop = None if isinstance(request.prompt, str) else len(request.prompt)
    return ReadReply(
        tuple(echo.token_logprobs[:stop]),
        _find_tops((echo.top_logprobs or [])[:stop]),
        tuple(echo.tokens[:stop]),
        n_prompt,
    )


def _find_tops(places: list[dict[str, float] | None]) -> tuple[tuple[str, float] | None, ...]:
    return tuple(
        max(place.items(), key=lambda entry: entry[1]) if place else None for place in places
    )


def _say(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])} {first['msg']}".strip()
