"""Tables and plots as values, and how they look: in a terminal, in Markdown, CSV and LaTeX, as
pictures.
"""

from asap.report.chart import Chart, Series, render_chart
from asap.report.csv_text import render_csv
from asap.report.latex import render_latex
from asap.report.markdown import render_markdown
from asap.report.page import PAGE, Page, read_page, write_page
from asap.report.plot import (
    Bar,
    BarPlot,
    Counts,
    Density,
    Histogram,
    Line,
    LinePlot,
    Plot,
    Point,
    ScatterPlot,
    check_plot,
)
from asap.report.plot_drawing import PlotFormat, check_drawing, draw, draw_for_page
from asap.report.plot_text import describe, lay_out_plot
from asap.report.table import Cell, Column, Number, Table, is_numeric, show_cell
from asap.report.terminal import render_terminal

__all__ = [
    "PAGE",
    "Bar",
    "BarPlot",
    "Cell",
    "Chart",
    "Column",
    "Counts",
    "Density",
    "Histogram",
    "Line",
    "LinePlot",
    "Number",
    "Page",
    "Plot",
    "PlotFormat",
    "Point",
    "ScatterPlot",
    "Series",
    "Table",
    "check_drawing",
    "check_plot",
    "describe",
    "draw",
    "draw_for_page",
    "is_numeric",
    "lay_out_plot",
    "read_page",
    "render_chart",
    "render_csv",
    "render_latex",
    "render_markdown",
    "render_terminal",
    "show_cell",
    "write_page",
]
