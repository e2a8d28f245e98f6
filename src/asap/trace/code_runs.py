"""Finds runs of paragraphs that are one program: code lines with only blank lines between them.

A run is judged by its lines (`code_lines`) and by indentation: what stands deeper under a header
(`else:`, or the pseudo-code `for each i in 1..n:`) belongs to it, code or not, unless it reads like
a sentence or a list. A run counts only if one of its lines is code beyond doubt, or an assignment
under a header: `n = 5` alone is as often a worked example as a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from asap.trace.code_lines import (
    LineKind,
    classify_line,
    classify_statement,
    is_sentence,
    opens_block,
    parse_fragment,
)

_MAX_STATEMENT_PARAGRAPHS = 60
_MAX_STATEMENT_LENGTH = 20_000
_MAX_PSEUDO_LENGTH = 100
_TRIPLE_QUOTES = ('"""', "'''")
_LIST_ITEM = re.compile(r"(?:[-*+•]|\d+[.)]|[a-z][.)])\s")
_PSEUDO_HEADER = re.compile(
    r"(?:for|while|if|else|elif|otherwise|repeat|loop|function|procedure|def)\b"
    r"(?! (?:example|instance)\b).*:",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"(?:so|but|wait|now|therefore|thus|hence|hmm|however|for example|for instance|because|since"
    r"|this|that|these|those|alternatively|let|let's|the|in|which|yes|no|okay|ok|oh|and|or|as|at"
    r"|by|it|we|you|i|here|there|note|suppose|similarly|also|after|when|where)\b(?!\s*[\[=(.+*/-])",
    re.IGNORECASE,
)
_SENTENCE_BREAK = re.compile(r"[.?!] +[A-Z]")
_OPENING = re.compile(r"[(\[{\\]|\"\"\"|'''")
_STRING = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|#[^\n]*")


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    text: str
    kind: LineKind


def _read_lines(paragraph: str) -> list[_Line]:
    lines = []
    for raw in paragraph.splitlines():
        if text := raw.strip():
            indented = raw.expandtabs(4)
            indent = len(indented) - len(indented.lstrip())
            lines.append(_Line(indent, text, classify_line(raw)))
    return lines


