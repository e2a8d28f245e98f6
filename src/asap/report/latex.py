"""A table in LaTeX, with the package booktabs; best values in bold."""

from __future__ import annotations

import re

from asap.report.table import Cell, Number, Table, is_numeric, show_cell

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After the end of a row a bracket would be read as a length.
    "[": "{[}",
    "]": "{]}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))


def render_latex(table: Table) -> str:
    """A `table` with caption and notes."""
    positions = range(len(table.columns))
    best = table.find_best()
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape(table.title)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if is_numeric(table, n) else 'l' for n in positions)}}}",
        r"\toprule",
        *_write_groups(table),
        _join([_escape(column.heading) for column in table.columns]),
        r"\midrule",
    ]
    for n_row, row in enumerate(table.rows):
        cells = [_set(cell) for cell in row]
        lines.append(
            _join(
                [rf"\textbf{{{cells[n]}}}" if (n_row, n) in best else cells[n] for n in positions]
            )
        )
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {_escape(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _set(cell: Cell) -> str:
    """A hyphen before a digit is a minus in numbers, and in nothing else."""
    text = _escape(show_cell(cell))
    return re.sub(r"-(?=\d)", "$-$", text) if isinstance(cell, Number) else text


def _write_groups(table: Table) -> list[str]:
    """The headings over several columns and the rules under them; nothing without groups."""
    groups = table.find_groups()
    if not any(name for name, _ in groups):
        return []
    heads = [
        rf"\multicolumn{{{len(members)}}}{{c}}{{{_escape(name)}}}"
        if name
        else "& " * (len(members) - 1)
        for name, members in groups
    ]
    rules = [rf"\cmidrule(lr){{{m[0] + 1}-{m[-1] + 1}}}" for name, m in groups if name]
    return [_join(heads), " ".join(rules)]


def _join(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], " ".join(text.split()))
