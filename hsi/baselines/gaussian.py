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
        """From one covariance for all classes to nearly one for each."""
        return {"shrinkage": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)}

    def build(self, **chosen: Any) -> Any:
        """Regularised statistics for the classifier of spectral."""
        return RegularizedGaussians(**chosen)

    def describe(self) -> str:
        """The shrinkage, and what it means for a class of few pixels."""
        return f"{super().describe()}; a class of few pixels takes its covariance from all classes together"


class RegularizedGaussians:
    """Normal distributions whose covariances are joined with the one within all classes.

    A class of n pixels and covariance S has ``((1 - a) n S + a N P) / ((1 - a) n + a N)``, with the shrinkage ``a``, N
    pixels in all and their covariance P around their class means, shrunk as by Ledoit and Wolf
    (doi:10.1016/S0047-259X(03)00096-4) so that it can be inverted: the fewer pixels a class has, the more it borrows.
    """

    def __init__(self, shrinkage: float) -> None:
        self.shrinkage = shrinkage
        self.classifier_: Any = None

    def fit(self, values: NDArray[np.float32], codes: Codes) -> None:
        """Learn the mean and covariance of each class that has a pixel."""
        from sklearn.covariance import ledoit_wolf
        from spectral import GaussianClassifier

        points = values.astype(np.float64)
        classes, places = np.unique(codes, return_inverse=True)
        means = np.array([points[codes == code].mean(axis=0) for code in classes])
        centred = points - means[places]
        shared, _ = ledoit_wolf(centred, assume_centered=True)
        borrowed = self.shrinkage * len(points)
        self.classifier_ = GaussianClassifier(min_samples=1)
        self.classifier_.classes = []
        for code, mean in zip(classes.tolist(), means, strict=True):
            own = centred[codes == code]
            kept = (1 - self.shrinkage) * len(own)
            covariance = ((1 - self.shrinkage) * own.T @ own + borrowed * shared) / (kept + borrowed)
            self.classifier_.classes.append(_trained_class(code, mean, covariance, len(own)))

    def predict(self, values: NDArray[np.float32]) -> Codes:
        """Class positions ``(n,)`` of components ``(n, K)``."""
        return np.asarray(self.classifier_.classify_image(values[None].astype(np.float64))[0], np.int64)


def _trained_class(code: int, mean: NDArray[np.float64], covariance: NDArray[np.float64], pixels: int) -> Any:
    """A class as spectral's classifier takes it."""
    from spectral.algorithms.algorithms import GaussianStats, TrainingClass

    trained = TrainingClass(None, None, index=code)
    trained.stats = GaussianStats(mean=mean, cov=covariance, nsamples=pixels)
    trained.stats_valid(True)
    return trained
