"""The labels that the small token classifier learns from, and the figure it is judged by."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from asap.surprisal import find_model_folder, load_classifier

ROOT = Path(__file__).parents[2]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "train_classifier", ROOT / "tools" / "train_classifier.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool: Any = load_tool()


def builtin_tokenizer() -> Any:
    folder, _ = find_model_folder("builtin")
    return PreTrainedTokenizerFast.from_pretrained(folder)


def test_tokens_of_redundant_plants_go_and_nothing_else_does() -> None:
    first, planted, corruption, last = "Sum it.\n\n", "So sum it.\n\n", "The sum is 7.\n\n", "Done."
    text = first + planted + corruption + last
    begin = len(first)
    middle = begin + len(planted)
    plants = [
        SimpleNamespace(is_redundant=True, start=begin, end=middle),
        SimpleNamespace(is_redundant=False, start=middle, end=middle + len(corruption)),
    ]
    tokenizer = builtin_tokenizer()
    ((ids, labels),) = tool.label(
        SimpleNamespace(trace=SimpleNamespace(thinking=text), plants=plants), tokenizer
    )
    assert (ids[0], labels[0]) == (tokenizer.bos_token_id, tool.SPECIAL)
    going = [i for i, one in zip(ids, labels, strict=True) if one == tool.GOES]
    assert tokenizer.decode(going) == planted
    assert set(labels[1:]) == {tool.GOES, tool.STAYS}


def test_a_long_text_is_cut_into_chunks_of_510() -> None:
    planted = SimpleNamespace(trace=SimpleNamespace(thinking="7 " * 600), plants=[])
    examples = tool.label(planted, builtin_tokenizer())
    lengths = [len(ids) for ids, _ in examples]
    assert max(lengths) == 511
    assert len(lengths) >= 2


def test_auc_by_hand() -> None:
    # Of the four pairs (stays, goes) three are in order: .9 > .3, .9 > .5, .4 > .3, .4 < .5.
    keep, labels = torch.tensor([0.9, 0.3, 0.4, 0.5]), torch.tensor([1, 0, 1, 0])
    assert tool.auc(keep, labels) == 0.75


def test_what_it_writes_is_a_classifier(tmp_path: Path) -> None:
    tokenizer = builtin_tokenizer()
    tokenizer.model_max_length = tool.CHUNK + 2
    tool.make_model(len(tokenizer), 32, 1).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    classifier = load_classifier(str(tmp_path / "tiny"), dtype="fp32", device="cpu")
    (labels,) = classifier.classify(["So sum it.\n\n"])
    assert labels.ends[-1] == len("So sum it.\n\n")
    assert all(0.0 < keep < 1.0 for keep in labels.keep)
