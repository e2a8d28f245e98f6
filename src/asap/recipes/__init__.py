"""The shipped recipes, as package data: `prune/` holds those of `asap prune`. Reading them is
`run`'s business.
"""

__all__: list[str] = []
