"""What a trace need not say: what it takes back later, and second passes over the same ground.

A worked example is one ground, told by its label ("Second sample:", "Testing example 2"); for a
value answer the way to the answer is the one ground, and a pass over it ends where the answer is
concluded. Of several passes the earliest whose result agrees with the last one's stands for all; if
none does, the last. It judges by wording and may be mistaken, so it deletes nothing: `extract`
lowers what these passages are worth.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from asap.prune.evidence import Reading, compile_conclusion, pack
from asap.prune.passage import CHECK_OPENING, Passage, classify_steps, is_inside_code
from asap.trace import Trace

_OPENING_CHARACTERS = 160
_MIN_REPEAT_WORDS = 7
_REPEAT_SHARE = 0.7
_WORD = re.compile(r"\w+")

_TURN = (
    r"\s*(?:but |oh,? |ah,? |hmm[.,]? |so )*"
    r"(?:wait|no\b|hmm|oh\b|ah\b|but|however|actually|hold on)[^.\n]{0,60}?"
)
_RETRACTION = re.compile(
    rf"(?:{_TURN}|\s*)[,.]?\s*(?:so |because |then )?(?:"
    r"(?:that|this|it|which)(?:'s| is| was) (?:definitely |clearly |completely |also )?"
    r"(?:wrong\b|incorrect\b|not (?:right|correct|possible|valid)\b|a mistake|invalid\b)"
    r"|(?:that|this|it) (?:can't|cannot|can not|couldn't) be(?: right| correct| true)?\b"
    r"|(?:that|this|it) (?:isn't|is not|doesn't seem|doesn't sound) (?:right|correct|true)\b"
    r"|i (?:think i |must have |have )?made (?:a|an) (?:mistake|error)"
    r"|scratch that|(?:let me|let's|i'll) start over"
    r"|(?:this|that|my|the \w+) (?:approach|method|idea|plan|assumption|logic|reasoning) "
    r"(?:is|was) (?:wrong|incorrect|flawed|not correct|not right|not feasible|invalid)"
    r"|(?:this|that) (?:approach |method |idea |code )?"
    r"(?:won't|wouldn't|will not|doesn't|does not|can't|cannot) work\b"
    r"|i (?:was wrong|misread|misunderstood|misinterpreted|miscounted|miscalculated))",
    re.IGNORECASE,
)
"""The opening of a step that takes back what stands before it."""
_RESULT = re.compile(
    r"(?:output|answer|result|returns?|prints?|gives?|count|total|is|are|be|becomes|matches"
    r"|=|→|->|:)\s*(?:is |are |be |the |output |sample |of )*"
    r"(-?\d+(?:\.\d+)?(?:[ ,]+-?\d+(?:\.\d+)?)*|\[[^\]\n]*\]|'[^'\n]*'|\"[^\"\n]*\""
    r"|\b(?:yes|no|true|false|impossible|possible|none)\b)",
    re.IGNORECASE,
)
_MISMATCH = re.compile(
    r"\b(?:(?:doesn't|does not|not) match|mismatch|contradict|discrepancy|incorrect|wrong\b"
    r"|but (?:the )?(?:expected|sample|correct|actual|output|answer)\b)",
    re.IGNORECASE,
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6}


def cut_at_retractions(trace: Trace, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Passages that end where a step inside takes back what the passage has said so far."""
    cut: list[Passage] = []
    for passage in passages:
        header, start = passage.header, passage.body.start
        for i in passage.body[1:]:
            if _is_retraction(trace, i):
                cut.append(Passage(header, range(start, i)))
                header, start = None, i
        cut.append(Passage(header, range(start, passage.body.stop)))
    return tuple(cut)


