"""Loading a scorer: names, float types, contexts, and what cannot be loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from asap.errors import MissingExtraError, ModelError
from asap.surprisal import ScoreRequest, load_counter, load_scorer
from asap.surprisal.context import find_prefix, load_template, write_raw
from asap.surprisal.model import _choose_dtype
from asap.surprisal.model_folder import digest_weights
from asap.surprisal.tokenizer import load_tokenizer
from asap.trace import Step


@pytest.fixture
def copied(model_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    target = tmp_path / "copied"
    shutil.copytree(model_folder("llama"), target)
    return target


def test_the_name_tells_the_weights(model_folder: Callable[[str], Path], copied: Path) -> None:
    name = load_scorer(str(copied), device="cpu").name
    assert name.startswith(f"copied@{digest_weights(model_folder('llama'))}:")
    weights = load_file(copied / "model.safetensors")
    weights["model.norm.weight"] += 0.5
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert load_scorer(str(copied), device="cpu").name != name


def test_large_weights_are_sampled(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asap.surprisal.model_folder._DIGEST_WHOLE_BYTES", 1000)
    monkeypatch.setattr("asap.surprisal.model_folder._SAMPLE_BYTES", 16)
    before = digest_weights(copied)
    assert before == digest_weights(copied)
    weights = load_file(copied / "model.safetensors")
    changed = {key: value * 1.001 for key, value in weights.items()}
    save_file(changed, copied / "model.safetensors", metadata={"format": "pt"})
    assert digest_weights(copied) != before


def test_counter_and_scorer_speak_of_the_same_tokens(copied: Path) -> None:
    thinking = "Okay.\n\nWait, no."
    (scores,) = load_scorer(str(copied), device="cpu").score([ScoreRequest("", thinking, ())])
    assert scores.surprisal == ()
    assert load_counter(str(copied)).name.partition("@")[0] == "copied"


def test_dtypes() -> None:
    cpu = torch.device("cpu")
    assert _choose_dtype("fp32", cpu) == torch.float32
    assert _choose_dtype("bf16", cpu) == torch.bfloat16
    assert _choose_dtype("auto", cpu) in (torch.float32, torch.bfloat16)


def test_loading_is_silent(copied: Path) -> None:
    code = f"from asap.surprisal import load_scorer; load_scorer({str(copied)!r}, device='cpu')"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=55
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_raw_context_and_begin(model_folder: Callable[[str], Path]) -> None:
    for kind, prefix in (("llama", [0]), ("qwen2", [])):
        folder = model_folder(kind)
        assert find_prefix(folder, load_tokenizer(str(folder))) == prefix
    assert write_raw("a?") == "a?\n<think>\n"
    assert write_raw("") == "<think>\n"


@pytest.mark.parametrize("bos", ["<|begin|>", {"content": "<|begin|>"}])
def test_a_begin_that_only_the_configuration_asks_for(
    bos: object, model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "deep"
    shutil.copytree(model_folder("qwen2"), folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"bos_token": bos, "add_bos_token": True}
    path.write_text(json.dumps(config))
    assert find_prefix(folder, load_tokenizer(str(folder))) == [0]
    path.write_text(json.dumps(config | {"add_bos_token": False}))
    assert find_prefix(folder, load_tokenizer(str(folder))) == []


def test_tokenizer_json_decides_and_not_the_class_that_transformers_chooses(
    model_folder: Callable[[str], Path],
) -> None:
    # For the qwen2 architecture AutoTokenizer adds NFC: "e" and an accent would be one character.
    folder = model_folder("qwen2")
    thinking = "e\u0301 B\u0304\n\nx"
    (scores,) = load_scorer(str(folder), device="cpu").score(
        [ScoreRequest("", thinking, (Step(0, 5), Step(7, 8)))]
    )
    n_bare = load_counter(str(folder)).count(["<think>\n" + thinking[:-1]])[0]
    assert scores.first_token_index[1] == n_bare


@pytest.mark.parametrize("ending", ["", "<think>", "<think>\n"])
def test_the_template_opens_the_thinking_once(copied: Path, ending: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(copied)
    tokenizer.chat_template = (
        "{{ bos_token }}{% for message in messages %}User: {{ message['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}Assistant: "
        + ending.replace("\n", "{{ '\n' }}")
        + "{% endif %}"
    )
    tokenizer.save_pretrained(copied)
    write = load_template(copied)
    assert write("a?") == "<|begin|>User: a?\nAssistant: <think>\n"
    assert write("") == "<think>\n"
    scorer = load_scorer(str(copied), device="cpu", context="template")
    question_tokens = tokenizer(write("a?"), add_special_tokens=False)["input_ids"]
    (scores,) = scorer.score([ScoreRequest("a?", "Okay.", (Step(0, 5),))])
    assert scores.first_token_index == (len(question_tokens),)
    assert question_tokens[0] == 0


def test_no_template(copied: Path) -> None:
    with pytest.raises(ModelError, match="has no chat template; use the context 'raw'"):
        load_scorer(str(copied), device="cpu", context="template")


def break_nothing(folder: Path) -> None:
    del folder


def drop_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def drop_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def lose_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def unknown_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "nonsense"}))


def add_tokens(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (drop_config, {}, "no config.json"),
        (drop_weights, {}, "holds no weights"),
        (drop_tokenizer, {}, "has no tokenizer.json"),
        (cut_weights, {}, "cannot be loaded"),
        (lose_a_weight, {}, "lacks 1 of its weights"),
        (unknown_architecture, {}, "cannot be loaded"),
        (add_tokens, {}, "do not belong together"),
        (break_nothing, {"dtype": "fp8"}, "must be 'auto', 'bf16' or 'fp32'"),
        (break_nothing, {"device": "abacus"}, "no device 'abacus'"),
        (break_nothing, {"context": "chat"}, "must be 'raw' or 'template'"),
    ],
)
def test_what_cannot_be_loaded(
    spoil: Callable[[Path], None], arguments: dict[str, str], message: str, copied: Path
) -> None:
    spoil(copied)
    with pytest.raises(ModelError, match=message) as caught:
        load_scorer(str(copied), **{"device": "cpu"} | arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_builtin_without_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("asap.surprisal.model_folder._BUILTIN_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="has no built-in model"):
        load_scorer("builtin")


def test_builtin_is_loaded_like_any_other(monkeypatch: pytest.MonkeyPatch, copied: Path) -> None:
    monkeypatch.setattr("asap.surprisal.model_folder._BUILTIN_FOLDER", copied)
    assert load_scorer("builtin", device="cpu").name == load_scorer(str(copied), device="cpu").name
    assert load_counter("builtin").name == load_counter(str(copied)).name


def test_a_missing_extra_is_named(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("asap.surprisal.")]:
        if module.rpartition(".")[2] in {"context", "model", "transformers_scorer"}:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'asap-cot\[score\]'"):
        load_scorer(str(copied))
