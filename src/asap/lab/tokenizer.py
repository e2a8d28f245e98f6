"""The lab's tokenizer, in Hugging Face format: one token per word or sign of its texts.

A token carries the blank before it, so that tokens joined are the text. What is no word of the task
falls to single characters of printable ASCII, so that any other text of it can be read, too. The
special tokens have DeepSeek-R1's names.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from asap.lab import habits, openers, program, sentences, wrong_turn
from asap.lab.pieces import PATTERN, cut_pieces
from asap.lab.task import QUESTION, SEPARATOR, Task

BEGIN = "<｜begin▁of▁sentence｜>"
END = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
UNKNOWN = "<unk>"
_SPECIAL = (PAD, UNKNOWN, BEGIN, END)
_MARKS = ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>")
"""Tokens of their own, but not special, as with DeepSeek-R1: decoding keeps them."""
_CODE_WORDS = ("def", "if", "else", "for", "return", "append", " if", " in", " return", " range")
"""Each with a blank before it or without, as it comes."""
_MAX_INDENTS = 3
_PLACEHOLDER = re.compile(r"\{\w+\}")


def list_words(task: Task) -> tuple[str, ...]:
    """Every token that the task's texts are made of, special ones aside, in order.

    Args:
        task: its texts' words differ by size in few points.
    """
    dials = task.difficulty
    atoms = {
        *program.SCALARS,
        *program.LISTS,
        *program.LOOP_VARIABLES,
        program.HELPER_PARAMETER,
        *map(str, range(program.MODULUS)),
        *filter(None, dials.functions),
    }
    words = {*atoms, *(f" {atom}" for atom in atoms), *_CODE_WORDS, "\n", SEPARATOR}
    words |= {f" {name}" for name in (program.HELPER, program.MAIN, program.MODULUS)}
    words |= {"\n" + "    " * depth for depth in range(1, _MAX_INDENTS + 1)}
    words |= {f" {sign}" for sign in (*dials.operators, *dials.comparisons, "=", "%", "[", "(")}
    words |= set("()[],.:?=")
    for text in _list_texts():
        words.update(cut_pieces(_PLACEHOLDER.sub("", text)))
    return tuple(sorted(words - {" ", " .", " ,"}))  # of blanks round what is filled in


def _list_texts() -> Iterator[str]:
    """Everything that is said in words; a sentence of a step follows an opener and a blank."""
    yield QUESTION
    yield from openers.PHRASES.values()
    yield from (sentences.MOD, sentences.AND, *(f" {truth}" for truth in sentences.TRUTH))
    for template in sentences.SENTENCES.values():
        yield f" {template}"
    for phrases in (*habits.PHRASES.values(), wrong_turn.WITHDRAWALS):
        yield from (f" {phrase}" for phrase in phrases)


def write_tokenizer(folder: Path, task: Task) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`.

    Args:
        folder: made where it does not exist; files of those names in it are replaced.
        task: whose texts the tokenizer is made for.
    """
    characters = (*string.printable[:95], "\t", "\n")
    pieces = dict.fromkeys((*_SPECIAL, *_MARKS, *list_words(task), *characters))
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    # Without merges a piece is a token where the vocabulary has it, else it falls to characters.
    model = models.BPE(vocabulary, [], unk_token=UNKNOWN, ignore_merges=True)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in _SPECIAL])
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in _MARKS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, vocabulary[BEGIN])]
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    text = json.dumps(config, ensure_ascii=False, indent=2)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
