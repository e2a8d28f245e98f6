"""Evidence: what the answer of a row rests on, and which passages of its thinking mention it.

For a program these are its names, constants, calls and operations on two operands. For a value
answer: those of the question (or of the answer, where there is no question), and the intermediate
values that one passage hands on to another. The weight of a piece is its rarity among the passages
of the same trace. Passages that draft the answer do not count: the answer follows anyway. It reads
text by its shape and knows no language's grammar.
"""

from __future__ import annotations

import keyword
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asap.prune.passage import Passage, StepKind, classify_steps
from asap.trace import Trace, find_fences

DRAFT_SHARE = 0.5
"""From this share of its characters on, a passage whose lines stand in the answer is a draft."""

_TOKEN = re.compile(
    r"[A-Za-z_]\w*|\d+(?:\.\d+)?"
    r"|(?<![\w'])'[^'\s](?:[^'\n]{0,58}[^'\s])?'(?!\w)|\"[^\"\s](?:[^\"\n]{0,58}[^\"\s])?\""
    r"|[^\w\s]"
)
_BRACKETED = re.compile(r"(?<![\w\]])\[[^\[\]\n]{0,200}\]|(?<!\w)\{[^{}\n]{0,200}\}")
_CONCLUDING = (
    r"(?:is|be|are|==|=|→|->|returns?|equals?|gives?|output|result|answer|:|becomes|as|get)"
    r"(?:exactly|just|still|simply|then|thelist|thestring)?"
)
CONCLUSION = "the answer itself"
"""The piece of evidence that a passage mentions which concludes with the answer."""
_CONCLUSION_WEIGHT = 2.0
"""Beside the rarest piece."""
_SINGLE_VALUE = 0.5
_MAX_VALUE_CHARACTERS = 400
"""A longer answer is no value that a sentence could conclude with."""
_COMMENT = re.compile(r"#(?!include).*|//.*")
_MIN_LINE_CHARACTERS = 6
"""Shorter lines (`else:`, `}`) stand in every program."""
_MIN_WORD_CHARACTERS = 5
_OPERATORS = frozenset("+-*/%<>=&|^[.")
_SMALL = frozenset(("0", "1", "2"))
_PLUMBING = """
    int long double float bool void char auto const include using namespace std string vector str
    list len range map input print split open read readline stdin stdout sys main data next iter
    self i a I the
"""
_KEYWORDS = frozenset((*keyword.kwlist, *_PLUMBING.split()))
"""No evidence: the language's own words, reading and writing, names that are English words."""


@dataclass(frozen=True)
class Reading:
    """A trace read once: what its passages hold and what of that is evidence."""

    trace: Trace
    passages: tuple[Passage, ...]
    kinds: tuple[StepKind, ...]
    """Kind of each step."""
    texts: tuple[str, ...]
    """Text of each passage, verbatim."""
    is_program: bool
    """Whether the answer is a program (a fenced block of code stands in it)."""
    draft_shares: tuple[float, ...]
    """By passage the share of its characters in lines that stand in the answer or the question."""
    mentions: tuple[tuple[str, ...], ...]
    """By passage the evidence it mentions, in order; drafts mention none."""
    weights: dict[str, float]
    """The worth of each piece of evidence that is mentioned at all."""


def read_trace(trace: Trace, passages: Sequence[Passage]) -> Reading:
    """Find the evidence of a trace.

    Args:
        trace: a trace with steps.
        passages: its passages.
    """
    kinds = tuple(classify_steps(trace))
    texts = tuple(_passage_text(trace, passage) for passage in passages)
    tokens = [_tokenize(text) for text in texts]
    code = find_code(trace.answer)
    lines = {*pack_lines(code), *pack_lines(trace.question)}
    shares = tuple(_share_of_lines(text, lines) if lines else 0.0 for text in texts)
    evidence = _program_evidence(code) if code else _value_evidence(trace, tokens)
    mentions = tuple(
        () if share >= DRAFT_SHARE else tuple(f for f in _features(found) if f in evidence)
        for found, share in zip(tokens, shares, strict=True)
    )
    n_mentions = Counter(name for mention in mentions for name in mention)
    weights = {
        # a value that is not handed on may be a slip as well as a link
        name: math.log(1 + len(texts) / n) * (1.0 if n > 1 or code else _SINGLE_VALUE)
        for name, n in n_mentions.items()
    }
    if not code and (conclusion := compile_conclusion(trace.answer)):
        weights[CONCLUSION] = _CONCLUSION_WEIGHT * math.log(1 + len(texts))
        mentions = tuple(
            (*mention, CONCLUSION) if conclusion.search(pack(text)) else mention
            for mention, text in zip(mentions, texts, strict=True)
        )
    return Reading(trace, tuple(passages), kinds, texts, bool(code), shares, mentions, weights)


