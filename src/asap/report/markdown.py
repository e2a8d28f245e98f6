"""A table in Markdown. It has no headings over several columns: the group goes into each."""

from __future__ import annotations

import re

from asap.report.table import Table, is_numeric, show_cell


def render_markdown(table: Table) -> str:
    """The table with its title above and its notes below; best values in bold."""
    positions = range(len(table.columns))
    best = table.find_best()
    heads = [_escape(f"{column.group} {column.heading}".strip()) for column in table.columns]
    lines = [
        f"**{_escape(table.title)}**",
        "",
        _join(heads),
        _join(["---:" if is_numeric(table, n) else "---" for n in positions]),
    ]
    for n_row, row in enumerate(table.rows):
        cells = [_escape(show_cell(cell)) for cell in row]
        lines.append(
            _join([f"**{cells[n]}**" if (n_row, n) in best else cells[n] for n in positions])
        )
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines) + "\n"


def _join(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_<|\[\]])", r"\\\1", " ".join(text.split()))
