"""Tables and plots as values, and how they look: in a terminal, in Markdown, CSV and LaTeX."""

from asap.report.chart import Chart, Series, render_chart
from asap.report.csv_text import render_csv
from asap.report.latex import render_latex
from asap.report.markdown import render_markdown
from asap.report.plot import Line, LinePlot, Point, render_svg
from asap.report.table import Cell, Column, Number, Table
from asap.report.terminal import render_terminal

__all__ = [
    "Cell",
    "Chart",
    "Column",
    "Line",
    "LinePlot",
    "Number",
    "Point",
    "Series",
    "Table",
    "render_chart",
    "render_csv",
    "render_latex",
    "render_markdown",
    "render_svg",
    "render_terminal",
]
