"""asap: shorten chain-of-thought training data, with proof of what was removed and what it cost.

The names here are the main road. Each stage on its own is behind its room's door: `asap.trace`,
`asap.corpus`, `asap.surprisal`, `asap.prune`, `asap.chat`, `asap.run`. Importing this loads no
model library.
"""

from asap.corpus import Columns, open_corpus
from asap.errors import AsapError, RunStopped, UserError
from asap.run import Recipe, load_recipe, open_tools, prune_corpus, prune_traces
from asap.trace import Excluded, Kept, Rewritten, Trace, parse_trace

__version__ = "0.1.0"

__all__ = [
    "AsapError",
    "Columns",
    "Excluded",
    "Kept",
    "Recipe",
    "Rewritten",
    "RunStopped",
    "Trace",
    "UserError",
    "load_recipe",
    "open_corpus",
    "open_tools",
    "parse_trace",
    "prune_corpus",
    "prune_traces",
]
