"""Classifiers from well-kept libraries to compare networks with. One file here adds one to :data:`COMPARATORS`."""

from hsi.baselines.apply import fit_comparator, map_with
from hsi.baselines.baseline import COMPARATORS, Comparator, Pixels, Predicted, Samples

__all__ = ["COMPARATORS", "Comparator", "Pixels", "Predicted", "Samples", "fit_comparator", "map_with"]
