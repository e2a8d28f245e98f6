"""Segmenting: lossless for any text, and no program cut in two under `block`."""

from __future__ import annotations

import ast
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asap.trace import (
    Segmenter,
    Trace,
    classify_line,
    classify_paragraph,
    find_fences,
    segment_thinking,
    segment_trace,
)

_PIECES = [
    "\n",
    "\n\n",
    "\r\n",
    "\r\n\r\n",
    " \n\t\n",
    "\r",
    "    ",
    "\t",
    " ",
    "\u00a0",
    "\u3000",
    "\u2028",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x00",
    "```",
    "```python\n",
    "````",
    "~~~",
    "- ```\n",
    "1. ```py\n",
    "`",
    "for i in range(3):",
    "x = 1",
    "print(x)",
    "else:",
    "if a == '#': # b",
    "foo(1,",
    ")",
    '"""',
    "'",
    "\\",
    "{",
    "int x = 5;",
    "Wait, no.",
    "For each i:",
    "- item",
    "# note",
    "é\u0301😀",
    "\ud800",
]
nasty_texts = st.lists(st.sampled_from(_PIECES) | st.text(max_size=4), max_size=40).map("".join)
segmenters: st.SearchStrategy[Segmenter] = st.sampled_from(["block", "paragraph"])


def trace_of(thinking: str, segmenter: Segmenter = "block") -> Trace:
    return segment_trace(Trace(0, "a", "", thinking, ""), segmenter)


def texts_of(thinking: str, segmenter: Segmenter = "block") -> list[str]:
    trace = trace_of(thinking, segmenter)
    return [trace.text(i) for i in range(len(trace.steps))]


@given(nasty_texts, segmenters)
@example("\n \n\n  a\n\n\n", "paragraph")
@example("a\n\n\u00a0\n\nb", "paragraph")
@example("\n\n```\nx\n```", "block")
@example("a\n```\nb\n```\nc", "block")
@example("```\na\n```  \n \n\t\n   b\n\n", "block")
@example("print(1)\n\nfoo(\n\n", "block")
def test_segmenting_loses_nothing(thinking: str, segmenter: Segmenter) -> None:
    if not thinking.strip():
        return
    trace = trace_of(thinking, segmenter)
    assert trace.steps[0].start == 0
    parts = [trace.text(i) + trace.separator(i) for i in range(len(trace.steps))]
    assert "".join(parts) == thinking
    for i, step in enumerate(trace.steps):
        assert trace.text(i).strip()
        assert not trace.separator(i).strip()
        assert trace.text(i) == trace.text(i).rstrip() or thinking[step.end - 1] != "\n"


@given(nasty_texts)
def test_no_fenced_block_is_cut(thinking: str) -> None:
    if not thinking.strip():
        return
    steps = segment_thinking(thinking)
    spans = {(step.start, step.end) for step in steps}
    for start, end in find_fences(thinking):
        holder = [span for span in spans if span[0] <= start and end <= span[1]]
        assert len(holder) == 1
        assert not thinking[holder[0][0] : start].strip()
        assert holder[0][1] == end


@given(nasty_texts)
def test_blocks_only_ever_join_paragraphs_or_cut_at_fences(thinking: str) -> None:
    if not thinking.strip():
        return
    starts = {step.start for step in segment_thinking(thinking, "paragraph")}
    edges = {0}
    for start, end in find_fences(thinking):
        edges.add(start)
        edges.add(end + len(thinking[end:]) - len(thinking[end:].lstrip()))
    for step in segment_thinking(thinking):
        text = thinking[step.start :]
        first = step.start + len(text) - len(text.lstrip())
        assert step.start in starts or step.start in edges or first in edges


def test_paragraphs_are_cut_at_blank_lines() -> None:
    thinking = "one\ntwo\n\n  three\n \t\n\nfour  \n\nfive\n\n"
    assert texts_of(thinking, "paragraph") == ["one\ntwo", "  three", "four", "five"]
    trace = trace_of(thinking, "paragraph")
    assert [trace.separator(i) for i in range(4)] == ["\n\n", "\n \t\n\n", "  \n\n", "\n\n"]


def test_leading_white_space_belongs_to_the_first_step() -> None:
    assert texts_of("\n\n  a\n\nb", "paragraph") == ["\n\n  a", "b"]
    assert texts_of("\n\n```\nx\n```\n\nb") == ["\n\n```\nx\n```", "b"]


def test_windows_line_breaks_cut_paragraphs_too() -> None:
    assert texts_of("a\r\n\r\nb\r\nc\r\n \r\nd", "paragraph") == ["a", "b\r\nc", "d"]


def test_a_line_of_unicode_spaces_is_blank() -> None:
    assert texts_of("a\n\u00a0\nb", "paragraph") == ["a", "b"]


