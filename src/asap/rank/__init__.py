"""Comparing methods without training: what each leaves of real traces, and what that is worth."""

from asap.rank.kept import KeptText

__all__ = ["KeptText"]
