"""Random forest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hsi.baselines.baseline import COMPARATORS
from hsi.baselines.estimator import EstimatorComparator


@COMPARATORS.register("rf")
class RandomForest(EstimatorComparator):
    """500 trees on the spectrum of the pixel (Breiman 2001, doi:10.1023/A:1010933404324).

    Its probability is the share of training pixels of a class in the leaf, averaged over trees.
    """

    name = "rf"
    title = "random forest"
    source = "doi:10.1023/A:1010933404324"
    sees = "spectra"
    fixed: ClassVar[Mapping[str, Any]] = {"n_estimators": 500}
    probable = True

    def build(self, **chosen: Any) -> Any:
        """A forest of scikit-learn, on one thread, so that sums over trees are the same in every run."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(**self.fixed, **chosen, random_state=self.seed)
