"""Multinomial logistic regression."""

from __future__ import annotations

from typing import Any

from hsi.baselines.baseline import COMPARATORS, Samples
from hsi.baselines.estimator import EstimatorComparator
from hsi.baselines.tuned import Grid


@COMPARATORS.register("logistic")
class Logistic(EstimatorComparator):
    """Multinomial logistic regression (Böhning 1992, doi:10.1007/BF00048682) with a quadratic penalty.

    C, the inverse of the penalty's weight, is chosen by cross-validation.
    """

    name = "logistic"
    title = "logistic regression"
    source = "doi:10.1007/BF00048682"
    sees = "spectra"
    probable = True

    def grid(self, samples: Samples) -> Grid:
        """C from 0.01 to 100."""
        return {"C": (0.01, 0.1, 1.0, 10.0, 100.0)}

    def build(self, **chosen: Any) -> Any:
        """Logistic regression of scikit-learn (L-BFGS)."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**chosen, max_iter=5000)
