"""Principal components (Pearson 1901, doi:10.1080/14786440109462720), and the identity for all bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.reducers.reducer import REDUCERS, Float, LinearReducer, Pixels, Reducer, Summary, fix_signs


@REDUCERS.register("pca")
class PCA(LinearReducer):
    """PCA in one pass, whitened as HybridSN uses it.

    ``standardise`` divides bands by their standard deviation first; ``whiten`` gives components unit variance. The sign
    of an axis is arbitrary; here the loading of largest magnitude is positive, so that runs agree.
    """

    name = "pca"
    arrays = ("mean", "weights", "explained")
    explained_: Float

    def learn(self, summary: Summary) -> None:
        """Learn mean and axes. Raises :class:`UsageError` when fewer axes carry variance."""
        moments = summary.moments
        covariance = moments.covariance
        scale = np.sqrt(np.diag(covariance)) if self.settings.standardise else np.ones(len(covariance))
        scale[scale == 0] = 1.0
        scaled = covariance / np.outer(scale, scale)
        values, axes = np.linalg.eigh(scaled)
        values, axes = values[::-1], axes[:, ::-1]
        count = self.count_components(int(np.count_nonzero(values > values[0] * 1e-12)), moments.count)
        values, axes = values[:count], fix_signs(axes[:, :count])
        if self.settings.whiten:
            axes = axes / np.sqrt(values)
        self.mean_ = moments.mean
        self.weights_ = axes / scale[:, None]  # (B, K)
        self.explained_ = values / np.trace(scaled)

    def describe(self) -> str:
        """Number of components, explained share of variance, and scale."""
        extra = ", whitened" if self.settings.whiten else ""
        extra += ", standardised bands" if self.settings.standardise else ""
        return f"PCA: {self.components} components hold {self.explained_.sum():.2%} of the variance{extra}"


@REDUCERS.register("identity")
class Identity(Reducer):
    """All bands, each with mean 0 and standard deviation 1 (a network needs its inputs on one scale)."""

    name = "identity"
    arrays = ("mean", "scale")
    mean_: Float
    scale_: Float

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for fewer components than bands and for another scaling."""
        if self.settings.components not in (None, bands):
            raise UsageError(
                f"the identity reducer keeps all {bands} bands: leave --components out, or use --reducer pca"
            )
        if self.settings.standardise or not self.settings.whiten:
            setting = "reducer.standardise" if self.settings.standardise else "reducer.whiten=false"
            raise UsageError(f"the identity reducer scales every band anyway: leave {setting} out")

    def learn(self, summary: Summary) -> None:
        """Learn mean and standard deviation of each band."""
        self.mean_ = summary.moments.mean
        scale = np.sqrt(np.diag(summary.moments.covariance))
        self.scale_ = np.where(scale == 0, 1.0, scale)

    def transform(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, B) -> (n, B)`` float32."""
        scaled: Float = (pixels.astype(np.float64) - self.mean_) / self.scale_
        return scaled.astype(np.float32)

    @property
    def components(self) -> int:
        """Number of bands."""
        return int(self.mean_.size)

    def describe(self) -> str:
        """One line for the report."""
        return f"no reduction: {self.components} bands, each scaled to mean 0 and standard deviation 1"
