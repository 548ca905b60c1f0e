"""Figures in one style, as PNG, PDF or SVG: maps, false colour, spectra, confusion matrix, curves, reliability."""

from hsi.drawing import FORMATS, RIGHT, WRONG, write_figure
from hsi.figures.curves import reliability_figure, training_curves_figure
from hsi.figures.ground import Ground, ground_of
from hsi.figures.maps import (
    class_map_figure,
    confidence_figure,
    difference_figure,
    false_colour_figure,
    split_figure,
    truth_and_map_figure,
)
from hsi.figures.matrices import confusion_figure
from hsi.figures.names import COMPARISON_FIGURES, RUN_FIGURES
from hsi.figures.pictures import EMPTY, false_colour
from hsi.figures.run import RunFigures, drawings, write_figures
from hsi.figures.spectra import ClassSpectra, class_spectra, spectra_figure

write_png = write_figure  # the name that it had when there was one format

__all__ = [
    "COMPARISON_FIGURES",
    "EMPTY",
    "FORMATS",
    "RIGHT",
    "RUN_FIGURES",
    "WRONG",
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
