"""Figures in one style, as PNG, PDF or SVG: maps, false colour, spectra, confusion matrix, curves, reliability.

The order of the first imports is the order of :data:`RUN_FIGURES`, the figures of a run.
"""

# isort: off
from hsi.report.figures.maps import false_colour
from hsi.report.figures.spectra import ClassSpectra, class_spectra
from hsi.report.figures.charts import reliability_figure

# isort: on
from hsi.report.figures.look import Look, parse_size
from hsi.report.figures.registry import RUN_FIGURES, drawings, figure, write_figures
from hsi.report.figures.run import RunFigures
from hsi.report.figures.scale_bar import Ground, ground_of
from hsi.report.figures.style import FORMATS, write_figure

__all__ = [
    "FORMATS",
    "RUN_FIGURES",
    "ClassSpectra",
    "Ground",
    "Look",
    "RunFigures",
    "class_spectra",
    "drawings",
    "false_colour",
    "figure",
    "ground_of",
    "parse_size",
    "reliability_figure",
    "write_figure",
    "write_figures",
]
