"""Draw what a command prints as an SVG, for the README: ANSI text from standard input.

FORCE_COLOR=1 COLUMNS=110 asap show demo-run --row 0 > shown
python tools/draw_terminal.py docs/images/pruned-trace.svg 'asap show demo-run --row 0' < shown
"""

from __future__ import annotations

import io
import sys

from rich.console import Console
from rich.text import Text


def main() -> None:
    """Read ANSI text from standard input, write the picture to the first argument."""
    path, title = sys.argv[1:]
    console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(sys.stdin.read()))
    console.save_svg(path, title=title)


if __name__ == "__main__":
    main()
