"""Classifiers of established libraries to compare networks with. One file here adds one to :data:`BASELINES`."""

from hsi.baselines.apply import fit_baseline, predict_scene
from hsi.baselines.baseline import BASELINES, Baseline, Pixels, Predicted, Samples

__all__ = ["BASELINES", "Baseline", "Pixels", "Predicted", "Samples", "fit_baseline", "predict_scene"]
