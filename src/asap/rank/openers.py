"""The words a trace begins its own steps with ("Wait,", "So", "Let me check again."), read off it.

Ours: planted passages begin like the trace's own, so that no opener gives them away and results can
be told apart by opener.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from asap.rank.rewording import capitalise, uncapitalise
from asap.trace import Trace

_WORDS = (
    "but wait|so wait|oh wait|but again|so yes|wait|hmm|alternatively|therefore|thus|hence|so|now"
    "|then|also|again|okay|ok|oh|ah|yes|indeed|actually|similarly|but|and"
)
_BARE = "so|now|then|thus|also|but|and"
"""Those that go on without a comma: `So the`, not `Wait the`."""
_WORD_PATTERN = r"(?:(?:{words})[,.!]|(?:{bare})(?! (?:far|that|many|much)\b))\s+(?=\S)"
_WORD = re.compile(_WORD_PATTERN.format(words=_WORDS, bare=_BARE), re.IGNORECASE)
_ALL_WORDS = re.compile(
    rf"(?:{_WORD_PATTERN.format(words=_WORDS + '|no', bare=_BARE)})+", re.IGNORECASE
)
_LOOKING = "check|verify|see|go|think|confirm|look|re-?read|re-?check|re-?examine|step|test|try"
_LOOKED_AT = "this|that|it|again|once more|carefully|through|over|step by step|about|differently"
_SENTENCE = re.compile(
    r"(?:(?:but|so|now|wait|hmm|okay),? )*(?:let me|let's|let us) (?:double[- ]|just )?"
    rf"(?:{_LOOKING})(?: (?:{_LOOKED_AT}))*[.:](?=\s|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Opener:
    """What stands before a step's own words; empty text: nothing."""

    text: str

    @property
    def family(self) -> str:
        """By which results are grouped: lower case, no punctuation, one name for `Let me check.`"""
        return "let me" if _SENTENCE.match(self.text) else self.text.rstrip(",.!").lower()

    def begin(self, text: str) -> str:
        """The text with this opener in place of its own; as it is where this one is empty."""
        if not self.text:
            return text
        body = strip_opener(text)
        body = uncapitalise(body) if self.text[-1] not in ".!" else capitalise(body)
        return f"{self.text} {body}"


def find_openers(trace: Trace) -> tuple[Opener, ...]:
    """The openers of those steps of a trace that have one, in order: often those it uses often."""
    found: list[Opener] = []
    for index in range(len(trace.steps)):
        text = trace.text(index).lstrip()
        match = _SENTENCE.match(text) or _WORD.match(text)
        if match is not None:
            found.append(Opener(capitalise(match[0].strip().replace(":", "."))))
    return tuple(found)


def strip_opener(text: str) -> str:
    """A text without the opening words that it begins with, if any: `Wait, but the` is `the`."""
    own = _ALL_WORDS.match(text)
    return text[own.end() :] if own else text
