"""The token classifier of transformers, on tiny random models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Regex as Pattern
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    BertForTokenClassification,
    PreTrainedTokenizerFast,
)

from asap.errors import ModelError
from asap.surprisal import TokenClassifier, load_classifier
from asap.surprisal.transformers_classifier import cut_chunks

SENTENCE = "Wait, let me check the first example again.\n\nn = 3, so the sum is 6 🙂. "
TEXTS = [SENTENCE, "", "  \n", SENTENCE * 9, "a"]


def save_classifier(folder: Path, *, n_labels: int = 2, max_length: int = 64) -> Path:
    """Pieces as XLM-R's: white space is one mark before a word, line breaks are gone."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Replace(Pattern(r"\s+"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=80,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([SENTENCE * 4], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=max_length
    )
    fast.save_pretrained(folder)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=max_length,
        num_labels=n_labels,
        initializer_range=0.5,
        pad_token_id=1,
    )
    BertForTokenClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("models") / "tiny-classifier")


@pytest.fixture(scope="module")
def classifier(folder: Path) -> TokenClassifier:
    return load_classifier(str(folder), dtype="fp32", device="cpu")


def test_equals_plain_forward_passes_chunk_by_chunk(
    folder: Path, classifier: TokenClassifier
) -> None:
    model = AutoModelForTokenClassification.from_pretrained(str(folder)).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text, labels in zip(TEXTS, classifier.classify(TEXTS), strict=True):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        assert list(zip(labels.starts, labels.ends, strict=True)) == encoding.offsets
        for chunk in sorted(set(labels.chunk)):
            here = [i for i, number in enumerate(labels.chunk) if number == chunk]
            # 64 positions less <s> and </s>.
            assert len(here) <= 62
            ids = [0, *(encoding.ids[i] for i in here), 2]
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0, 1:-1].double()
            expected = 1 / (1 + (logits[:, 0] - logits[:, 1]).exp())
            found = [labels.keep[i] for i in here]
            assert found == pytest.approx(expected.tolist(), abs=1e-5)
    long = classifier.classify([SENTENCE * 9])[0]
    assert max(long.chunk) >= 4
    assert max(long.keep) - min(long.keep) > 0.1


def test_offsets_say_where_in_the_text_the_pieces_stand(classifier: TokenClassifier) -> None:
    # The line breaks that the tokenizer drops and the emoji that it does not know count as signs.
    (labels,) = classifier.classify([SENTENCE])
    covered = {i for s, e in zip(labels.starts, labels.ends, strict=True) for i in range(s, e)}
    assert {i for i, sign in enumerate(SENTENCE) if not sign.isspace()} <= covered
    assert (list(labels.starts), list(labels.ends)) == (sorted(labels.starts), sorted(labels.ends))
    at_break = SENTENCE.index("n = 3")
    assert any(start in (at_break - 2, at_break) for start in labels.starts)


def test_order_and_company_make_no_difference(classifier: TokenClassifier) -> None:
    together = classifier.classify(TEXTS[::-1])[::-1]
    for text, labels in zip(TEXTS, together, strict=True):
        (alone,) = classifier.classify([text])
        assert (alone.starts, alone.ends, alone.chunk) == (labels.starts, labels.ends, labels.chunk)
        assert alone.keep == pytest.approx(labels.keep, abs=1e-5)


def test_nothing_to_classify(classifier: TokenClassifier) -> None:
    assert classifier.classify([]) == []
    (labels,) = classifier.classify([""])
    assert labels.keep == ()


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # At most four: behind the last full stop or line break within reach, else where it is full.
        ("a b . c d e", [(0, 3), (3, 6)]),
        ("a b c d e", [(0, 4), (4, 5)]),
        (". b . d e . g h i", [(0, 3), (3, 6), (6, 9)]),
        ("a b c .", [(0, 4)]),
        ("a b c . e", [(0, 4), (4, 5)]),
        ("", []),
    ],
)
def test_chunks(pieces: str, expected: list[tuple[int, int]]) -> None:
    assert cut_chunks(pieces.split(), 4) == expected


def test_a_line_break_ends_a_chunk_and_so_does_a_full_stop_behind_a_blank() -> None:
    assert cut_chunks(["a", ":\n\n", "c", "d", "e"], 4) == [(0, 2), (2, 5)]
    assert cut_chunks(["a", " .", "c", "d", "e"], 4) == [(0, 2), (2, 5)]
    # A line break before a word ends nothing: the chunk is full.
    assert cut_chunks(["a", "\nb", "c", "d", "e"], 4) == [(0, 4), (4, 5)]


def test_the_name_ends_in_a_digest_of_the_weights(
    folder: Path, classifier: TokenClassifier
) -> None:
    label, _, digest = classifier.name.partition("@")
    assert label == "tiny-classifier"
    digits, _, number_type = digest.partition(":")
    assert (len(digits), number_type) == (12, "fp32")


def test_another_number_of_labels_is_refused(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "three", n_labels=3)
    with pytest.raises(ModelError, match="3 labels"):
        load_classifier(str(folder), device="cpu")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load_classifier(str(tmp_path))
