"""Gradient-boosted trees on histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hsi.baselines.baseline import COMPARATORS
from hsi.baselines.estimator import EstimatorComparator


@COMPARATORS.register("boosting")
class Boosting(EstimatorComparator):
    """100 rounds of gradient-boosted trees (Friedman 2001, doi:10.1214/aos/1013203451) on binned bands.

    Leaves may hold a single pixel, so that classes of a few pixels can be told apart at all (scikit-learn's usual least
    of 20 would never do so), and nothing is held out to stop early by.
    """

    name = "boosting"
    title = "gradient boosting"
    source = "doi:10.1214/aos/1013203451"
    sees = "spectra"
    fixed: ClassVar[Mapping[str, Any]] = {"max_iter": 100, "min_samples_leaf": 1, "early_stopping": False}
    probable = True

    def build(self, **chosen: Any) -> Any:
        """Histogram-based gradient boosting of scikit-learn."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(**self.fixed, **chosen, random_state=self.seed)
