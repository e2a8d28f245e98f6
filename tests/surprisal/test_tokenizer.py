"""Token counters: names, spans, and tokenizers that are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from asap.errors import ModelError
from asap.surprisal import FakeCounter, load_counter
from asap.surprisal.tokenizer import load_tokenizer
from asap.trace import TokenCounter


@pytest.fixture
def folder(model_folder: Callable[[str], Path]) -> Path:
    return model_folder("llama")


@pytest.fixture(params=["fake", "folder", "file"])
def counter(request: pytest.FixtureRequest, folder: Path) -> TokenCounter:
    if request.param == "fake":
        return FakeCounter()
    return load_counter(str(folder if request.param == "folder" else folder / "tokenizer.json"))


def test_every_counter_keeps_the_contract(counter: TokenCounter) -> None:
    texts = ["", "One.\n\nTwo 🙂  three\r\n", "  x", "été\n"]
    starts = counter.token_starts(texts)
    assert counter.count(texts) == [len(each) for each in starts]
    assert starts[0] == []
    for text, each in zip(texts, starts, strict=True):
        assert each == sorted(each)
        assert all(0 <= start < len(text) for start in each)
        assert not text or each[0] == 0
    assert starts[1:] == [counter.token_starts([text])[0] for text in texts[1:]]
    assert counter.name


def test_the_fake_counter_by_hand() -> None:
    # "Hm" "," " n" " =" " 3" "\n\nSo" " \n"
    assert FakeCounter().token_starts(["Hm, n = 3\n\nSo \n"]) == [[0, 2, 3, 5, 7, 9, 13]]


def test_one_character_of_several_tokens_counts_as_several(folder: Path) -> None:
    # the ideograph is three bytes, none of them merged in this vocabulary
    assert load_counter(str(folder)).token_starts(["a漢b"]) == [[0, 1, 1, 1, 2]]


def test_special_tokens_are_not_counted(folder: Path) -> None:
    assert len(Tokenizer.from_file(str(folder / "tokenizer.json")).encode("a").ids) == 2
    assert load_counter(str(folder)).count(["a"]) == [1]


def test_the_name_tells_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    by_folder, by_file = load_counter(str(folder)), load_counter(str(folder / "tokenizer.json"))
    assert by_folder.name == by_file.name
    assert by_folder.name.startswith("tiny-llama@")
    changed = tmp_path / "tiny-llama"
    changed.mkdir()
    content = json.loads((folder / "tokenizer.json").read_text())
    content["added_tokens"] = []
    (changed / "tokenizer.json").write_text(json.dumps(content))
    assert load_counter(str(changed)).name != by_folder.name


def test_truncation_and_padding_of_the_file_are_ignored(folder: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    counter, plain = load_counter(str(tmp_path)), load_counter(str(folder))
    texts = ["x", "a much longer text than three tokens"]
    assert counter.count(texts) == plain.count(texts)


def test_white_space_that_a_post_processor_trims_belongs_to_its_token(
    folder: Path, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    text = "So the answer  is\n\n 3"
    assert load_counter(str(tmp_path)).token_starts([text]) == load_counter(
        str(folder)
    ).token_starts([text])


def test_a_lone_surrogate_is_read_as_a_replacement_character(folder: Path) -> None:
    counter = load_counter(str(folder))
    assert counter.token_starts(["a\ud83d b"]) == counter.token_starts(["a\ufffd b"])


def test_a_normaliser_that_merges_characters(folder: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    text = "o\u0323\u0302\u0301 \u1100\u1161\u11a8 e\u0301\n\nx"
    (starts,) = load_counter(str(tmp_path)).token_starts([text])
    assert starts == sorted(starts)
    assert starts[-1] == text.index("x")


def test_a_tokenizer_that_alters_the_text_is_refused_by_name(tmp_path: Path, folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.Lowercase()
    (tmp_path / "shouting").mkdir()
    tokenizer.save(str(tmp_path / "shouting" / "tokenizer.json"))
    with pytest.raises(ModelError, match="tokenizer shouting does not give a text back"):
        load_counter(str(tmp_path / "shouting"))


def test_offsets_that_leave_text_out_are_refused(tmp_path: Path) -> None:
    # a word-level vocabulary that knows the probe's words and throws digits after a "#" away
    probe = "Wait, let X1 = a[0];\n\n    if a != b:\n\treturn 1\nSo the answer is 27."
    pieces = sorted(set(probe))
    tokenizer = Tokenizer(models.WordLevel({p: i for i, p in enumerate(pieces)}, unk_token=" "))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("#", "removed"),
            pre_tokenizers.Split("", "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Fuse()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    counter = load_counter(str(path))
    assert counter.count(["So it"]) == [5]
    with pytest.raises(ModelError, match=r"do not reconstruct the text at character 2 \('#x'\)"):
        counter.count(["So#x"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{tmp}", "has no tokenizer.json"),
        ("{tmp}/broken.json", "is no tokenizer that can be read"),
        ("no such id!", "neither 'builtin' nor a folder or file"),
        ("{tmp}/nowhere/at/all", "neither 'builtin' nor a folder or file"),
    ],
)
def test_what_is_no_tokenizer(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ModelError, match=message) as caught:
        load_counter(name.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)


def test_builtin_without_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("asap.surprisal.model_folder._BUILTIN_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="has no built-in model"):
        load_counter("builtin")


def test_a_counter_needs_no_torch_and_forks_in_silence(folder: Path) -> None:
    code = f"""
import sys
from asap.surprisal import load_counter
counter = load_counter({str(folder)!r})
counter.count(["a b", "c d"] * 50)
assert "torch" not in sys.modules and "transformers" not in sys.modules
import os
child = os.fork()
if child == 0:
    counter.count(["a b"] * 50)
    os._exit(0)
os.waitpid(child, 0)
"""
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ids_and_texts_of_tokens(folder: Path) -> None:
    tokenizer = load_tokenizer(str(folder))
    (tokens,) = tokenizer.tokenize(["Wait, the漢"])
    assert "".join(tokenizer.token_text(i) for i in tokens.ids[:-3]) == "Wait, the"
    assert tokenizer.token_text(tokens.ids[-1]) == "\ufffd"
