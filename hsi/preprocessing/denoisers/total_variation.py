"""Total variation: the image with the least total variation among those near the noisy one."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.denoisers.denoiser import DENOISERS, BandStatistics, Denoiser
from hsi.preprocessing.reducers.reducer import Float, Summary
from hsi.version import install_hint

ITERATIONS = 40  # fixed, so that a tile gives the values of the scene: each iteration reaches one pixel further
DEFAULT_STRENGTH = 0.5  # the estimate of noise contains texture


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
    arrays = ("mean", "spread", "noise")
    mean_: Float
    spread_: Float
    noise_: Float

    @property
    def strength(self) -> float:
        """The weight of a band in units of its noise."""
        return self.settings.strength or DEFAULT_STRENGTH

    def require(self) -> None:
        """Raise :class:`UsageError` without scikit-image."""
        require_scikit_image("tv")

    def learn(self, summary: Summary) -> None:
        """Learn mean, spread and noise of each band."""
        statistics = BandStatistics.of(summary)
        self.mean_, self.spread_, self.noise_ = statistics.mean, statistics.spread, statistics.noise

    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """See :class:`Denoiser`; pixels that are not valid are replaced by the mean of the band."""
        from skimage import restoration

        denoise: Any = restoration.denoise_tv_chambolle
        cleaned = np.empty((*valid.shape, len(bands)), np.float32)
        for channel, band in enumerate(bands):
            mean, spread = self.mean_[band], self.spread_[band]
            scaled = np.where(valid, (cube[:, :, band] - mean) / spread, 0)
            weight = self.strength * self.noise_[band] / spread
            if weight > 0:
                scaled = denoise(scaled, weight, eps=0, max_num_iter=ITERATIONS)
            cleaned[:, :, channel] = scaled * spread + mean
        return cleaned

    def describe(self) -> str:
        """One line with the strength."""
        return f"{self.title}: band by band, {self.strength:g} times each band's noise, {ITERATIONS} iterations"


def require_scikit_image(purpose: str) -> None:
    """Raise :class:`UsageError` where scikit-image is not installed."""
    if importlib.util.find_spec("skimage") is None:
        raise UsageError(f"{purpose} needs scikit-image, which is not installed: {install_hint('denoise')}")
