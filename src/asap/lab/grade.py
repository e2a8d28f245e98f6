"""Right or wrong: the answer behind the thinking against the value that the program returned.

No code is run here: the answers of the test programs come from executing them, once, beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asap.bench import Completion, Graded
from asap.judge import Outcome, Verdict
from asap.prune import find_value
from asap.trace import TAGS

_CLOSING_TAG = TAGS[0][1]


def grade(completions: Iterable[Completion], answers: Mapping[str, str]) -> list[Graded]:
    """Grade completions.

    A completion that was cut off is wrong, whatever stands in it: a budget is kept by ending. So
    the grade under any smaller budget follows from this one.

    Args:
        completions: of the lab's questions.
        answers: the right one of each question, by id: a value such as `7` or `[1, 2]`.
    """
    return [Graded(each, _judge(each, answers[each.id])) for each in completions]


def _judge(completion: Completion, expected: str) -> Verdict:
    if completion.finish_reason == "length":
        return _verdict("no_answer", f"cut off after {completion.n_tokens} tokens")
    _, tag, given = completion.text.partition(_CLOSING_TAG)
    if not tag:
        return _verdict("no_answer", "the thinking never ended")
    if _is_same(given.strip(), expected.strip()):
        return _verdict("passed", "")
    return _verdict("wrong_answer", f"{given.strip()!r} instead of {expected.strip()!r}")


def _is_same(given: str, expected: str) -> bool:
    if given == expected:
        return True
    value = find_value(given)
    return value is not None and value == find_value(expected)


def _verdict(outcome: Outcome, message: str) -> Verdict:
    return Verdict(outcome, None, message[:300], 0.0)
