"""No reduction: every band is kept, centred and scaled to unit variance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.reducers.reducer import REDUCERS, Pixels, Reducer, Summary


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
            "--standardise": self.settings.standardise,
            "--no-whiten": not self.settings.whiten,
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