def find_code(answer: str) -> str:
    """The fenced code of an answer without its fence lines; empty where there is none."""
    blocks = [answer[start:end].split("\n")[1:-1] for start, end in find_fences(answer)]
    return "\n".join(line for block in blocks for line in block)


def pack_lines(code: str) -> Iterator[str]:
    """Lines of code as they compare: without comments and white space, bare keywords left out."""
    for line in code.split("\n"):
        packed = "".join(_COMMENT.sub("", line).split())
        if len(packed) >= _MIN_LINE_CHARACTERS:
            yield packed


def compile_conclusion(answer: str) -> re.Pattern[str] | None:
    """What a packed text matches that concludes with this answer; None where it is no value."""
    if not answer.strip() or len(answer) > _MAX_VALUE_CHARACTERS:
        return None
    value = re.escape(pack(answer)) or "(?:an)?emptystring"
    return re.compile(rf"{_CONCLUDING}{value}(?!\w|\.\d|\?)", re.IGNORECASE)


def pack(text: str) -> str:
    """Text as values compare: without white space and quotes."""
    return "".join(text.replace("'", "").replace('"', "").split())


def _tokenize(text: str) -> list[str]:
    """Names, numbers, quoted text, other characters; and lists and the like as one packed token."""
    return [*_TOKEN.findall(text), *map(pack, _BRACKETED.findall(text))]


def _passage_text(trace: Trace, passage: Passage) -> str:
    steps = passage.steps
    return trace.thinking[trace.steps[steps.start].start : trace.steps[steps.stop - 1].end]


def _share_of_lines(text: str, lines: set[str]) -> float:
    n_characters = sum(len("".join(_COMMENT.sub("", line).split())) for line in text.split("\n"))
    n_standing = sum(len(line) for line in pack_lines(text) if line in lines)
    return n_standing / n_characters if n_characters else 0.0


def _program_evidence(code: str) -> frozenset[str]:
    tokens = _TOKEN.findall(_COMMENT.sub("", code))
    return frozenset(_features(tokens)) - _KEYWORDS - _SMALL


def _value_evidence(trace: Trace, tokens: Sequence[Sequence[str]]) -> frozenset[str]:
    source = trace.question if trace.question.strip() else trace.answer
    named = frozenset(_features(_tokenize(source))) - _KEYWORDS - _SMALL
    if not trace.question.strip():
        named = frozenset(n for n in named if len(n) >= _MIN_WORD_CHARACTERS or not n.isalpha())
    on_the_way = (value for found in tokens for value in _values(found))
    return named | frozenset(_values(_tokenize(trace.answer))) | frozenset(on_the_way)


def _features(tokens: Sequence[str]) -> dict[str, None]:
    """Names, constants, calls (`heappush(`) and operations (`k%m`, `a[i`, `i=3`), in order."""
    found: dict[str, None] = {}
    last = len(tokens) - 1
    for position, token in enumerate(tokens):
        if not (token[0].isalnum() or token[0] in "_'\"") and len(token) == 1:
            continue
        found[token] = None
        if position == last or token in _KEYWORDS:
            continue
        following = tokens[position + 1]
        if following == "(":
            found[token + "("] = None
        elif following in _OPERATORS and position + 1 < last:
            operand = tokens[position + 2]
            if operand not in _KEYWORDS:
                found[token + following + operand] = None
    return found


def _values(tokens: Sequence[str]) -> Iterator[str]:
    """Quoted text, numbers of two digits or more, and what a name is given (`i=3`)."""
    for position, token in enumerate(tokens):
        if token[0] in "'\"[{" or token[0].isdigit():
            if len(token) > 1:
                yield token
        elif token == "=" and 0 < position < len(tokens) - 1 and tokens[position + 1][0].isdigit():
            yield tokens[position - 1] + token + tokens[position + 1]
