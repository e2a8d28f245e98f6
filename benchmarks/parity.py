"""`selective-context` and `llmlingua2` beside the published packages, unit by unit.

It runs in an environment of its own, as the packages pin old dependencies:

    python -m venv PARITY
    PARITY/bin/pip install --no-deps selective-context==0.1.4 llmlingua==0.2.2
    PARITY/bin/pip install torch 'transformers<5' tiktoken nltk spacy accelerate pyarrow pydantic \
        pyyaml cydifflib
    PYTHONPATH=src PARITY/bin/python benchmarks/parity.py --data "$ASAP_REAL_DATA"

Nothing is fetched. Selective Context reads with the built-in model instead of GPT-2, and gets our
phrases instead of spaCy's. LLMLingua-2 reads with a small XLM-RoBERTa of random weights (drawn
wide: its probabilities differ), and counts the built-in model's tokens instead of GPT-3.5's.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import gzip
import itertools
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from asap.prune import METHODS, Options, Tools
from asap.prune.selective_context import cut_phrases
from asap.surprisal import find_model_folder, load_classifier, load_counter, load_scorer
from asap.trace import (
    Budget,
    Excluded,
    Rewritten,
    TokenCounter,
    Trace,
    count_tokens,
    segment_trace,
)

SOURCES = ("codeforces-cots-r1", "cruxeval-o-r1")
UNIT_NAMES = {"token": "token", "phrase": "phrase", "sentence": "sent"}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def read_traces(data: Path, n_traces: int) -> list[Trace]:
    """Counted dev traces, the same number of each source."""
    counter = load_counter("builtin")
    traces: list[Trace] = []
    for source in SOURCES:
        with gzip.open(data / source / "traces.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = (json.loads(line) for line in lines)
            for row in islice((row for row in rows if row["split"] == "dev"), n_traces):
                text = row.get("reasoning") or row["generation"].partition("<think>")[2]
                thinking = text.partition("</think>")[0].strip()
                trace = Trace(len(traces), row["id"], "", thinking, "x")
                traces.append(segment_trace(trace, "block"))
    return count_tokens(traces, counter)


@dataclass(frozen=True)
class Comparison:
    """One trace by both."""

    ours: str
    published: str

    @property
    def is_equal(self) -> bool:
        """The same signs in the same order, white space aside."""
        return _squeeze(self.ours) == _squeeze(self.published)

    @property
    def similarity(self) -> float:
        """Share of the words that both have, in order."""
        words = self.ours.split(), self.published.split()
        return difflib.SequenceMatcher(None, *words, autojunk=False).ratio()

    def first_difference(self) -> str:
        """Where the two part, with what stands round it."""
        ours, published = _squeeze(self.ours), _squeeze(self.published)
        pairs = enumerate(zip(ours, published, strict=False))
        place = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(published)))
        return f"…{ours[max(0, place - 20) : place]}| {ours[place : place + 20]!r} against " + repr(
            published[place : place + 20]
        )


Row = tuple[str, list[Comparison]]


@dataclass(frozen=True)
class Setting:
    """What ours and theirs are told."""

    name: str
    ratio: float
    fields: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)


def _squeeze(text: str) -> str:
    return "".join(text.split())


def prune(method: str, traces: Sequence[Trace], tools: Tools, ratio: float, **fields: Any) -> Any:
    """Our texts under the published settings."""
    options = Options(cut="percentile", preserve_whitespace=False, **fields)
    for outcome in METHODS[method](options).prune(traces, Budget(ratio=ratio), tools):
        if isinstance(outcome, Excluded) or not isinstance(outcome, Rewritten):
            raise RuntimeError(f"not pruned: {outcome}")
        yield outcome.variants[0].thinking


@dataclass(frozen=True)
class Chunk:
    """What the package reads of a spaCy token."""

    text: str
    whitespace_: str


def phrases_as_spacy(text: str) -> list[Chunk]:
    """Our phrases in the shape of a spaCy document."""
    spans = cut_phrases(text)
    nexts = [start for start, _ in spans[1:]] + [len(text)]
    return [
        Chunk(text[start:end], text[end:following])
        for (start, end), following in zip(spans, nexts, strict=True)
    ]


def published_selective_context() -> Any:
    """The package's object on the built-in model, without the downloads of its constructor."""
    import selective_context  # type: ignore[import-not-found]
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    folder, _ = find_model_folder("builtin")
    published = selective_context.SelectiveContext.__new__(selective_context.SelectiveContext)
    published.lang = "en"
    published.device = torch.device("cpu")
    published.sent_level_self_info = True
    published.sent_tokenize_pattern = r"(?<!\w\.\w.)(?<![A-Z][a-z]\.)(?<=\.|\?)\s"
    published.phrase_mask_token = published.mask_token = ""
    published.keep_leading_word = False
    published.nlp = phrases_as_spacy
    published.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    published.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    published.model.train(False)
    published.get_self_information = published._get_self_info_via_gpt2
    return published


def _no_phrases(*_: Any) -> tuple[list[str], list[float]]:
    return [""], [0.0]


def without_blanks(published: Any, text: str, share: float, name: str) -> str:
    """The package's text, where a token that is a blank alone is no unit and has no say in a mean;
    for phrases the package does so itself.
    """

    def read(sentence: str) -> tuple[list[str], list[float]]:
        pairs = zip(*published._get_self_info_via_gpt2(sentence), strict=True)
        tokens, values = zip(*((t, value) for t, value in pairs if t.strip()), strict=True)
        return list(tokens), list(values)

    with (
        mock.patch.object(published, "get_self_information", read),
        mock.patch.object(published, "_calculate_lexical_unit", side_effect=_no_phrases),
    ):
        compressed: str = published(text, share, name)[0]
    return compressed


