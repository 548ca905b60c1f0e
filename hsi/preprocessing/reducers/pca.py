"""Principal components, and the identity that keeps all bands.

Principal components (Pearson 1901, doi:10.1080/14786440109462720), whitened as HybridSN uses them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.reducers.reducer import (
    REDUCERS,
    LinearReducer,
    Pixels,
    Reducer,
    Summary,
    fix_signs,
    refuse_too_few,
    refuse_too_many,
)


@REDUCERS.register("pca")
class PCA(LinearReducer):
    """PCA in one pass. ``standardise`` divides bands by their standard deviation first; ``whiten`` gives unit variance.

    An axis's sign is arbitrary; here the loading of largest magnitude is positive, so that runs agree.
    """

    name = "pca"
    explained_: NDArray[np.float64]

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for more components than bands."""
        refuse_too_many(self.wanted, bands)

    def learn(self, summary: Summary) -> None:
        """Learn mean and axes. Raises :class:`UsageError` when fewer axes carry variance."""
        moments = summary.moments
        covariance = moments.covariance
        scale = np.sqrt(np.diag(covariance)) if self.settings.standardise else np.ones(len(covariance))
        scale[scale == 0] = 1.0
        values, axes = np.linalg.eigh(covariance / np.outer(scale, scale))
        values, axes = values[::-1], axes[:, ::-1]
        rank = int(np.count_nonzero(values > values[0] * 1e-12))
        refuse_too_few(self.wanted, rank, moments.count)
        values, axes = values[: self.wanted], axes[:, : self.wanted]
        axes = fix_signs(axes)
        if self.settings.whiten:
            axes = axes / np.sqrt(values)
        self.mean_ = moments.mean
        self.weights_ = axes / scale[:, None]  # (B, K)
        self.explained_ = values / np.trace(covariance / np.outer(scale, scale))

    def describe(self) -> str:
        """Components, share of variance, and how they were scaled."""
        extra = ", whitened" if self.settings.whiten else ""
        extra += ", standardised bands" if self.settings.standardise else ""
        return f"PCA: {self.components} components hold {self.explained_.sum():.2%} of the variance{extra}"

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Mean, weights and explained shares."""
        return {"mean": self.mean_, "weights": self.weights_, "explained": self.explained_}

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Take the arrays of :meth:`state` back."""
        self.mean_, self.weights_, self.explained_ = state["mean"], state["weights"], state["explained"]


@REDUCERS.register("identity")
class Identity(Reducer):
    """All bands, each with mean 0 and standard deviation 1 (a network needs its inputs on one scale)."""

    name = "identity"
    mean_: NDArray[np.float64]
    scale_: NDArray[np.float64]

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for a number of components or a scaling, because none is chosen here."""
        if self.settings.components not in (None, bands):
            raise UsageError(
                f"the identity reducer keeps all {bands} bands: leave --components out, or use --reducer pca"
            )
        for option, given in {
            "reducer.standardise=true": self.settings.standardise,
            "reducer.whiten=false": not self.settings.whiten,
        }.items():
            if given:
                raise UsageError(f"the identity reducer scales every band anyway: leave {option} out")

    def learn(self, summary: Summary) -> None:
        """Learn mean and standard deviation of each band."""
        moments = summary.moments
        self.mean_ = moments.mean
        scale = np.sqrt(np.diag(moments.covariance))
        self.scale_ = np.where(scale == 0, 1.0, scale)

    def transform(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, B) -> (n, B)`` float32."""
        scaled: NDArray[np.float64] = (pixels.astype(np.float64) - self.mean_) / self.scale_
        return scaled.astype(np.float32)

    @property
    def components(self) -> int:
        """Number of bands."""
        return int(self.mean_.size)

    def describe(self) -> str:
        """One line for the report."""
        return f"no reduction: {self.components} bands, each scaled to mean 0 and standard deviation 1"

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Mean and scale."""
        return {"mean": self.mean_, "scale": self.scale_}

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Take the arrays of :meth:`state` back."""
        self.mean_, self.scale_ = state["mean"], state["scale"]
