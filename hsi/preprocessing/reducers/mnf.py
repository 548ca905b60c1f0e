"""Minimum noise fraction (Green et al. 1988, doi:10.1109/36.3001): components in order of signal over noise."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from hsi.core.events import warning
from hsi.errors import UsageError
from hsi.preprocessing.reducers.reducer import REDUCERS, Float, LinearReducer, Moments, Pixels, Summary, fix_signs

RIDGE = 1e-9  # of the mean noise variance, for bands that are copies of each other
LEAST_RATIO = 0.1  # of variance to noise; noise, half the variance of differences, is at most twice the variance


@REDUCERS.register("mnf")
class MNF(LinearReducer):
    """The components with the highest signal-to-noise ratio, in one pass.

    Noise is estimated from differences between neighbours in a row, see :class:`Summary`. ``whiten`` gives
    components unit variance; without it they have unit noise variance. ``standardise`` is not available, because the
    transform does not depend on the scales of bands. Signs are fixed as in PCA.
    """

    name = "mnf"
    tolerates_resampling = False  # it uses small differences between neighbouring bands
    usual_components = 15
    arrays = ("mean", "weights", "ratios")
    ratios_: Float

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for more components than bands and for ``standardise``."""
        if self.settings.standardise:
            raise UsageError("reducer.standardise has no effect on mnf: leave it out, or add --reducer pca")
        super().check(bands)

    def summarise(self, cube: Pixels, valid: NDArray[np.bool_]) -> Summary:
        """Moments of the valid pixels, and of the differences between valid neighbours in a row."""
        values = cube.astype(np.float64)
        pairs = valid[:, 1:] & valid[:, :-1]
        return Summary(Moments.of(values[valid]), Moments.of((values[:, 1:] - values[:, :-1])[pairs]))

    def learn(self, summary: Summary) -> None:
        """Learn mean, noise and axes. Raises :class:`UsageError` when no two neighbours are valid."""
        if summary.differences is None:
            raise UsageError("the mnf reducer needs valid pixels side by side to estimate noise: use --reducer pca")
        moments = summary.moments
        ratios, axes, _ = solve_mnf(moments, summary.differences)
        count = self.count_components(int(np.count_nonzero(ratios > LEAST_RATIO)), moments.count)
        ratios, axes = ratios[:count], fix_signs(axes[:, :count])
        if self.settings.whiten:
            axes = axes / np.sqrt(ratios)
        self.mean_, self.weights_, self.ratios_ = moments.mean, axes, ratios

    def describe(self) -> str:
        """Number of components, range of their signal-to-noise ratios, and scale."""
        snr = np.sqrt(np.maximum(self.ratios_ - 1, 0))
        scaled = "unit variance" if self.settings.whiten else "unit noise"
        return f"MNF: {self.components} components, signal to noise {snr[0]:.1f} to {snr[-1]:.1f}, {scaled}"


def solve_mnf(pixels: Moments, differences: Moments) -> tuple[Float, Float, Float]:
    """Ratios of variance to noise ``(B,)``, descending, their axes ``(B, B)`` of unit noise, and the noise covariance
    ``(B, B)`` with a ridge, from the moments of pixels and of differences between neighbours.

    Warns where these are too few to have noise in all directions. Raises :class:`UsageError` when the noise is not
    positive definite.
    """
    noise, bands = differences.covariance / 2, len(differences.mean)
    if differences.count <= bands:
        warning(
            f"mnf: the noise of {bands} bands is estimated from {differences.count} pairs of neighbouring pixels, so "
            "the first components and their signal to noise are chance: use pca, or an area of more pixels"
        )
    noise = noise + np.eye(bands) * (RIDGE * max(np.trace(noise) / bands, np.finfo(float).tiny))
    try:
        ratios, axes = scipy.linalg.eigh(pixels.covariance, noise)
    except np.linalg.LinAlgError:
        raise UsageError("the noise of this scene cannot be estimated for mnf: use --reducer pca") from None
    return ratios[::-1], axes[:, ::-1], noise
