"""The questions as they are put to a model: one user turn, no system turn, no thinking tag.

They ask for what the paper's prompts ask for, in our words: a whole program in one fenced block.
"""

from __future__ import annotations

PROMPTS_VERSION = "bench-1"
"""Goes into every result; to be raised with every change of a word."""

_ROLE = "You solve competitive programming problems in Python."


def ask_to_complete(stub: str) -> str:
    """Complete a function (HumanEval, HumanEval+)."""
    return (
        f"{_ROLE} Below is the beginning of a function. Complete it without changing its name, "
        "its arguments or anything else that is given. Answer with the complete function, imports "
        f"included, in one Python code block.\n\n{_fence(stub)}"
    )


def ask_to_fill_in(description: str, starter_code: str) -> str:
    """Write a class with a given head (LeetCodeDataset, LiveCodeBench's functional problems)."""
    return (
        f"{_ROLE} Solve the problem below.\n\n{description.strip()}\n\n"
        "Start from the code below, keep its names and arguments, and answer with the complete "
        f"code in one Python code block.\n\n{_fence(starter_code)}"
    )


def ask_for_program(description: str) -> str:
    """Write a program that reads its input and prints (LiveCodeBench's stdin problems)."""
    return (
        f"{_ROLE} Solve the problem below.\n\n{description.strip()}\n\n"
        "Write a program that reads the input from standard input and prints the result to "
        "standard output; do not run it on the examples. Answer with the complete program in one "
        f"Python code block, like this:\n\n{_fence('# your program')}"
    )


def ask_for_output(code: str, arguments: str) -> str:
    """Predict what a function returns (CRUXEval)."""
    program = f"{code.rstrip()}\n\nprint(repr(f({arguments})))"
    return (
        f"What does this Python program print?\n\n{_fence(program)}\n\n"
        "Answer with that value alone, as a Python literal in one Python code block."
    )


def _fence(code: str) -> str:
    return f"```python\n{code.rstrip()}\n```"