def compare_selective_context(traces: Sequence[Trace], ratio: float) -> Iterator[Row]:
    """Each unit kind over all traces."""
    published = published_selective_context()
    scorer = load_scorer("builtin", dtype="fp32", device="cpu")
    tools = Tools(load_counter("builtin"), scorer)
    for unit, name in UNIT_NAMES.items():
        ours = prune("selective-context", traces, tools, ratio, unit=unit)
        theirs = (published(trace.thinking, 1 - ratio, name)[0] for trace in traces)
        pairs = [Comparison(a, b) for a, b in zip(ours, theirs, strict=True)]
        yield f"selective-context, {unit}, as it is", pairs
        if unit != "phrase":
            theirs = (
                without_blanks(published, trace.thinking, 1 - ratio, name) for trace in traces
            )
            pairs = [Comparison(pair.ours, text) for pair, text in zip(pairs, theirs, strict=True)]
            yield f"selective-context, {unit}, blanks left out", pairs


def make_classifier(folder: Path, traces: Sequence[Trace]) -> Path:
    """A small XLM-RoBERTa with a SentencePiece-like tokenizer; the package asks for its name."""
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import (
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
        XLMRobertaForTokenClassification,
    )

    path = folder / "tiny-xlm-roberta-large"
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        [trace.thinking for trace in traces],
        trainers.UnigramTrainer(
            vocab_size=2000, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    names = ("bos", "pad", "eos", "unk", "mask")
    special: dict[str, Any] = {
        f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)
    }
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=512,
        **special,
    )
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=514,
        initializer_range=0.3,
    )
    XLMRobertaForTokenClassification(config).save_pretrained(path)
    return path


class StudentTokens:
    """In the place of GPT-3.5's tokenizer."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter

    def encode(self, text: str) -> range:
        """As many things as the text has tokens; a word comes with SentencePiece's mark."""
        return range(self._counter.count([text.lstrip("▁")])[0])


def compare_llmlingua2(
    folder: Path, traces: Sequence[Trace], ratios: Sequence[float]
) -> Iterator[Row]:
    """Each ratio and each way with words over all traces."""
    counter = load_counter("builtin")
    path = make_classifier(folder, traces)
    from llmlingua import prompt_compressor  # type: ignore[import-not-found]

    with mock.patch("tiktoken.encoding_for_model", return_value=StudentTokens(counter)):
        published = prompt_compressor.PromptCompressor(
            str(path), device_map="cpu", use_llmlingua2=True
        )
    tools = Tools(counter, classifier=load_classifier(str(path), dtype="fp32", device="cpu"))
    dataset = prompt_compressor.TokenClfDataset
    short = cut_short(traces, counter)
    settings = [
        *(Setting(f"ratio {ratio}", ratio) for ratio in ratios),
        Setting("first", 0.5, {"word_probability": "first"}, {"token_to_word": "first"}),
        Setting("digits", 0.5, {"force_digits": True}, {"force_reserve_digit": True}),
        Setting("force `:`", 0.5, {"force_tokens": (":",)}, {"force_tokens": [":"]}),
    ]

    def compare(texts: Sequence[Trace], setting: Setting, what: str) -> Row:
        ours = prune("llmlingua2", texts, tools, setting.ratio, **setting.fields)
        theirs = (
            published.compress_prompt_llmlingua2(
                [text.thinking], rate=setting.ratio, **setting.arguments
            )["compressed_prompt"]
            for text in texts
        )
        pairs = [Comparison(a, b) for a, b in zip(ours, theirs, strict=True)]
        return f"llmlingua2, {setting.name}, {what}", pairs

    half = Setting("ratio 0.5", 0.5)
    yield compare(traces, half, "whole traces, as it is")
    # It forgets to tell its own data set that the model is an XLM-RoBERTa: what should be <s> and
    # </s> becomes <unk>. And of 512 places its chunks have 511 pieces, so that the closing </s> is
    # cut off.
    prompt_compressor.TokenClfDataset = functools.partial(dataset, model_name=path.name)
    published.max_seq_len = 511
    yield compare(traces, half, "whole traces, mended")
    for setting in settings:
        yield compare(short, setting, "one chunk each, mended")


def cut_short(traces: Sequence[Trace], counter: TokenCounter) -> list[Trace]:
    """The traces in texts of some 600 signs, whole paragraphs, that fit into one chunk."""
    texts: list[str] = []
    for trace in traces:
        paragraphs = iter(trace.thinking.split("\n\n"))
        text = next(paragraphs)
        for paragraph in paragraphs:
            if len(text) + len(paragraph) > 600:
                texts.append(text)
                text = paragraph
            else:
                text += "\n\n" + paragraph
        texts.append(text)
    cut = [Trace(i, str(i), "", text, "x") for i, text in enumerate(texts) if 0 < len(text) <= 900]
    return count_tokens([segment_trace(trace, "block") for trace in cut], counter)


def main() -> None:
    """A line of the table for each setting, and where the first unlike pair parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the sources")
    parser.add_argument("--traces", type=int, default=5, help="dev traces of each source")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    traces = read_traces(args.data, args.traces)
    print("| method, setting | traces | equal | words in common |\n|---|---:|---:|---:|")
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = itertools.chain(
            compare_selective_context(traces, 0.5),
            compare_llmlingua2(Path(folder), traces, (0.9, 0.7, 0.5, 0.3)),
        )
        for name, pairs in rows:
            equal = sum(pair.is_equal for pair in pairs)
            share = sum(pair.similarity for pair in pairs) / len(pairs)
            print(f"| {name} | {len(pairs)} | {equal} | {share:.4f} |", flush=True)
            unlike = [pair.first_difference() for pair in pairs if not pair.is_equal]
            notes += [f"{name}: {difference}" for difference in unlike[:3]]
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main()
