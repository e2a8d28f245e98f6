"""The command line: one verb per file, each of them parse, call, print."""

__all__: list[str] = []
