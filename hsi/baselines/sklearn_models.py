"""Nearest neighbours among spectra."""

from __future__ import annotations

from typing import Any

from hsi.baselines.baseline import COMPARATORS, Samples
from hsi.baselines.estimator import EstimatorComparator
from hsi.baselines.tuned import Grid

NEIGHBOURS = (9, 7, 5, 3, 1)


@COMPARATORS.register("knn")
class Neighbours(EstimatorComparator):
    """The class of most of the nearest training spectra (Cover and Hart 1967, doi:10.1109/TIT.1967.1053964).

    Their number is chosen by cross-validation. It gives no probability: the votes of so few are none.
    """

    name = "knn"
    title = "nearest neighbours"
    source = "doi:10.1109/TIT.1967.1053964"
    sees = "spectra"

    def grid(self, samples: Samples) -> Grid:
        """1 to 9 neighbours, as far as the folds have so many."""
        most = max(1, samples.codes.size // 3)
        return {"n_neighbors": tuple(number for number in NEIGHBOURS if number <= most)}

    def build(self, **chosen: Any) -> Any:
        """Nearest neighbours of scikit-learn, by Euclidean distance."""
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(**chosen)
