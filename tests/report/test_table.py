"""Numbers as shown, marks, and the four ways to write a table."""

from __future__ import annotations

import csv
import io

import pytest
from rich.console import Console

from asap.report import (
    Column,
    Number,
    Table,
    render_csv,
    render_latex,
    render_markdown,
    render_terminal,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(9813.4), "9,813"),
        (Number(45.06, 1), "45.1"),
        (Number(3.14, 1, is_signed=True), "+3.1"),
        (Number(-0.04, 1), "0.0"),
        (Number(-0.04, 1, is_signed=True), "+0.0"),
        (Number(-2, 1, (-3.25, 1), is_signed=True), "-2.0 [-3.2, +1.0]"),
        (Number(0.0004, 3, floor=0.001), "<0.001"),
        (Number(0.001, 3, floor=0.001), "0.001"),
    ],
)
def test_numbers_as_shown(number, text):
    assert str(number) == text


TABLE = Table(
    "Scores & <more>",
    (
        Column("arm"),
        Column("Pass@1 %", "h_e 6k", "highest"),
        Column("tokens", "h_e 6k", "lowest"),
        Column("Pass@1 %", "lcb 10k", "highest"),
        Column("change", "lcb 10k"),
    ),
    (
        ("[a]_1|", Number(45.04, 1), Number(1200), Number(1.5, 1), Number(-1.25, 2, (-2, 0.5))),
        ("b-2", Number(45.01, 1), Number(-999.6), None, None),
    ),
    ("50 % of *it*",),
)


def test_the_best_of_a_column_is_marked_with_its_ties():
    # 45.04 and 45.01 look the same; one value alone is not the best of anything.
    assert TABLE.find_best() == {(0, 1), (1, 1), (1, 2)}


def test_markdown():
    assert render_markdown(TABLE).splitlines() == [
        r"**Scores & \<more>**",
        "",
        r"| arm | h\_e 6k Pass@1 % | h\_e 6k tokens | lcb 10k Pass@1 % | lcb 10k change |",
        "| --- | ---: | ---: | ---: | ---: |",
        r"| \[a\]\_1\| | **45.0** | 1,200 | 1.5 | -1.25 \[-2.00, 0.50\] |",
        "| b-2 | **45.0** | **-1,000** | - | - |",
        "",
        r"50 % of \*it\*",
    ]


def test_latex():
    assert render_latex(TABLE).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Scores \& \textless{}more\textgreater{}}",
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{h\_e 6k} & \multicolumn{2}{c}{lcb 10k} \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}",
        r"arm & Pass@1 \% & tokens & Pass@1 \% & change \\",
        r"\midrule",
        r"{[}a{]}\_1\textbar{} & \textbf{45.0} & 1,200 & 1.5 & $-$1.25 {[}$-$2.00, 0.50{]} \\",
        r"b-2 & \textbf{45.0} & \textbf{$-$1,000} & - & - \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\footnotesize 50 \% of *it*",
        r"\end{table}",
    ]


def test_every_sign_that_latex_reads_is_escaped():
    table = Table("\\ ~ ^ $ # { }", (Column("x"),), ())
    assert (
        r"\caption{\textbackslash{} \textasciitilde{} \textasciicircum{} \$ \# \{ \}}"
        in render_latex(table)
    )


def test_csv_has_the_numbers_in_full():
    rows = list(csv.reader(io.StringIO(render_csv(TABLE))))
    assert rows == [
        [
            *("arm", "h_e 6k Pass@1 %", "h_e 6k tokens", "lcb 10k Pass@1 %"),
            *("lcb 10k change", "lcb 10k change low", "lcb 10k change high"),
        ],
        ["[a]_1|", "45.04", "1200", "1.5", "-1.25", "-2", "0.5"],
        ["b-2", "45.01", "-999.6", "", "", "", ""],
    ]
    tricky = Table('a "title", with both', (Column("x, y"),), (('"q",\n',), (Number(100 * 0.3),)))
    rows = list(csv.reader(io.StringIO(render_csv(tricky, has_title=True), newline="")))
    assert rows == [['a "title", with both'], ["x, y"], ['"q",\n'], ["30"]]


def draw(width, **settings):
    console = Console(file=io.StringIO(), width=width, **settings)
    console.print(render_terminal(TABLE, console))
    return console.file.getvalue()


def test_the_terminal_marks_without_colour():
    text = draw(200)
    assert "\x1b" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["b-2", "45.0*", "-1,000*", "-", "-"] in lines
    assert ["[a]_1|", "45.0*", "1,200", "1.5", "-1.25", "[-2.00,", "0.50]"] in lines
    assert "50 % of *it*" in text
    assert "\x1b[1m   45.0*\x1b[0m" in draw(200, force_terminal=True, color_system="standard")


def test_what_is_too_wide_is_cut_between_groups():
    lines = draw(40).splitlines()
    assert sum("[a]_1|" in line for line in lines) == 2
    assert any(line.split() == ["arm", "Pass@1", "%", "tokens"] for line in lines)
    assert max(map(len, lines)) <= 40
    assert sum("[a]_1|" in line for line in draw(200).splitlines()) == 1
