"""What a row is as ids: what stands round it, where the loss begins, and that the trained model is
prompted with the very ids it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from asap.bench import ModelTokenizer
from asap.errors import ModelError
from asap.surprisal import find_model_folder
from asap.trace import OPENING, render_completion
from asap.train import Template, load_tokenizer

R1_TOKENS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"]
COMPLETION = render_completion("One.\n\n    if a:\n\nTwo.", "```python\nx\n```")
PROMPT = "What is 1+1?\n\nSay it."


@pytest.fixture(scope="module")
def tokenizers(r1_model: Path, chatml_model: Path) -> dict[str, Any]:
    return {
        "deepseek-r1": load_tokenizer(str(r1_model)),
        "chatml": load_tokenizer(str(chatml_model)),
        "plain": load_tokenizer(str(find_model_folder("builtin")[0])),
    }


def test_rows_are_written_as_the_models_family_writes_them(tokenizers: dict[str, Any]) -> None:
    expected = {
        "deepseek-r1": (
            f"<｜begin▁of▁sentence｜><｜User｜>{PROMPT}<｜Assistant｜>",
            f"{COMPLETION}<｜end▁of▁sentence｜>",
        ),
        "chatml": (
            f"<|im_start|>user\n{PROMPT}<|im_end|>\n<|im_start|>assistant\n",
            f"{COMPLETION}<|im_end|>",
        ),
        "plain": (f"<|endoftext|>{PROMPT}\n", f"{COMPLETION}<|endoftext|>"),
    }
    for name, tokenizer in tokenizers.items():
        template = Template(tokenizer)
        (example,) = template.encode([(PROMPT, COMPLETION)])
        masked = tokenizer.decode(example.input_ids[: example.n_prompt])
        trained = tokenizer.decode(example.input_ids[example.n_prompt :])
        assert (template.name, masked, trained) == (name, *expected[name])


def test_the_trained_model_is_prompted_with_the_ids_it_was_trained_on(
    tokenizers: dict[str, Any], tmp_path: Path
) -> None:
    for name, tokenizer in tokenizers.items():
        check_prompt(tokenizer, tmp_path / name)


def check_prompt(tokenizer: Any, folder: Path) -> None:
    template = Template(tokenizer)
    (example,) = template.encode([(PROMPT, COMPLETION)])
    template.prepare_tokenizer()
    tokenizer.save_pretrained(folder)
    prompt = ModelTokenizer(str(folder)).encode(PROMPT)
    assert list(prompt) == example.input_ids[: len(prompt)]
    assert len(prompt) > example.n_prompt  # the opening tag is trained on, and given
    assert tokenizer.decode(prompt[example.n_prompt :]) == OPENING


@given(
    pair=st.tuples(
        st.text("ab \n<|>｜", max_size=12),
        st.sampled_from(["", "<think>", "<｜end▁of▁sentence｜>", "<|im_end|>", "<|endoftext|>"]),
    ).map("".join),
    thinking=st.text("ab \n", max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_there_is_one_begin_and_one_end_whatever_the_texts_hold(
    tokenizers: dict[str, Any], pair: str, thinking: str
) -> None:
    expected = {
        "deepseek-r1": {"<｜begin▁of▁sentence｜>": 1, "<｜User｜>": 1, "<｜end▁of▁sentence｜>": 1},
        "chatml": {"<|im_start|>": 2, "<|im_end|>": 2, "<|endoftext|>": 0},
        "plain": {"<|endoftext|>": 2},  # it begins and ends a text
    }
    for name, tokenizer in tokenizers.items():
        completion = f"{OPENING}{thinking}{pair}\n</think>\n{pair}"
        (example,) = Template(tokenizer).encode([(pair, completion)])
        for token, count in expected[name].items():
            assert example.input_ids.count(tokenizer.convert_tokens_to_ids(token)) == count
        assert tokenizer.decode(example.input_ids[example.n_prompt : -1]) == completion


def test_a_template_that_the_vocabulary_cannot_write_is_refused(chatml_model: Path) -> None:
    with pytest.raises(ModelError, match=r"no .<｜User｜>..*--template"):
        Template(load_tokenizer(str(chatml_model)), "deepseek-r1")


R1_SHIPPED = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}"
    "{% else %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)


def test_a_models_own_template_must_keep_the_reasoning(r1_model: Path) -> None:
    tokenizer = load_tokenizer(str(r1_model))
    with pytest.raises(ModelError, match="no chat template of its own"):
        Template(tokenizer, "model")
    tokenizer.chat_template = R1_SHIPPED
    with pytest.raises(ModelError, match=r"drops the reasoning.*--template"):
        Template(tokenizer, "model")
    tokenizer.chat_template = R1_SHIPPED.replace(".split('</think>')[-1]", "")
    (own,) = Template(tokenizer, "model").encode([(PROMPT, COMPLETION)])
    (ours,) = Template(tokenizer, "deepseek-r1").encode([(PROMPT, COMPLETION)])
    assert own == ours


@pytest.mark.real
@pytest.mark.parametrize(("vocabulary", "family"), [("qwen2", "chatml"), ("llama3", "deepseek-r1")])
def test_on_real_vocabularies_too(
    vocabulary: str, family: str, read_vocabulary: Callable[[str], str], tmp_path: Path
) -> None:
    special, bos, eos = {
        "deepseek-r1": (R1_TOKENS, R1_TOKENS[0], R1_TOKENS[1]),
        "chatml": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None, "<|endoftext|>"),
    }[family]
    raw = Tokenizer.from_str(read_vocabulary(vocabulary))
    raw.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=bos, eos_token=eos)
    check_prompt(tokenizer, tmp_path)
    template = Template(tokenizer)
    (example,) = template.encode([(PROMPT, COMPLETION)])
    assert template.name == family
    assert tokenizer.decode(example.input_ids[example.n_prompt : -1]) == COMPLETION
    assert example.input_ids.count(tokenizer.bos_token_id) == (family == "deepseek-r1")
