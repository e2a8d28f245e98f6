"""Checks that run in the checker's process of the judge; `checker_source` takes their text there.

Inside the sandbox there is no asap: these functions use `copy`, `json`, `math` and one another,
nothing else. `candidate` is the solution behind the judge's wall; what it returns is plain data of
builtin types, so `==` is Python's own. A check that does not hold is an AssertionError.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any


def load_function(source: str, name: str) -> Callable[..., Any]:
    """A function of the dataset's own code, in a namespace of its own."""
    space: dict[str, Any] = {}
    exec(source, space)
    function: Callable[..., Any] = space[name]
    return function


def check_like_reference(
    candidate: Callable[..., Any],
    reference: Callable[..., Any],
    inputs: str,
    tolerance: float,
) -> None:
    """HumanEval+: the candidate returns what the canonical solution returns.

    Expected values are computed one by one, so a wrong solution does not pay for all of them.

    Args:
        candidate: the solution.
        reference: the canonical solution.
        inputs: JSON, a list of lists of arguments.
        tolerance: absolute, for floats; 0: exact, unless the expected value is made of floats.
    """
    for index, arguments in enumerate(json.loads(inputs)):
        expected = reference(*copy.deepcopy(arguments))
        actual = candidate(*arguments)
        assert agree(actual, expected, tolerance), differ(index, actual, expected)


def check_roots(candidate: Callable[..., Any], inputs: str, tolerance: float) -> None:
    """HumanEval+ 32: the candidate finds a root of a polynomial, any of its roots.

    The polynomial is summed up as in the problem's prompt. With coefficients of 1e9 no float is a
    root; the canonical solution bisects until that very sum, rounding errors included, is zero.

    Args:
        candidate: the solution.
        inputs: JSON, a list of lists whose one argument is the list of coefficients.
        tolerance: how far from 0 the polynomial may be there.
    """
    for index, (coefficients,) in enumerate(json.loads(inputs)):
        root = candidate(list(coefficients))
        assert isinstance(root, (int, float)), f"input {index}: {show(root)} is no number"
        try:
            value = sum(factor * math.pow(root, k) for k, factor in enumerate(coefficients))
        except OverflowError:
            value = math.inf
        assert abs(value) <= tolerance, f"input {index}: {value} at {show(root)}, not 0"


def check_outputs(candidate: Callable[..., Any], tests: str) -> None:
    """LiveCodeBench, functional: equality, with a tuple at the top taken for a list.

    Args:
        candidate: the solution.
        tests: JSON, a list of pairs of texts: an input is one JSON value per line and argument, an
            output one JSON value.
    """
    for index, (given, wanted) in enumerate(json.loads(tests)):
        actual = candidate(*[json.loads(line) for line in given.split("\n")])
        expected = json.loads(wanted)
        if isinstance(actual, tuple):
            actual = list(actual)
        assert actual == expected, differ(index, actual, expected)


def check_prediction(candidate: Callable[..., Any], expected: Any) -> None:
    """CRUXEval: the candidate is the prediction.

    Args:
        candidate: takes nothing and returns the predicted value.
        expected: what the function really returns.
    """
    actual = candidate()
    assert actual == expected, differ(0, actual, expected)


def agree(actual: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values are equal, or close where closeness counts (evalplus's rule).

    Closeness counts where a tolerance is given, and by 1e-6 where the expected value is a float or
    a flat list of floats. Unlike evalplus's, a tolerance never sticks to later inputs.
    """
    if actual == expected:
        return True
    if tolerance == 0:
        items = expected if isinstance(expected, (list, tuple)) else [expected]
        tolerance = 1e-6 if all(isinstance(item, float) for item in items) else 0
    return tolerance != 0 and is_close(actual, expected, tolerance)


def is_close(actual: Any, expected: Any, tolerance: float) -> bool:
    """|actual - expected| <= tolerance + 1e-7 |expected|, element by element of sequences of one
    type and length.
    """
    if isinstance(expected, (list, tuple)):
        return (
            type(actual) is type(expected)
            and len(actual) == len(expected)
            and all(is_close(a, e, tolerance) for a, e in zip(actual, expected, strict=True))
        )
    if not isinstance(actual, (int, float)) or not isinstance(expected, (int, float)):
        return False
    try:
        return abs(actual - expected) <= tolerance + 1e-7 * abs(expected)
    except OverflowError:
        # An int beyond every float is close to none.
        return False


def differ(index: int, actual: Any, expected: Any) -> str:
    """What a failing check says."""
    return f"input {index}: {show(actual)} instead of {show(expected)}"


def show(value: Any) -> str:
    """A value as it would be typed, clipped."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # An int of more digits than Python converts, or nesting without end.
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 200 else text[:200] + "…"