def find_runs(paragraphs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Group consecutive paragraphs that are one program.

    Args:
        paragraphs: the text between two fenced blocks, cut at blank lines, indentation kept.

    Yields:
        Half-open ranges of paragraph indices, in order and without gaps; prose stands alone.
    """
    lines = [_read_lines(paragraph) for paragraph in paragraphs]
    start = 0
    while start < len(paragraphs):
        run = _Run(paragraphs, lines, start)
        while run.take():
            pass
        if run.is_strong and run.stop > start:
            yield start, run.stop
            start = run.stop
            continue
        stop = max(run.stop, start + 1)
        yield from ((index, index + 1) for index in range(start, stop))
        start = stop


def classify_paragraph(text: str) -> LineKind:
    """How surely a whole paragraph is code: one line of prose, outside a block, is enough for no.

    Args:
        text: a paragraph with its indentation.
    """
    lines = [_read_lines(text)]
    run = _Run([text], lines, 0)
    if not run.take():
        return "prose"
    if run.is_strong:
        return "strong"
    return "weak" if run.is_weak else "neutral"


class _Run:
    """A run that grows from `start` by whole paragraphs; `stop` is the first one not in it."""

    def __init__(self, paragraphs: Sequence[str], lines: Sequence[list[_Line]], start: int) -> None:
        self.stop = start
        self.is_strong = False
        self.is_weak = False
        self._paragraphs = paragraphs
        self._lines = lines
        self._open_headers: list[int] = []
        """Indentations of the headers under which the next line stands, ascending."""

    def take(self) -> bool:
        """Take the next paragraph, or all those of one statement; False at the run's end."""
        if self.stop >= len(self._paragraphs):
            return False
        lines = self._lines[self.stop]
        before = list(self._open_headers), self.is_strong
        if all(self._accept(line, follower) for line, follower in self._with_followers(lines)):
            self._note(line.kind for line in lines)
            self.stop += 1
            return True
        self._open_headers, self.is_strong = before
        n_taken, kind = self._read_statement()
        self._note([kind])
        self.stop += n_taken
        return n_taken > 0

    def _note(self, kinds: Iterable[LineKind]) -> None:
        for kind in kinds:
            self.is_strong = self.is_strong or kind == "strong"
            self.is_weak = self.is_weak or kind == "weak"

    def _with_followers(self, lines: list[_Line]) -> Iterator[tuple[_Line, _Line | None]]:
        following = self._lines[self.stop + 1][:1] if self.stop + 1 < len(self._lines) else []
        return zip(lines, chain(lines[1:], following or [None]), strict=True)

    def _accept(self, line: _Line, follower: _Line | None) -> bool:
        """Whether the line goes on with the run; keeps the stack of open headers."""
        if line.kind != "neutral":
            while self._open_headers and self._open_headers[-1] >= line.indent:
                self._open_headers.pop()
        if line.kind == "prose":
            if _is_pseudo_header(line, follower):
                self._open_headers.append(line.indent)
                return True
            return bool(self._open_headers) and _is_pseudo_statement(line.text)
        if line.kind == "weak" and self._open_headers:
            self.is_strong = True  # an assignment under a header is no worked example
        if line.kind != "neutral" and opens_block(line.text):
            self._open_headers.append(line.indent)
        return True

    def _read_statement(self) -> tuple[int, LineKind]:
        """A statement over several lines: a call, a literal, a docstring with gaps.

        Returns:
            How many paragraphs it takes (0: it is none), and its kind.
        """
        lines = self._lines[self.stop]
        if len(lines) == 1 and not _OPENING.search(lines[0].text):
            return 0, "prose"
        if is_sentence(lines[0].text):
            return 0, "prose"
        balance = _Balance()
        stop = self.stop
        while stop == self.stop or balance.is_open:
            if stop - self.stop == _MAX_STATEMENT_PARAGRAPHS or stop >= len(self._paragraphs):
                return 0, "prose"
            balance.read(self._paragraphs[stop])
            stop += 1
        if stop - self.stop == 1 and len(lines) == 1:
            return 0, "prose"
        kind = _classify_program("\n".join(self._paragraphs[self.stop : stop]))
        return (stop - self.stop, kind) if kind != "prose" else (0, kind)


class _Balance:
    """Open brackets and triple quotes of a text that is read paragraph by paragraph."""

    def __init__(self) -> None:
        self.is_open = False
        self._n_open = 0
        self._n_quotes = (0, 0)

    def read(self, paragraph: str) -> None:
        n_open, n_double, n_single, is_continued = _count_openings(paragraph)
        self._n_open += n_open
        self._n_quotes = (self._n_quotes[0] + n_double, self._n_quotes[1] + n_single)
        self.is_open = self._n_open > 0 or is_continued or any(n % 2 for n in self._n_quotes)


@lru_cache(maxsize=1024)
def _count_openings(paragraph: str) -> tuple[int, int, int, bool]:
    """Brackets left open, triple quotes of both kinds, and whether a backslash ends the last line.

    Cached, since every unclosed bracket looks at the same paragraphs after it.
    """
    code = _STRING.sub("", paragraph)
    n_open = sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))
    n_double, n_single = map(paragraph.count, _TRIPLE_QUOTES)
    return n_open, n_double, n_single, paragraph.rstrip().endswith("\\")


def _is_pseudo_header(line: _Line, follower: _Line | None) -> bool:
    """`For each i in range(len(s)):` with something deeper under it that is no list."""
    return (
        follower is not None
        and follower.indent > line.indent
        and len(line.text) <= _MAX_PSEUDO_LENGTH
        and _PSEUDO_HEADER.fullmatch(line.text) is not None
        and not _LIST_ITEM.match(follower.text)
    )


def _is_pseudo_statement(text: str) -> bool:
    """`push i`, `add it to the queue`: an order, not a remark about the code."""
    return (
        len(text) <= _MAX_PSEUDO_LENGTH
        and not _LIST_ITEM.match(text)
        and not _TALK.match(text)
        and not _SENTENCE_BREAK.search(text)
    )


def _classify_program(text: str) -> LineKind:
    """Whether lines that say nothing one by one are code together."""
    if len(text) > _MAX_STATEMENT_LENGTH:
        return "prose"
    lines = text.expandtabs(4).splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    statements = parse_fragment("\n".join(line[margin:] for line in lines).strip("\n"))
    kinds = {classify_statement(statement) for statement in statements}
    if "strong" in kinds:
        return "strong"
    is_docstring = bool(statements) and text.lstrip().startswith(_TRIPLE_QUOTES)
    return "weak" if "weak" in kinds or is_docstring else "prose"
