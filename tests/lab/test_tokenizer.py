"""The lab's tokenizer as its users have it: a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from asap.lab import (
    GPU,
    REGIMES,
    SMALL,
    TINY,
    LabTrace,
    Task,
    draw_traces,
    list_words,
    write_tokenizer,
)
from asap.surprisal import load_counter

WORDS = re.compile(r"</?think>|\n\n|\n|[A-Za-z']+|\d+|==|[^\sA-Za-z\d]")


@pytest.fixture(params=[TINY, SMALL, GPU], ids=lambda task: task.size)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


@pytest.fixture
def folder(task: Task, tmp_path: Path) -> Path:
    write_tokenizer(tmp_path / "model", task)
    return tmp_path / "model"


def texts_of(trace: LabTrace) -> list[str]:
    whole = f"{trace.question}\n<think>\n{trace.thinking}\n</think>\n{trace.answer}"
    return [whole, trace.clean]


def test_every_text_is_one_token_per_word_and_sign(task: Task, folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for regime in REGIMES:
        for trace in draw_traces(task, regime, "train", 250, 3):
            for text in texts_of(trace):
                encoding = tokenizer.encode(text, add_special_tokens=False)
                assert "<unk>" not in encoding.tokens
                assert tokenizer.decode(encoding.ids, skip_special_tokens=False) == text
                assert len(encoding.ids) == len(WORDS.findall(text))


def test_the_vocabulary_is_small(task: Task, folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert len(list_words(task)) + 8 < 200
    assert tokenizer.get_vocab_size() <= 265


def test_any_other_text_is_read_character_by_character(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "Zebra!\t{weird} ~ So 123\r"
    encoding = tokenizer.encode(text.rstrip("\r"), add_special_tokens=False)
    assert tokenizer.decode(encoding.ids, skip_special_tokens=False) == text.rstrip("\r")
    assert encoding.tokens[:5] == list("Zebra")
    assert tokenizer.encode("é", add_special_tokens=False).tokens == ["<unk>"]


def test_budgets_count_with_it(task: Task, folder: Path) -> None:
    counter = load_counter(str(folder))
    trace = next(draw_traces(task, "shared", "train", 1, 3))
    assert counter.count([trace.thinking]) == [len(WORDS.findall(trace.thinking))]
    starts = counter.token_starts(["So c = 7.\n\nWait, c"])[0]
    assert starts == [0, 2, 4, 6, 8, 9, 11, 15, 16]


def test_the_same_task_writes_the_same_bytes(task: Task, folder: Path, tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "again", task)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_transformers_reads_it_alike(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    text = "So c = 7.\n</think>\n7"
    bare = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = bare.encode(text, add_special_tokens=False).ids
    assert tokenizer(text)["input_ids"] == [tokenizer.bos_token_id, *ids]
    whole = [*ids, tokenizer.eos_token_id, tokenizer.pad_token_id]
    assert tokenizer.decode(whole, skip_special_tokens=True) == text
