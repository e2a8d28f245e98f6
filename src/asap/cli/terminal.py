"""The terminal as the verbs write to it: lines as they are, and a closed pipe is the caller's."""

from __future__ import annotations

from rich.console import Console


class Terminal(Console):
    """A console whose lines stay whole when they are piped."""

    def say(self, *lines: str) -> None:
        """Print lines as they are: brackets are no markup, numbers get no colour."""
        for line in lines:
            self.print(line, highlight=False, markup=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Called by rich, which would exit with 1; `main` knows better."""
        raise BrokenPipeError
