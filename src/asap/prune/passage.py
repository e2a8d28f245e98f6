"""Passages: a header step ("First example:", "So the steps are:") with the steps it governs, or
steps that hang together: a list, the lines of a worked example, the lines of a program.

Stage 1's `extract` ranks passages instead of steps, so that a list goes as a list; `keep_headers`
in stage 2 uses what a header governs. It goes by the shape of a step and by its opening words, and
decides nothing about what is worth keeping. Linear in the length of the trace. Not in the paper,
whose steps stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asap.trace import Trace, classify_line

StepKind = Literal["header", "inner", "code", "fence", "item", "value", "prose"]
"""`inner`: a header in lower case, a line of pseudo-code. `fence`: a fenced block. `value`: a line
of a worked example.
"""
_LINES = frozenset(("inner", "code", "fence", "value"))
_LIST = frozenset(("item", "code", "fence"))
_CODE = ("code", "fence")

_MAX_HEADER_CHARACTERS = 120
_MAX_HEADER_WORDS = 16
_MAX_VALUE_CHARACTERS = 80
_OPENING_CHARACTERS = 120
_SHARE_OF_TRACE = 12
"""A passage longer than this part of the trace is cut at a seam: what goes as one must fit a
budget."""
_MAX_PROSE_STEPS = 3
"""How many steps of prose a header governs that opens neither a check nor a list nor code."""
_MIN_CUT_CHARACTERS = 600

_ORDINAL = r"(?:first|second|third|fourth|fifth|sixth|last|next|other|another|\d+(?:st|nd|rd|th))"
_LABEL = r"(?:samples?|examples?|tests?|test ?cases?|cases?|inputs?)"
CHECK_OPENING = re.compile(
    r"(?:(?:now|so|then|and|also|but|wait|hmm|take|try|check|testing|test|for|in|with|on|to"
    r"|looking at|let's \w+|consider|the|code|again|this|sample|,)\s*)*"
    rf"(?:(?P<ordinal>{_ORDINAL})\s+(?:sample\s+|test\s+)?(?P<label>{_LABEL})"
    rf"|(?P<numbered>{_LABEL})\s*(?:input\s*)?#?(?P<number>\d+)\b)",
    re.IGNORECASE,
)
"""Opens a check of a worked example: "Second sample:", "Testing sample 2", "Now, example 3"."""

_OUR = r"(?:so|thus|therefore|hence),? (?:the|this|our|my) (?:overall |final |whole |entire )?"
_WORK = r"(?:code|approach|logic|algorithm|problem|solution|plan|steps?|key|idea|method|function)\b"
_TURN = (
    r"another\b|(?:but )?what (?:about|if)\b|alternatively|in summary|overall|edge cases?\b|okay"
    rf"|{_OUR}{_WORK}|the approach\b|in code\b|implementing\b|implementation\b"
)
_BREAK = re.compile(
    rf"(?:{_TURN}|now\b|next,|let'?s (?:code|write|test|check|think|see how)|ok,|however"
    r"|this (?:approach|should|works|seems|is correct|makes sense|code)\b|the code\b"
    r"|(?:but )?wait\b|hmm\b|to (?:implement|handle)\b)",
    re.IGNORECASE,
)
_BREAK_IN_CHECK = re.compile(
    rf"(?:{_TURN}|now, (?:let'?s|the code|code|how|considering|edge|what|to|in|for)\b"
    r"|let'?s (?:code|write)|this (?:approach|should|code|works)\b)",
    re.IGNORECASE,
)
"""Ends a check: inside one, "Wait," and "Now check node 1" go on with it."""
_RETRACTION = re.compile(r"(?:but )?(?:wait|hmm|no)\b", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_ITEM = re.compile(r"\s*(?:[-*+•]\s|\(?\d{1,2}[.)]\s|\(?[a-z]\)\s|[a-z]\.\s|\(?[ivx]{2,4}[.)]\s)")
_HEADING = re.compile(r"#{1,6} \S|\*\*[^*\n]+\*\*:?$")
# One pattern for a sentence would try every pair of places in it: hours for a line of a megabyte.
_SENTENCE_OPENING = re.compile(r"[^()]*?\s[a-z]+\s", re.IGNORECASE)
_NO_SENTENCE = re.compile(r"[=;{}\[\]]")


@dataclass(frozen=True, slots=True)
class Passage:
    """Steps that stay or go together: the body, and the header before it, if it has one."""

    header: int | None
    body: range

    @property
    def steps(self) -> range:
        """The header and the body."""
        return self.body if self.header is None else range(self.header, self.body.stop)


def find_passages(trace: Trace) -> tuple[Passage, ...]:
    """Cut a trace into passages.

    Args:
        trace: a trace with steps.

    Returns:
        Contiguous passages in order; every step is in exactly one. A header at the end of the
        trace, or before a step that takes it back, is a body of its own.
    """
    kinds = classify_steps(trace)
    extents = _header_extents(trace, kinds)
    limit = max(_MIN_CUT_CHARACTERS, len(trace.thinking) // _SHARE_OF_TRACE)
    passages: list[Passage] = []
    position = 0
    while position < len(kinds):
        is_header = position in extents
        stop = extents[position] if is_header else _unit_end(trace, kinds, position)
        stop = _cut(trace, kinds, extents, range(position, stop), limit)
        body = range(position + 1, stop) if is_header else range(position, stop)
        passages.append(Passage(position if is_header else None, body))
        position = stop
    return tuple(passages)


def governed_by_header(trace: Trace) -> dict[int, tuple[int, ...]]:
    """The headers of a trace and what they govern.

    Args:
        trace: a trace with steps.

    Returns:
        By step index of the header the indices of the steps it governs: never none, all right after
        it. They may hold further headers: "First sample:" governs "For node 1:" and what that
        governs.
    """
    extents = _header_extents(trace, classify_steps(trace))
    return {header: tuple(range(header + 1, stop)) for header, stop in extents.items()}


def classify_steps(trace: Trace) -> list[StepKind]:
    """The kind of each step, by its shape."""
    return [_classify_step(trace.text(i)) for i in range(len(trace.steps))]


def is_inside_code(kinds: Sequence[StepKind], seam: int) -> bool:
    """Whether a cut right before this step would part lines of one program."""
    if _are_two_blocks(kinds, seam):
        return False
    return kinds[seam] in _CODE and kinds[seam - 1] in ("header", "inner", *_CODE)


def _are_two_blocks(kinds: Sequence[StepKind], seam: int) -> bool:
    """Whether one fenced block ends here and another begins: two drafts, not one program."""
    return kinds[seam] == "fence" and kinds[seam - 1] == "fence"


def _classify_step(text: str) -> StepKind:
    stripped = text.strip()
    if stripped.startswith(("```", "~~~")):
        return "fence"
    if "\n" not in stripped:
        if _ITEM.match(text) and not stripped.endswith(":"):
            return "item"
        if text[:1] in " \t":
            return "code"
        if _is_header(stripped):
            return "inner" if stripped[0].islower() else "header"
        if not stripped[0].islower() and _is_sentence(stripped):
            return "prose"
        if classify_line(text) == "strong":
            return "code"
        return "value" if _is_value(stripped) else "prose"
    if _ITEM.match(text):
        return "item"
    return "code" if _is_code(stripped) else "prose"


def _is_sentence(stripped: str) -> bool:
    """Words up to a full stop without a sign of code; a bracket only behind the first of them."""
    return (
        stripped.endswith((".", "?", "!"))
        and not _NO_SENTENCE.search(stripped)
        and _SENTENCE_OPENING.match(stripped) is not None
    )


def _is_value(stripped: str) -> bool:
    """A line of a worked example or of pseudo-code: short, with numbers or in lower case."""
    has_shape = stripped[0].islower() or any(c.isdigit() for c in stripped)
    return has_shape and len(stripped) <= _MAX_VALUE_CHARACTERS


def _is_header(stripped: str) -> bool:
    if len(stripped) > _MAX_HEADER_CHARACTERS:
        return False
    if _HEADING.match(stripped):
        return True
    if not stripped.rstrip("*_ ").endswith(":"):
        label = CHECK_OPENING.match(stripped)
        return label is not None and not stripped[label.end() :].strip(" .:")
    return len(stripped.split()) <= _MAX_HEADER_WORDS and classify_line(stripped) != "strong"


def _is_code(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    kinds = [classify_line(line) for line in lines]
    return "strong" in kinds and 10 * kinds.count("prose") <= 3 * len(kinds)


def _header_extents(trace: Trace, kinds: list[StepKind]) -> dict[int, int]:
    """By header where what it governs ends. From the last on, since headers contain headers."""
    n_steps = len(kinds)
    extents: dict[int, int] = {}
    openings = [trace.text(i).lstrip()[:_OPENING_CHARACTERS] for i in range(n_steps)]
    is_dry = [
        kind == "prose" and not _DIGITS.search(o) for kind, o in zip(kinds, openings, strict=True)
    ]
    next_check = next_break = next_break_in_check = next_header = n_steps
    next_peer: dict[str, int] = {}
    for i in range(n_steps - 1, -1, -1):
        is_header = kinds[i] in ("header", "inner")
        is_check = is_header and CHECK_OPENING.match(openings[i]) is not None
        if is_header:
            shape = _DIGITS.sub("0", openings[i])  # "k=1:" begins a case beside "k=0:", not in it
            peer = next_peer.get(shape, n_steps)
            next_peer[shape] = i
            if i + 1 < n_steps and not _RETRACTION.match(openings[i + 1]):
                if is_check:
                    stop = min(next_check, max(next_break_in_check, i + 2))
                else:
                    stop = _minor_extent(kinds, extents, i, min(next_header, next_break))
                extents[i] = max(min(stop, peer), extents.get(i + 1, i + 2))
        if kinds[i] == "header":
            next_header = i
        if is_check:
            next_check = i
        if _BREAK.match(openings[i]):
            next_break = i
        # two steps of prose without a number: the example has been left
        if _BREAK_IN_CHECK.match(openings[i]) or (is_dry[i] and is_dry[i + 1 : i + 2] == [True]):
            next_break_in_check = i
    return extents


def _minor_extent(kinds: list[StepKind], extents: dict[int, int], header: int, stop: int) -> int:
    """A list or a program ends with its last line; prose goes on to the next header or turn."""
    first = header + 1
    kind = kinds[first]
    if kind == "header":
        return extents.get(first, first + 1)
    if kind == "prose":
        return max(min(stop, first + _MAX_PROSE_STEPS), first + 1)
    return _run_end(kinds, first)


def _run_end(kinds: list[StepKind], start: int) -> int:
    """Where the run of list items, or of worked values and lines of code, that begins here ends."""
    run = _LIST if kinds[start] == "item" else _LINES
    end = start + 1
    while end < len(kinds) and kinds[end] in run and not _are_two_blocks(kinds, end):
        end += 1
    return end


def _unit_end(trace: Trace, kinds: list[StepKind], start: int) -> int:
    """Where what hangs together without a header ends: a run of lines; prose stands alone."""
    if kinds[start] != "prose" and kinds[start] != "header":
        return _run_end(kinds, start)
    end = start + 1
    while end < len(kinds) and trace.thinking[trace.steps[end].start] in " \t":
        end += 1
    return end


def _cut(
    trace: Trace, kinds: list[StepKind], extents: dict[int, int], steps: range, limit: int
) -> int:
    """Where a stretch is cut that is over the limit: at its last seam within, else its first."""
    start = trace.steps[steps.start].start
    if trace.steps[steps.stop - 1].end - start <= limit:
        return steps.stop
    best = 0
    first = steps.start + (2 if steps.start in extents else 1)
    for seam in range(first, steps.stop):
        if is_inside_code(kinds, seam):
            continue
        if best and trace.steps[seam - 1].end - start > limit:
            break
        best = seam
    return best or steps.stop
