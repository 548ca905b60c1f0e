"""Figures in one style, as PNG, PDF or SVG: maps, false colour, spectra, confusion matrix, curves, reliability.

The order of these imports is the order of the figures in :data:`RUN_FIGURES`.
"""

from hsi.report.figures.registry import RUN_FIGURES, drawings, figure, write_figures

# isort: off
from hsi.report.figures.maps import (
    class_map_figure,
    confidence_figure,
    difference_figure,
    false_colour,
    false_colour_figure,
    ground_truth_figure,
    split_figure,
    truth_and_map_figure,
)
from hsi.report.figures.spectra import ClassSpectra, class_spectra, spectra_figure
from hsi.report.figures.charts import confusion_figure, reliability_figure, training_curves_figure

# isort: on
from hsi.report.figures.run import RunFigures
from hsi.report.figures.scale_bar import Ground, ground_of
from hsi.report.figures.style import FORMATS, write_figure

__all__ = [
    "FORMATS",
    "RUN_FIGURES",
    "ClassSpectra",
    "Ground",
    "RunFigures",
    "class_map_figure",
    "class_spectra",
    "confidence_figure",
    "confusion_figure",
    "difference_figure",
    "drawings",
    "false_colour",
    "false_colour_figure",
    "figure",
    "ground_of",
    "ground_truth_figure",
    "reliability_figure",
    "spectra_figure",
    "split_figure",
    "training_curves_figure",
    "truth_and_map_figure",
    "write_figure",
    "write_figures",
]
