"""A tokenizer as budgets and alignment need it: ids, and the span of text of each token.

It reads the `tokenizer.json` of a model and runs on the `tokenizers` package alone: no torch.
Special tokens that a model puts round a text are left to the scorer; here a token is always a piece
of the text.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from asap.errors import ModelError
from asap.surprisal.model_folder import BUILTIN, find_builtin_folder
from asap.trace import TokenCounter

_PROBE = "Wait, let X1 = a[0];\n\n    if a != b:\n\treturn 1\nSo the answer is 27."
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The tokens of one text: ids, and half-open spans in code points, both ascending.

    Tokens that are parts of one character share its span. Characters that a normaliser merged into
    the one before them (an accent that stands on its own) belong to that one's token.
    """

    ids: list[int]
    starts: list[int]
    ends: list[int]


class TextTokenizer:
    """A `TokenCounter` that also tells ids and spans.

    Args:
        path: a `tokenizer.json`.
        label: what the user calls it; the digest of the file is added to it.

    Raises:
        ModelError: the file is no tokenizer, or one that does not give the text back (lower-casing,
            dropped line ends): where its tokens begin could not be told.
    """

    def __init__(self, path: Path, label: str) -> None:
        try:
            content = path.read_bytes()
            tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the Rust side raises bare Exception
            raise ModelError(f"{path} is no tokenizer that can be read: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.lead_ids = _find_lead(tokenizer)
        """Special tokens that `tokenizer.json` puts before a text (begin of text), or none."""
        # It would put special tokens round the text and, in some models, trim white space off the
        # spans.
        tokenizer.post_processor = None
        self._tokenizer = tokenizer
        self._label = label
        self._digest = hashlib.sha256(content).hexdigest()[:12]
        self.token_text = lru_cache(maxsize=65_536)(self._token_text)
        self._check_on_probe()

    @property
    def name(self) -> str:
        """The label with a digest of `tokenizer.json`."""
        return f"{self._label}@{self._digest}"

    @property
    def n_ids(self) -> int:
        """One more than the highest id, added tokens included."""
        return 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Ids and spans of each text; the Rust side spreads one call over the cores.

        Raises:
            ModelError: the spans do not reconstruct a text.
        """
        _quieten_forks()
        # A lone surrogate is no character that UTF-8 can hold; the replacement is one code point as
        # well.
        sound = [_LONE_SURROGATE.sub("\ufffd", text) for text in texts]
        tokenized = []
        for text, encoding in zip(
            sound, self._tokenizer.encode_batch(sound, add_special_tokens=False), strict=True
        ):
            offsets = encoding.offsets
            spans = TokenizedText(encoding.ids, [s for s, _ in offsets], [e for _, e in offsets])
            self._check_spans(text, spans)
            tokenized.append(spans)
        return tokenized

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For each text the code point at which each token begins, ascending, no special tokens."""
        return [tokens.starts for tokens in self.tokenize(texts)]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens."""
        return [len(tokens.ids) for tokens in self.tokenize(texts)]

    def find_id(self, token: str) -> int | None:
        """The id of a token given by name; None where there is none."""
        token_id: int | None = self._tokenizer.token_to_id(token)
        return token_id

    def _token_text(self, token_id: int) -> str:
        """The token as text; parts of a character show as U+FFFD."""
        text: str = self._tokenizer.decode([token_id], skip_special_tokens=False)
        return text

    def _check_on_probe(self) -> None:
        """Refuse a tokenizer that alters the text, or whose spans are not those of its tokens."""
        (tokens,) = self.tokenize([_PROBE])
        whole: str = self._tokenizer.decode(tokens.ids, skip_special_tokens=False)
        pieces = zip(tokens.ids, tokens.starts, tokens.ends, strict=True)
        is_sound = whole.lstrip(" ") == _PROBE and all(
            self._token_text(i).strip() == _PROBE[start:end].strip() for i, start, end in pieces
        )
        if not is_sound:
            raise ModelError(
                f"the tokenizer {self._label} does not give a text back as it was "
                f"(it reads {_PROBE!r} as {whole!r}), so first tokens cannot be told; "
                "use the tokenizer of a causal language model"
            )

    def _check_spans(self, text: str, tokens: TokenizedText) -> None:
        """Refuse spans out of order, and spans that leave a character out (except white space)."""
        may_merge = self._tokenizer.normalizer is not None
        last_start = position = 0
        for start, end in zip(tokens.starts, tokens.ends, strict=True):
            has_gap = start > position and not may_merge and not text[position:start].isspace()
            if start < last_start or end < position or has_gap:
                self._refuse_spans(text, position)
            last_start, position = start, end
        if position > len(text) or (not may_merge and text[position:].strip()):
            self._refuse_spans(text, position)

    def _refuse_spans(self, text: str, position: int) -> None:
        raise ModelError(
            f"the offsets of the tokenizer {self._label} do not reconstruct the text at "
            f"character {position} ({text[position : position + 20]!r}); "
            "update the tokenizers package or use another tokenizer"
        )


def load_tokenizer(name: str) -> TextTokenizer:
    """The tokenizer of a model.

    Args:
        name: `builtin`, a folder that holds `tokenizer.json`, the path of such a file, or a Hub id.

    Raises:
        ModelError: there is none, or it is unfit.
    """
    if name == BUILTIN:
        folder = find_builtin_folder()
        return load_folder_tokenizer(folder, folder.name)
    path = Path(name).expanduser()
    if path.is_dir():
        return load_folder_tokenizer(path, path.resolve().name)
    if path.is_file():
        return TextTokenizer(
            path, path.resolve().parent.name if path.name == "tokenizer.json" else path.stem
        )
    return TextTokenizer(_fetch_tokenizer(name), name)


def load_folder_tokenizer(folder: Path, label: str) -> TextTokenizer:
    """The tokenizer in a model's folder.

    Raises:
        ModelError: the folder has no `tokenizer.json`, or it is unfit.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(
            f"{folder} has no tokenizer.json; write one with "
            "transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )
    return TextTokenizer(path, label)


def load_counter(name: str) -> TokenCounter:
    """The tokenizer of a model as a counter of tokens; it takes the names of `load_tokenizer`."""
    return load_tokenizer(name)


def _fetch_tokenizer(hub_id: str) -> Path:
    """The Hub's `tokenizer.json`, from the local cache where it is there."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        cached = try_to_load_from_cache(hub_id, "tokenizer.json")
        if isinstance(cached, str):
            return Path(cached)
        return Path(hf_hub_download(hub_id, "tokenizer.json"))
    except (HFValidationError, HfHubHTTPError, OSError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"no tokenizer {hub_id!r}: neither 'builtin' nor a folder or file, and the Hub "
            f"does not give it ({first_line})"
        ) from error


def _find_lead(tokenizer: Tokenizer) -> list[int]:
    whole: list[int] = tokenizer.encode("a").ids
    bare: list[int] = tokenizer.encode("a", add_special_tokens=False).ids
    return next((whole[:i] for i in range(len(whole)) if whole[i : i + len(bare)] == bare), [])


def _quieten_forks() -> None:
    """Keep the Rust side's threads, and its warning about them out of processes forked later.

    What the package does by itself is right (a forked child does without threads), but it says so
    on stderr in every child; told beforehand, it is silent.
    """
    if "TOKENIZERS_PARALLELISM" not in os.environ:
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        os.register_at_fork(after_in_child=_go_single_threaded)


def _go_single_threaded() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
