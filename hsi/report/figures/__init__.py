"""Figures in one style, as PNG, PDF or SVG: maps, false colour, spectra, confusion matrix, curves, reliability."""

from hsi.report.figures.charts import confusion_figure, reliability_figure, training_curves_figure
from hsi.report.figures.maps import (
    class_map_figure,
    confidence_figure,
    difference_figure,
    false_colour,
    false_colour_figure,
    split_figure,
    truth_and_map_figure,
)
from hsi.report.figures.run import COMPARISON_FIGURES, RUN_FIGURES, RunFigures, drawings, write_figures
from hsi.report.figures.scale_bar import Ground, ground_of
from hsi.report.figures.spectra import ClassSpectra, class_spectra, spectra_figure
from hsi.report.figures.style import FORMATS, write_figure

write_png = write_figure  # the name that it had when there was one format

__all__ = [
    "COMPARISON_FIGURES",
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
    "ground_of",
    "reliability_figure",
    "spectra_figure",
    "split_figure",
    "training_curves_figure",
    "truth_and_map_figure",
    "write_figure",
    "write_figures",
    "write_png",
]
