"""Says a step of a trace again in other words, or with other values; by table, without a model.

Ours: near repeats and corruptions are planted with it (`planting`). It is no paraphraser: what it
cannot reword clearly it refuses. `reword` never touches numbers, quoted text and identifiers, and
counts them to be sure; `alter_values` changes one of them and nothing else.
"""

from __future__ import annotations

import random
import re
from collections import Counter

_PHRASES = {
    "a lot of": "many",
    "a new": "a fresh",
    "according to": "going by",
    "actually": "in fact",
    "additionally": "besides",
    "after that": "afterwards",
    "all of the": "every one of the",
    "all the": "all of the",
    "another": "a further",
    "approach": "strategy",
    "are not": "aren't",
    "as long as": "provided that",
    "assume": "suppose",
    "assuming": "supposing",
    "at least": "no less than",
    "at most": "no more than",
    "based on": "depending on",
    "because": "since",
    "become": "turn into",
    "becomes": "turns into",
    "but": "yet",
    "but wait": "yet hold on",
    "calculate": "compute",
    "calculated": "computed",
    "can't": "cannot",
    "cannot": "can't",
    "check if": "check whether",
    "checks if": "tests whether",
    "compute": "calculate",
    "computed": "calculated",
    "consider": "look at",
    "consider that": "keep in mind that",
    "contain": "hold",
    "contains": "holds",
    "correct": "right",
    "counting the number of": "counting the",
    "different": "distinct",
    "does not": "doesn't",
    "doesn't": "does not",
    "don't": "do not",
    "each": "every",
    "each can": "every one can",
    "each has": "every one has",
    "each is": "every one is",
    "each of": "every one of",
    "each other": "one another",
    "each with": "every one with",
    "element": "item",
    "elements": "items",
    "entire": "whole",
    "equals": "is equal to",
    "every": "each",
    "exactly": "precisely",
    "figure out": "work out",
    "find": "determine",
    "for example": "for instance",
    "for instance": "for example",
    "given that": "seeing that",
    "gives": "yields",
    "goes through": "runs through",
    "greater than": "larger than",
    "has to": "needs to",
    "have to": "need to",
    "hence": "so",
    "however": "still",
    "important": "crucial",
    "in order to": "to",
    "in that case": "then",
    "in this case": "here",
    "incorrect": "wrong",
    "initially": "at first",
    "instead of": "rather than",
    "is equal to": "equals",
    "is not": "isn't",
    "isn't": "is not",
    "it is": "it's",
    "it's": "it is",
    "iterate over": "go through",
    "iterates over": "goes through",
    "iterates through": "walks over",
    "just": "simply",
    "keep track of": "remember",
    "larger": "bigger",
    "less than": "smaller than",
    "let me": "let us",
    "let's": "let us",
    "loop through": "run through",
    "loops through": "runs through",
    "makes sense": "is reasonable",
    "maybe": "perhaps",
    "means that": "implies that",
    "multiple": "several",
    "need to": "have to",
    "needs to": "has to",
    "number of": "count of",
    "of course": "naturally",
    "overall": "all in all",
    "perhaps": "maybe",
    "possible": "feasible",
    "previous": "preceding",
    "probably": "likely",
    "problem": "task",
    "processed": "handled",
    "processing": "handling",
    "remaining": "leftover",
    "removed": "taken out",
    "removes": "takes out",
    "requires": "calls for",
    "returns": "gives back",
    "scenario": "situation",
    "seems": "appears",
    "several": "a number of",
    "similarly": "likewise",
    "simply": "just",
    "since": "as",
    "smaller than": "less than",
    "so for": "hence for",
    "so if": "hence if",
    "so in": "hence in",
    "so that": "such that",
    "so the": "that means the",
    "so this": "hence this",
    "so we": "thus we",
    "so, the": "that means the",
    "starting from": "beginning at",
    "starting with": "beginning with",
    "starts at": "begins at",
    "starts with": "begins with",
    "such as": "like",
    "suppose": "say",
    "task": "problem",
    "that's": "that is",
    "the current": "the present",
    "the entire": "the whole",
    "the given": "the provided",
    "the idea is": "the plan is",
    "the maximum": "the largest",
    "the minimal": "the smallest",
    "the minimum": "the smallest",
    "the next": "the following",
    "the original": "the initial",
    "the problem is": "the trouble is",
    "the result": "the outcome",
    "the same as": "identical to",
    "the same": "the very same",
    "the whole": "the entire",
    "there are": "we have",
    "there is": "we have",
    "there's": "we have",
    "therefore": "hence",
    "they are": "they're",
    "this means": "that implies",
    "thus": "therefore",
    "until": "till",
    "using": "with",
    "we can": "one can",
    "which means": "meaning that",
    "will be": "is going to be",
    "won't": "will not",
}
"""Phrase to phrase, in lower case. No word that programs use as a name (`left`, `count`, `max`)."""

_VALUE = re.compile(
    r"`[^`\n]*`|(?<!\w)'[^'\n]*'(?!\w)|(?<!\w)\"[^\"\n]*\"(?!\w)"  # quoted
    r"|[^\W\d_]*[\d_]\w*(?:\.\d+)?"  # numbers and names with a digit or an underscore
    r"|\b\w+(?=[(\[])|\b\w+(?:\.[^\W\d]\w*)+"  # calls, subscripts, attributes
    r"|\b[^\W\d]*[^\W\d_a-z][a-z]*[A-Z]\w*"  # camelCase and acronyms
    r"|(?<!\w')\b[b-hj-zA-HJ-Z]\b"  # one-letter names, and not the end of `it's`
)
_PHRASE = re.compile(
    r"(?<![\w.\[=_'])(an? )?("
    + "|".join(re.escape(phrase) for phrase in sorted(_PHRASES, key=len, reverse=True))
    + r")(?![\w(\[=']| *=|\.\w)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w']+")