def cut_at_repeats(trace: Trace, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Passages out of which steps are cut that say again what has been said before."""
    is_repeat = _find_repeats(trace)
    kinds = classify_steps(trace)
    cut: list[Passage] = []
    for passage in passages:
        header, start = passage.header, passage.body.start
        for i in passage.body[1:]:
            if is_repeat[i] != is_repeat[i - 1] and not is_inside_code(kinds, i):
                cut.append(Passage(header, range(start, i)))
                header, start = None, i
        cut.append(Passage(header, range(start, passage.body.stop)))
    return tuple(cut)


def _find_repeats(trace: Trace) -> list[bool]:
    """Whether a step consists, almost in full, of runs of four words that stand before it."""
    seen: set[int] = set()
    is_repeat = []
    for i in range(len(trace.steps)):
        words = _WORD.findall(trace.text(i).lower())
        runs = {hash(tuple(words[k : k + 4])) for k in range(len(words) - 3)}
        is_long = len(words) >= _MIN_REPEAT_WORDS
        is_repeat.append(is_long and len(runs & seen) >= _REPEAT_SHARE * len(runs))
        seen |= runs
    return is_repeat


def find_withdrawn(reading: Reading) -> set[int]:
    """Passages that the step after them takes back, by position."""
    trace, passages = reading.trace, reading.passages
    return {
        p for p, passage in enumerate(passages[:-1]) if _is_retraction(trace, passage.steps.stop)
    }


def _is_retraction(trace: Trace, step_index: int) -> bool:
    return _RETRACTION.match(trace.text(step_index)[:_OPENING_CHARACTERS]) is not None


def find_grounds(
    reading: Reading, governed: dict[int, tuple[int, ...]]
) -> list[tuple[range, list[range]]]:
    """Grounds that a trace goes over more than once.

    Args:
        reading: the trace.
        governed: its headers and what they govern.

    Returns:
        For each ground the pass that stands for it and the other passes, as ranges of passages.
    """
    if not reading.is_program:
        passes = _find_ways(reading)
        return [(passes[0], passes[1:])] if len(passes) > 1 else []
    grounds = []
    for passes in _find_checks(reading, governed):
        standing = passes.pop(_standing(reading, passes))
        grounds.append((standing, passes))
    return grounds


def _find_checks(reading: Reading, governed: dict[int, tuple[int, ...]]) -> list[list[range]]:
    """The passes over each worked example that has more than one."""
    checks: dict[tuple[str, int], list[range]] = defaultdict(list)
    position = 0
    while position < len(reading.passages):
        label = _check_label(reading, position)
        stop = _check_end(reading, governed, position) if label else position + 1
        if label:
            checks[label].append(range(position, stop))
        position = stop
    return [passes for passes in checks.values() if len(passes) > 1]


def _check_label(reading: Reading, position: int) -> tuple[str, int] | None:
    """("example", 2) for "Second sample:" and "Let's test example 2."; None for other openings."""
    passage = reading.passages[position]
    match = CHECK_OPENING.match(_opening(reading, passage.steps.start))
    if match is None and passage.header is not None:  # "Testing the samples:" and then "Sample 1:"
        match = CHECK_OPENING.match(_opening(reading, passage.body.start))
    if match is None:
        return None
    kind = (match["label"] or match["numbered"]).lower()
    if kind.startswith("case"):  # of an argument as often as of a test
        return None
    number = match["number"] or _ORDINALS.get((match["ordinal"] or "").lower())
    return ("test" if kind.startswith("test") else "example", int(number)) if number else None


def _opening(reading: Reading, step_index: int) -> str:
    return reading.trace.text(step_index)[:_OPENING_CHARACTERS].lstrip()


def _check_end(reading: Reading, governed: dict[int, tuple[int, ...]], position: int) -> int:
    """Where a check ends: with what its header governs, without one with the lines of values."""
    steps = reading.passages[position].steps
    end = governed[steps.start][-1] + 1 if steps.start in governed else None
    stop = position + 1
    while stop < len(reading.passages):
        first = reading.passages[stop].steps.start
        is_over = reading.kinds[first] != "value" if end is None else first >= end
        if is_over or _check_label(reading, stop):
            break
        stop += 1
    return stop


def _standing(reading: Reading, passes: Sequence[range]) -> int:
    """The earliest pass whose result agrees with the last one's, else the last."""
    tails = [_tail(reading, stretch) for stretch in passes]
    last = _result(tails[-1])
    for index, tail in enumerate(tails[:-1]):
        result = _result(tail)
        agrees = last is None or result is None or result == last
        if agrees and not _MISMATCH.search(tail):
            return index
    return len(passes) - 1


def _tail(reading: Reading, stretch: range) -> str:
    """The last three steps of a stretch: where its result stands."""
    first = reading.passages[stretch.start].steps.start
    stop = reading.passages[stretch.stop - 1].steps.stop
    return "\n".join(reading.trace.text(i) for i in range(max(first, stop - 3), stop))


def _result(tail: str) -> str | None:
    results = _RESULT.findall(tail)
    return pack(results[-1]).lower() if results else None


def _find_ways(reading: Reading) -> list[range]:
    """For a value answer: stretches that each end with the answer as conclusion, and the rest.

    A conclusion of something else ends no stretch: it is part of the way to the answer.
    """
    conclusion = compile_conclusion(reading.trace.answer)
    if conclusion is None:
        return []
    ways = []
    start = 0
    for p, text in enumerate(reading.texts):
        if conclusion.search(pack(text)):
            ways.append(range(start, p + 1))
            start = p + 1
    if ways and start < len(reading.texts):
        ways.append(range(start, len(reading.texts)))
    return ways
