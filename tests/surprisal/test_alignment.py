"""Which token a step begins with: by hand, and against brute force that never looks at offsets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from asap.surprisal import ScoreRequest
from asap.surprisal.alignment import find_step_tokens
from asap.surprisal.context import find_prefix
from asap.surprisal.tokenizer import load_tokenizer
from asap.trace import OPENING, Step, segment_thinking

BOS = "<|begin|>"


def byte_values() -> dict[str, int]:
    """From the characters of byte-level vocabularies to the bytes they stand for."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}


def brute_force(tokens: list[str], text: str, offset: int, steps: tuple[Step, ...]) -> list[int]:
    """First tokens by adding up the tokens' bytes up to the byte of the step's first letter."""
    values = byte_values()
    owner: list[int] = []
    content = bytearray()
    for token_index, token in enumerate(tokens):
        spelled = bytes(values[character] for character in token if token != BOS)
        owner += [token_index] * len(spelled)
        content += spelled
    assert content.decode() == text
    byte_at = [0]
    for character in text:
        byte_at.append(byte_at[-1] + len(character.encode()))
    firsts = []
    for step in steps:
        position = step.start + offset
        while text[position].isspace():
            position += 1
        firsts.append(owner[byte_at[position]])
    return firsts


def test_by_hand() -> None:
    # tokens: "A", " b", ".\n\n", "  C", "\n"; the second step begins in the fourth
    text = "A b.\n\n  C\n"
    starts, ends = [0, 1, 3, 6, 9], [1, 3, 6, 9, 10]
    steps = (Step(0, 4), Step(6, 9))
    spans = find_step_tokens(text, 0, steps, starts, ends)
    assert [(span.first, span.last) for span in spans] == [(0, 3), (3, 4)]


def test_a_token_may_begin_before_its_step() -> None:
    # "\n\nWait" is one token: the second step's first, although it begins in the separator
    spans = find_step_tokens("Hm\n\nWait", 0, (Step(0, 2), Step(4, 8)), [0, 2], [2, 8])
    assert [(span.first, span.last) for span in spans] == [(0, 1), (1, 2)]


def test_two_steps_in_one_token_share_it() -> None:
    spans = find_step_tokens("a\n\nb", 0, (Step(0, 1), Step(3, 4)), [0], [4])
    assert [(span.first, span.last) for span in spans] == [(0, 1), (0, 1)]


def test_a_token_may_span_the_end_of_the_context() -> None:
    # context "<think>\n", thinking "\nOk": the token "\n\n" spans the seam
    text = "<think>\n\nOk"
    spans = find_step_tokens(text, 8, (Step(0, 3),), [0, 7, 9], [7, 9, 11])
    assert [(span.first, span.last) for span in spans] == [(2, 3)]


def test_parts_of_one_character_share_its_span_and_the_first_counts() -> None:
    # four tokens for the emoji, then "x"
    starts, ends = [0, 2, 2, 2, 2, 3], [2, 3, 3, 3, 3, 4]
    spans = find_step_tokens("a\n🙂x", 0, (Step(0, 1), Step(2, 4)), starts, ends)
    assert [(span.first, span.last) for span in spans] == [(0, 1), (1, 6)]


def test_characters_that_a_normaliser_merged_belong_to_the_token_before() -> None:
    # "e" and a combining accent read as one character whose span is the "e" alone
    spans = find_step_tokens("e\u0301 x", 0, (Step(1, 2), Step(3, 4)), [0, 2], [1, 4])
    assert [span.first for span in spans] == [0, 1]


@pytest.mark.parametrize(
    "thinking",
    [
        "🙂 first\n\n🧬🧬 second\n\n\u200bzero width\n\n漢字",
        "Wait.\r\n\r\nNo.\r\n\r\n\r\n  Yes.",
        "\n\n   leading white space\n\n\tand a tab\n\n \u00a0hard space",
        "a.\n\n\n\nb\n\n\n\n\nc;\n\n  d",
        "x\u0301\n\n\u1100\u1161\u11a8\n\ne",
    ],
)
def test_offsets_agree_with_bytes(thinking: str, model_folder: Callable[[str], Path]) -> None:
    check_on_bytes(model_folder("qwen2"), "", thinking, "paragraph")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.text(alphabet="ab\n \t\r.é🙂漢\u0301'1{", min_size=1, max_size=12),
        min_size=1,
        max_size=6,
    )
)
def test_offsets_agree_with_bytes_on_any_text(
    model_folder: Callable[[str], Path], parts: list[str]
) -> None:
    thinking = "\n\n".join(parts)
    if thinking.strip():
        check_on_bytes(model_folder("qwen2"), "q?", thinking, "paragraph")


def check_on_bytes(folder: Path, question: str, thinking: str, segmenter: str) -> None:
    context = f"{question}\n{OPENING}" if question else OPENING
    text = context + thinking
    steps = segment_thinking(thinking, segmenter)  # type: ignore[arg-type]
    (tokens,) = load_tokenizer(str(folder)).tokenize([text])
    raw = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pieces = raw.encode(text, add_special_tokens=False).tokens
    found = find_step_tokens(text, len(context), steps, tokens.starts, tokens.ends)
    expected = brute_force(pieces, text, len(context), steps)
    assert [span.first for span in found] == expected


def check_real(requests: list[ScoreRequest], folder: Path) -> None:
    """The model's own tokens (with its BOS, if any) against ours, and indices against the bytes."""
    ours = load_tokenizer(str(folder))
    prefix = find_prefix(folder, ours)
    own = PreTrainedTokenizerFast.from_pretrained(folder)
    n_steps = 0
    for request in requests:
        context = f"{request.question}\n{OPENING}" if request.question else OPENING
        text = context + request.thinking
        (tokens,) = ours.tokenize([text])
        assert tokens.starts == sorted(tokens.starts)
        ids = own(text)["input_ids"]
        assert prefix + tokens.ids == ids
        spans = find_step_tokens(text, len(context), request.steps, tokens.starts, tokens.ends)
        found = [len(prefix) + span.first for span in spans]
        pieces = own.convert_ids_to_tokens(ids)
        assert found == brute_force(pieces, text, len(context), request.steps)
        n_steps += len(spans)
    assert n_steps > len(requests)


@pytest.mark.real
@pytest.mark.parametrize(("kind", "has_bos"), [("qwen2", False), ("llama3", True)])
def test_trap_18_19_real_traces(
    kind: str,
    has_bos: bool,
    real_vocabulary: Callable[[str, bool], Path],
    real_requests: Callable[[int | None], list[ScoreRequest]],
) -> None:
    """The paper's code counts a BOS that may be absent, and tokens of prefixes as the whole's."""
    folder = real_vocabulary(kind, has_bos)
    assert len(find_prefix(folder, load_tokenizer(str(folder)))) == has_bos
    check_real(real_requests(20), folder)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("has_bos", [True, False], ids=["bos", "none"])
@pytest.mark.parametrize("kind", ["qwen2", "llama3"])
def test_all_real_traces(
    kind: str,
    has_bos: bool,
    real_vocabulary: Callable[[str, bool], Path],
    real_requests: Callable[[int | None], list[ScoreRequest]],
) -> None:
    check_real(real_requests(None), real_vocabulary(kind, has_bos))