def test_a_fenced_block_is_one_step_with_its_blank_lines() -> None:
    thinking = "So:\n```python\na = 1\n\n\nb = 2\n```\nThen\n\nend"
    assert texts_of(thinking) == ["So:", "```python\na = 1\n\n\nb = 2\n```", "Then", "end"]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```\na\n```", ["```\na\n```"]),
        ("  ```py\n  a\n  ```\nb", ["  ```py\n  a\n  ```"]),
        ("~~~\n```\na\n~~~", ["~~~\n```\na\n~~~"]),
        ("````md\n```py\na\n```\n````", ["````md\n```py\na\n```\n````"]),
        ("```\na\n`````", ["```\na\n`````"]),
        ("- ```py\n  a\n  ```\n- b", ["- ```py\n  a\n  ```"]),
        ("2. ```\n   a\n   ```\n\nx\n\n```\nb\n```", ["2. ```\n   a\n   ```", "```\nb\n```"]),
        ("```py\na\n\nno end\n\n```py\nb\n```", ["```py\nb\n```"]),
        ("````\nno end\n\n```\nb\n```", ["```\nb\n```"]),
        ("~~~\nno end\n\n```\nb\n```", ["```\nb\n```"]),
        ("a\n```\nno end\n\nb", []),
        ("say ```x``` inline", []),
        ("```\r\na\r\n```\r\nb", ["```\r\na\r\n```\r"]),
    ],
)
def test_fences(text: str, blocks: list[str]) -> None:
    assert [text[start:end] for start, end in find_fences(text)] == blocks


PROGRAM = """\
import sys

def solve(grid, n):

    \"\"\"Count cells.

    Walls do not count.

    \"\"\"

    # walls are hashes

    total = 0

    for row in grid:

        for cell in row:

            if cell == '#':

                continue  # a wall, skip it.

            elif cell == '.': total += 1

            else: total += int(cell)

    weights = {

        (0, 0): 1,

        (0, 1): 2,

    }

    best = max(

        total,

        sum(weights.values()),

    )

    value = total + \\

        best

    while value > n: value -= 1

    try:

        return grid[value]

    except IndexError:  # too far

        return -1

if __name__ == '__main__':

    print(solve(sys.stdin.read().split(), 3))"""


def test_a_program_with_blank_lines_between_its_lines_is_one_step() -> None:
    ast.parse(PROGRAM.replace("\n\n", "\n"))
    thinking = f"Now, write the code.\n\n{PROGRAM}\n\nWait, is that right?"
    assert texts_of(thinking) == ["Now, write the code.", PROGRAM, "Wait, is that right?"]


def test_the_paragraph_segmenter_cuts_the_same_program_as_the_paper_does() -> None:
    assert len(texts_of(PROGRAM, "paragraph")) == PROGRAM.count("\n\n") + 1


CPP_PROGRAM = """\
#include <bits/stdc++.h>

using namespace std;

int main() {

    int n;

    cin >> n;

    vector<int> seen(n + 1, 0);

    // go through them

    for (int i = 0; i < n; i++) {

        if (seen[i] > 0) {

            cout << i << "\\n";

        } else if (n == 1) {

            break;

        }

    }

    return 0;

}"""

JAVA_PROGRAM = """\
import java.util.*;

public class Main {

    public static void main(String[] args) {

        Scanner in = new Scanner(System.in);

        int n = in.nextInt();

        while (n > 0) {

            n--;

        }

        System.out.println(n);

    }

}"""


@pytest.mark.parametrize("program", [CPP_PROGRAM, JAVA_PROGRAM])
def test_a_program_of_the_c_family_is_one_step(program: str) -> None:
    assert texts_of(f"In C++ or Java:\n\n{program}\n\nThat works.") == [
        "In C++ or Java:",
        program,
        "That works.",
    ]


PSEUDO_PROGRAM = """\
best = 0

for each i in 1..n:

    if s[i] is '(':

        push i to the stack

    else:

        pop the top.

        if stack is empty:

            push i

        else:

            best = max(best, i - stack[-1])"""


def test_pseudo_code_stays_with_the_code_it_stands_in() -> None:
    assert texts_of(f"The plan is this.\n\n{PSEUDO_PROGRAM}\n\nFine.") == [
        "The plan is this.",
        PSEUDO_PROGRAM,
        "Fine.",
    ]


def test_pseudo_code_needs_no_line_of_a_real_language() -> None:
    program = "best = 0\n\nfor l in 0 to n - k:\n\n    r = l + k - 1\n\n    update the best"
    assert texts_of(f"Plan:\n\n{program}\n\nGood.") == ["Plan:", program, "Good."]


def test_talk_under_a_header_ends_the_program() -> None:
    thinking = "for i in range(n):\n\n    total += i\n\n    But wait, that counts zero.\n\nHm."
    assert texts_of(thinking) == [
        "for i in range(n):\n\n    total += i",
        "    But wait, that counts zero.",
        "Hm.",
    ]


