"""Classifiers of scikit-learn: k nearest neighbours, random forest, logistic regression, gradient boosting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hsi.baselines.baseline import BASELINES, Samples
from hsi.baselines.tuned import Grid, TunedEstimator

NEIGHBOURS = (9, 7, 5, 3, 1)


@BASELINES.register("knn")
class NearestNeighbours(TunedEstimator):
    """The class of most of the nearest training spectra (Cover and Hart 1967, doi:10.1109/TIT.1967.1053964).

    Their number is chosen by cross-validation. The votes of so few neighbours are no probabilities.
    """

    name = "knn"
    title = "nearest neighbours"
    source = "doi:10.1109/TIT.1967.1053964"
    sees = "spectra"

    def grid(self, samples: Samples) -> Grid:
        """1 to 9 neighbours, as far as the training pixels permit."""
        most = max(1, samples.codes.size // 3)
        return {"n_neighbors": tuple(number for number in NEIGHBOURS if number <= most)}

    def build(self, **parameters: Any) -> Any:
        """Nearest neighbours of scikit-learn, by Euclidean distance."""
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(**parameters)


@BASELINES.register("boosting")
class Boosting(TunedEstimator):
    """100 rounds of gradient-boosted trees (Friedman 2001, doi:10.1214/aos/1013203451) on binned bands.

    Leaves may hold a single pixel, so that classes of a few pixels can be separated (scikit-learn's default minimum of
    20 would prevent it), and there is no early stopping.
    """

    name = "boosting"
    title = "gradient boosting"
    source = "doi:10.1214/aos/1013203451"
    sees = "spectra"
    fixed: ClassVar[Mapping[str, Any]] = {"max_iter": 100, "min_samples_leaf": 1, "early_stopping": False}
    probable = True

    def build(self, **parameters: Any) -> Any:
        """Histogram-based gradient boosting of scikit-learn."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(**self.fixed, **parameters, random_state=self.seed)


@BASELINES.register("rf")
class RandomForest(TunedEstimator):
    """500 trees on the spectrum of the pixel (Breiman 2001, doi:10.1023/A:1010933404324).

    The probability of a class is its share of training pixels in the leaf, averaged over trees.
    """

    name = "rf"
    title = "random forest"
    source = "doi:10.1023/A:1010933404324"
    sees = "spectra"
    fixed: ClassVar[Mapping[str, Any]] = {"n_estimators": 500}
    probable = True

    def build(self, **parameters: Any) -> Any:
        """A forest of scikit-learn, on one thread for reproducible sums over trees."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(**self.fixed, **parameters, random_state=self.seed)


@BASELINES.register("logistic")
class Logistic(TunedEstimator):
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

    def build(self, **parameters: Any) -> Any:
        """Logistic regression of scikit-learn (L-BFGS)."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**parameters, max_iter=5000)
