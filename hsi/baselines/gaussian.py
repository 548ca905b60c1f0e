"""Gaussian maximum likelihood with regularised covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.baselines.baseline import BASELINES, Codes, Samples
from hsi.baselines.tuned import Grid, TunedEstimator


@BASELINES.register("gml")
class GaussianLikelihood(TunedEstimator):
    """The class with the highest Gaussian likelihood, with equal priors.

    The covariance of a class with no more pixels than components is singular, so each covariance is shrunk towards the
    pooled one (Friedman 1989, doi:10.1080/01621459.1989.10478752), see :class:`RegularizedGaussians`. The shrinkage is
    chosen by cross-validation.
    """

    name = "gml"
    title = "Gaussian likelihood"
    source = "doi:10.1080/01621459.1989.10478752"
    sees = "components"
    reducer = "pca"
    components = 20  # a covariance of 30 has twice as many numbers

    def grid(self, samples: Samples) -> Grid:
        """From one pooled covariance to nearly one per class."""
        return {"shrinkage": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)}

    def build(self, **parameters: Any) -> Any:
        """A Gaussian classifier with regularised covariances."""
        return RegularizedGaussians(**parameters)

    def describe(self) -> str:
        """The shrinkage, and its effect on a class of few pixels."""
        return f"{super().describe()}; a class of few pixels takes its covariance from all classes together"


class RegularizedGaussians:
    """Normal distributions whose covariances are shrunk towards the pooled covariance.

    A class of n pixels and covariance S has ``((1 - a) n S + a N P) / ((1 - a) n + a N)``, with the shrinkage ``a``, N
    pixels in total and their pooled covariance P around the class means, regularised as by Ledoit and Wolf
    (doi:10.1016/S0047-259X(03)00096-4) to be invertible: the fewer pixels a class has, the larger is the share of P.
    """

    def __init__(self, shrinkage: float) -> None:
        self.shrinkage = shrinkage
        self.classifier_: Any = None

    def fit(self, values: NDArray[np.float32], codes: Codes) -> None:
        """Learn the mean and covariance of each class in ``codes``, as statistics of the classifier of spectral."""
        from sklearn.covariance import ledoit_wolf
        from spectral import GaussianClassifier
        from spectral.algorithms.algorithms import GaussianStats, TrainingClass

        points = values.astype(np.float64)
        classes, class_of = np.unique(codes, return_inverse=True)
        means = np.array([points[codes == code].mean(axis=0) for code in classes])
        centred = points - means[class_of]
        pooled, _ = ledoit_wolf(centred, assume_centered=True)
        pooled_weight = self.shrinkage * len(points)
        self.classifier_ = GaussianClassifier(min_samples=1)
        self.classifier_.classes = []
        for code, mean in zip(classes.tolist(), means, strict=True):
            own = centred[codes == code]
            weight = (1 - self.shrinkage) * len(own)
            covariance = ((1 - self.shrinkage) * own.T @ own + pooled_weight * pooled) / (weight + pooled_weight)
            trained = TrainingClass(None, None, index=code)
            trained.stats = GaussianStats(mean=mean, cov=covariance, nsamples=len(own))
            trained.stats_valid(True)
            self.classifier_.classes.append(trained)

    def predict(self, values: NDArray[np.float32]) -> Codes:
        """Class codes ``(n,)`` of components ``(n, K)``."""
        return np.asarray(self.classifier_.classify_image(values[None].astype(np.float64))[0], np.int64)