@pytest.mark.parametrize(
    "thinking",
    [
        "For example:\n\na = [1, 2]\n\nThen the sum is 3.",
        "n = 4.\n\nk = 2.\n\nSo the answer is 8.",
        "a = [2, 4, 1, 3]\n\nx = 5\n\nNow.",
        "a\n\nb\n\nc",
        "()\n\n(())\n\n()()",
        "1. Read n.\n\n2. Loop over i.\n\n3. Print.",
        "- for each node:\n\n  - visit it\n\n  - mark it",
        "For the first case:\n\n   we take two of them.\n\nFor the second:\n\n   three of them.",
        "i=0: stack [0]\n\ni=1: stack [0, 1]\n\ni=2: stack [0]",
        "prefix[1] = 100 (s[0] is 100)\n\nprefix[2] = 105 (s[1] is 5)",
        "return to the start; that is odd;\n\nand so on;",
        "If yes, then\n\nelse no.",
        "n = 4\n\nFor each i:\n\n   y = 1\n   But wait, that is odd.\n\nHm.",
    ],
)
def test_prose_and_worked_examples_stay_paragraphs(thinking: str) -> None:
    assert texts_of(thinking) == texts_of(thinking, "paragraph")


def test_two_programs_with_prose_between_are_two_steps() -> None:
    thinking = "print(1)\n\nprint(2)\n\nOr rather like this.\n\nprint(3)\n\nprint(4)"
    assert texts_of(thinking) == [
        "print(1)\n\nprint(2)",
        "Or rather like this.",
        "print(3)\n\nprint(4)",
    ]


def test_values_before_sure_code_belong_to_it() -> None:
    assert texts_of("Code:\n\nn = 5\n\nk = 2\n\nfor i in range(n):\n\n    k += i") == [
        "Code:",
        "n = 5\n\nk = 2\n\nfor i in range(n):\n\n    k += i",
    ]


def test_unfenced_code_next_to_a_fenced_block_is_a_step_of_its_own() -> None:
    thinking = "x = f(1)\n\nprint(x)\n\n```\nprint(2)\n```\n\nprint(3)\n\nprint(4)"
    assert texts_of(thinking) == [
        "x = f(1)\n\nprint(x)",
        "```\nprint(2)\n```",
        "print(3)\n\nprint(4)",
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("for i in range(3):", "strong"),
        ("    elif x == '#':  # wall", "strong"),
        ("else: return 5", "strong"),
        ("print(x)", "strong"),
        ("count += 1", "strong"),
        ("x = max(1, 2)", "strong"),
        ("#include <vector>", "strong"),
        ("} else {", "strong"),
        ("long long total = 0;", "strong"),
        ("n = 5", "weak"),
        ("abba (4)", "weak"),
        ("print (x)", "strong"),
        ("count = {1: [2, -3]}", "weak"),
        ("count = {n: [2, -3]}", "strong"),
        ("d = m // 2.", "weak"),
        ("return -1.", "weak"),
        ("case 1:", "weak"),
        ("# a comment", "neutral"),
        ("#a comment", "neutral"),
        ("// a comment", "neutral"),
        ('"""Return it."""', "neutral"),
        (")}", "neutral"),
        ("", "neutral"),
        ("## Plan", "prose"),
        ("Let's see.", "prose"),
        ("Yes", "prose"),
        ("for example:", "prose"),
        ("a[i] == 3", "prose"),
        ("left: 5", "prose"),
        ("- x = 5", "prose"),
        ("x = 3 → y = 4", "prose"),
        ("if (n is even)", "prose"),
        ("the number is odd;", "prose"),
        ("x " * 600, "prose"),
    ],
)
def test_lines_are_told_apart(line: str, kind: str) -> None:
    assert classify_line(line) == kind


@pytest.mark.parametrize(
    ("paragraph", "kind"),
    [
        ("x = foo(\n    1,\n    2,\n)", "strong"),
        ("grid = [\n  [1, 2],\n  [3, 4],\n]", "weak"),
        ('"""One.\n\nTwo."""', "weak"),
        ("n = 1\n# two", "weak"),
        ("# only a comment", "neutral"),
        ("4 1\n2 4 1 3", "prose"),
        ("So:\nprint(1)", "prose"),
        ("for each edge:\n    u, v = read()\n    adj[u].append(v)", "strong"),
    ],
)
def test_paragraphs_are_told_apart(paragraph: str, kind: str) -> None:
    assert classify_paragraph(paragraph) == kind


@pytest.mark.parametrize(
    "unit",
    [
        "foo(\n\n",
        "```\n\n",
        '"""\n\n',
        "x = 1\n\n",
        "a" + " " * 50,
        "\t" * 50 + "b\n\n",
        "- ```py\n\n",
    ],
)
def test_segmenting_takes_time_linear_in_the_text(unit: str) -> None:
    def measure(n: int) -> float:
        text = "a\n\n" + unit * n + "end"
        best = float("inf")
        for _ in range(3):
            classify_line.cache_clear()
            start = time.process_time()
            segment_thinking(text)
            best = min(best, time.process_time() - start)
        return best

    # 16 times the text; quadratic would be 256 times the time.
    assert measure(8000) < 64 * max(measure(500), 1e-3)


def test_deep_nesting_is_prose_and_no_crash() -> None:
    assert classify_line("(" * 900 + "x" + ")" * 900) == "prose"
    assert texts_of("x = " + "-" * 100_000 + "1\n\nend") == ["x = " + "-" * 100_000 + "1", "end"]
