"""Which steps of a trace are prose that is said once: what may be repeated or compared with.

Ours: the paper has no such notion. It judges by shape alone and never by meaning.
"""

from __future__ import annotations

from collections import Counter

from asap.trace import Trace, classify_line, classify_paragraph, find_fences

MIN_CHARACTERS = 40
"""Shorter steps ("So yes.") say too little to be called redundant or not."""


def find_unique_steps(trace: Trace) -> tuple[int, ...]:
    """The steps of at least 40 characters that are no code and whose text occurs once.

    Args:
        trace: a segmented trace.

    Returns:
        Step indices, ascending. Two texts are one where they differ in case and white space only.
    """
    folded = [_fold(trace.text(index)) for index in range(len(trace.steps))]
    counts = Counter(folded)
    is_prose = find_prose(trace)
    return tuple(
        index
        for index, text in enumerate(folded)
        if is_prose[index] and counts[text] == 1 and len(text) >= MIN_CHARACTERS
    )


def find_prose(trace: Trace) -> list[bool]:
    """Whether each step is prose: outside fences, and with no line that is code beyond doubt."""
    fences = find_fences(trace.thinking)
    flags = []
    position = 0
    for step in trace.steps:
        while position < len(fences) and fences[position][1] <= step.start:
            position += 1
        is_fenced = position < len(fences) and fences[position][0] < step.end
        text = trace.thinking[step.start : step.end]
        flags.append(not is_fenced and _is_prose(text))
    return flags


def _is_prose(text: str) -> bool:
    if "```" in text or "~~~" in text or classify_paragraph(text) != "prose":
        return False
    return all(classify_line(line) != "strong" for line in text.splitlines())


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
