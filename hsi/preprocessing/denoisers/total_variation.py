"""Total variation: the image with the shortest edges among those that are near enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.denoisers.denoiser import DENOISERS, BandStatistics, Denoiser
from hsi.preprocessing.reducers.reducer import Summary

ITERATIONS = 40  # each looks one pixel farther; a fixed number, so that a tile ends as the whole image does
USUAL_STRENGTH = 0.5  # the estimate of noise has texture in it


@DENOISERS.register("tv")
class TotalVariation(Denoiser):
    """Band by band, by Chambolle's projections (2004, doi:10.1023/B:JMIV.0000011325.36760.1e), as in scikit-image.

    The weight of a band is its estimated noise times ``strength``.
    """

    name = "tv"
    title = "total variation"
    source = "doi:10.1023/B:JMIV.0000011325.36760.1e"
    uses = frozenset({"strength"})
    halo = ITERATIONS
    mean_: NDArray[np.float64]
    spread_: NDArray[np.float64]
    noise_: NDArray[np.float64]

    @property
    def strength(self) -> float:
        """Times the noise of a band."""
        return self.settings.strength or USUAL_STRENGTH

    def require(self) -> None:
        """Raise :class:`UsageError` without scikit-image."""
        require_scikit_image("tv")

    def learn(self, summary: Summary) -> None:
        """Learn mean, spread and noise of each band."""
        known = BandStatistics.of(summary)
        self.mean_, self.spread_, self.noise_ = known.mean, known.spread, known.noise

    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """See :class:`Denoiser`; pixels that are not valid count as the band's mean."""
        from skimage import restoration

        total_variation: Any = restoration.denoise_tv_chambolle
        found = np.empty((*valid.shape, len(bands)), np.float32)
        for channel, band in enumerate(bands):
            mean, spread = self.mean_[band], self.spread_[band]
            scaled = np.where(valid, (cube[:, :, band] - mean) / spread, 0)
            weight = self.strength * self.noise_[band] / spread
            if weight > 0:
                scaled = total_variation(scaled, weight, eps=0, max_num_iter=ITERATIONS)
            found[:, :, channel] = scaled * spread + mean
        return found

    def describe(self) -> str:
        """Its strength."""
        return f"{self.title}: band by band, {self.strength:g} times each band's noise, {ITERATIONS} iterations"

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean, spread and noise."""
        return {"mean": self.mean_, "spread": self.spread_, "noise": self.noise_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of :meth:`state` back."""
        self.mean_, self.spread_, self.noise_ = state["mean"], state["spread"], state["noise"]


def require_scikit_image(what: str) -> None:
    """Raise :class:`UsageError` where scikit-image is not installed."""
    import importlib.util

    if importlib.util.find_spec("skimage") is None:
        raise UsageError(f"{what} needs scikit-image, which is not installed: pip install '.[denoise]'")
