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
    actual_lines = actual.strip().split("\n")
    expected_lines = expected.strip().split("\n")
    return len(actual_lines) == len(expected_lines) and all(
        map(_compare_line, actual_lines, expected_lines)
    )


def _compare_line(actual: str, expected: str) -> bool:
    if actual.strip() == expected.strip():
        return True
    try:
        return [Decimal(word) for word in actual.split()] == [
            Decimal(word) for word in expected.split()
        ]
    except DecimalException:  # a word is no number, or a signalling NaN
        return False
