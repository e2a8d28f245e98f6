"""LiveCodeBench's comparison of a program's output with the expected one.

Runs outside the sandbox.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException


def compare_output(actual: str, expected: str) -> bool:
    """Whether an output counts as right, by LiveCodeBench's rules.

    Both texts are stripped and split at newlines, each line is stripped; the number of lines must
    be equal. A line is right if it is the expected text, or if both lines consist of numbers,
    separated by white space, that are exactly equal as decimals: `1e3` is `1000`, but
    `0.30000000000000004` is not `0.3`.
    """
    actual, expected = actual.strip(), expected.strip()
    # A hostile output may have millions of lines or words, so they are counted before they are cut.
    return actual.count("\n") == expected.count("\n") and all(
        map(_compare_line, actual.split("\n"), expected.split("\n"))
    )


def _compare_line(actual: str, expected: str) -> bool:
    if actual.strip() == expected.strip():
        return True
    expected_words = expected.split()
    actual_words = actual.split(maxsplit=len(expected_words))
    try:
        return list(map(Decimal, actual_words)) == list(map(Decimal, expected_words))
    except DecimalException:  # a word is no number, or a signalling NaN
        return False