_SENTENCE_END = re.compile(r"(?<=[.?!])(?= +[A-Z])")
_CONDITION_FIRST = re.compile(r"(If|When|Because|Since|After) ([^,:;]+), (?:then )?([^,:;]+)\.")
_REASON_LAST = re.compile(r"([A-Z][^,:;]+),? because ([^,:;]+)\.")
_MIN_NEW_WORDS = 2
_MIN_NEW_SHARE = 0.15

_NUMBER = re.compile(r"(?<![\w.^*/])\d{1,9}(?![\w^*]|\.\d|-based|-index)")
_OPPOSITES = {
    "even": "odd",
    "odd": "even",
    "true": "false",
    "false": "true",
    "larger": "smaller",
    "smaller": "larger",
    "greater": "less",
    "first": "last",
    "last": "first",
    "left": "right",
    "right": "left",
    "maximum": "minimum",
    "minimum": "maximum",
    "increasing": "decreasing",
    "decreasing": "increasing",
    "always": "never",
    "empty": "non-empty",
}
_OPPOSITE = re.compile(rf"(?<![\w.-])(?:{'|'.join(_OPPOSITES)})(?![\w(\[.=-])", re.IGNORECASE)


def find_values(text: str) -> Counter[str]:
    """The values and names in a text: numbers, quoted text, identifiers; with how often each."""
    return Counter(match[0] for match in _VALUE.finditer(text))


def reword(text: str) -> str | None:
    """The same in other words, all values kept.

    Args:
        text: a step of prose.

    Returns:
        The text with phrases replaced and clauses turned round, or None where too little of it
        (under 15 % of its words) would be new or a value would change.
    """
    turned = "".join(_turn_round(sentence) for sentence in _SENTENCE_END.split(text))
    pieces = []
    position = 0
    for value in _VALUE.finditer(turned):
        pieces += [_replace_phrases(turned[position : value.start()]), value[0]]
        position = value.end()
    new = "".join([*pieces, _replace_phrases(turned[position:])])
    n_words = len(_WORD.findall(text))
    fresh = Counter(_WORD.findall(new.lower())) - Counter(_WORD.findall(text.lower()))
    if fresh.total() < max(_MIN_NEW_WORDS, _MIN_NEW_SHARE * n_words):
        return None
    return new if find_values(new) == find_values(text) else None


def _replace_phrases(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        new = _PHRASES[match[2].lower()]
        if match[1]:
            return f"{match[1][0]}{'n' if new[0] in 'aeiou' else ''} {new}"
        return new[0].upper() + new[1:] if match[2][0].isupper() else new

    return _PHRASE.sub(replace, text)


def _turn_round(sentence: str) -> str:
    """`If A, B.` becomes `B if A.`, and `A because B.` becomes `Because B, A.`."""
    body = sentence.strip()
    lead = sentence[: len(sentence) - len(sentence.lstrip())]
    if match := _CONDITION_FIRST.fullmatch(body):
        return f"{lead}{capitalise(match[3])} {match[1].lower()} {match[2]}."
    if match := _REASON_LAST.fullmatch(body):
        return f"{lead}Because {match[2]}, {uncapitalise(match[1])}."
    return sentence


def capitalise(text: str) -> str:
    """A capital at the beginning, where that is an ordinary word and no name of one letter."""
    word = _WORD.match(text)
    is_ordinary = word is not None and len(word[0]) > 1 and not _VALUE.match(text)
    return text[0].upper() + text[1:] if is_ordinary else text


_ORDINARY_WORDS = """
additionally after all also alternative an and another any are as assume assuming at because both
but by can check compared consider each either even every finally first for from given going he
hence here how however if in initially inside instead is it it's its let let's like looking maybe
next no not now of on once one only or original otherwise our perhaps putting same second
similarly since so some sorting splitting starting step such summing suppose testing that that's
the their then there there's therefore these they thing this those thus to two under use using we
we're what when whenever where which while why with would wouldn't yes yet you your
"""
_ORDINARY = frozenset(_ORDINARY_WORDS.split())


def uncapitalise(text: str) -> str:
    """No capital at the beginning, where that is a word known not to be a name."""
    word = _WORD.match(text)
    is_ordinary = word is not None and word[0].lower() in _ORDINARY
    return text[0].lower() + text[1:] if is_ordinary else text


def alter_values(text: str, source: random.Random) -> tuple[str, str] | None:
    """The same words with another value: what a slip of the reasoner looks like.

    Args:
        text: a step of prose.
        source: where chance comes from.

    Returns:
        The text in which every mention of one number, the last that is mentioned or one before it,
        is another number, and that new number; without numbers, one word turned into its opposite
        (`even`, `odd`), and that word, quoted; None where there is neither.
    """
    numbers = list(dict.fromkeys(match[0] for match in _NUMBER.finditer(text)))
    if not numbers:
        return _alter_word(text, source)
    old = source.choice(numbers[-2:])
    steps = (1, 2, 3, 4) if int(old) < 3 else (-2, -1, 1, 2, 3)
    new = str(int(old) + source.choice(steps))
    return _NUMBER.sub(lambda match: new if match[0] == old else match[0], text), new


def _alter_word(text: str, source: random.Random) -> tuple[str, str] | None:
    matches = list(_OPPOSITE.finditer(text))
    if not matches:
        return None
    match = source.choice(matches)
    new = _OPPOSITES[match[0].lower()]
    new = new.capitalize() if match[0][0].isupper() else new
    return text[: match.start()] + new + text[match.end() :], f"'{new}'"
