"""Where traces come from: files, folders, globs, saved data sets and the Hub; formats, column
layouts, rows.
"""

from asap.corpus.corpus import Corpus, open_corpus
from asap.corpus.layout import Columns, Layout
from asap.corpus.record import ROW_REASONS
from asap.corpus.row import Row
from asap.corpus.stream import guard_reading, open_bytes

__all__ = [
    "ROW_REASONS",
    "Columns",
    "Corpus",
    "Layout",
    "Row",
    "guard_reading",
    "open_bytes",
    "open_corpus",
]
