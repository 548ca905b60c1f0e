"""Minimum noise fraction (Green et al. 1988, doi:10.1109/36.3001): components in order of signal over noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.reducers.reducer import (
    REDUCERS,
    LinearReducer,
    Moments,
    Pixels,
    Summary,
    fix_signs,
    moments_of,
    refuse_too_few,
    refuse_too_many,
)

RIDGE = 1e-9  # of the mean noise variance, so that bands that copy each other do not stop the transform
LEAST = 0.1  # no signal has a smaller ratio of variance to noise: half the variance of differences is at most twice it


@REDUCERS.register("mnf")
class MNF(LinearReducer):
    """The components with the highest signal-to-noise ratio, in one pass.

    Noise is estimated from differences between neighbours in a row, half of whose variance is noise. ``whiten`` gives
    components unit variance; without it they have unit noise variance. ``standardise`` has no meaning here, because
    the transform does not depend on the bands' scales. Signs are fixed as in PCA.
    """

    name = "mnf"
    tolerates_resampling = False  # it leans on small differences between neighbouring bands that stand out of the noise
    usual_components = 15
    ratios_: NDArray[np.float64]

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for more components than bands and for ``standardise``."""
        if self.settings.standardise:
            raise UsageError("reducer.standardise has no effect on mnf: leave it out, or add --reducer pca")
        refuse_too_many(self.wanted, bands)

    def summarise(self, cube: Pixels, valid: NDArray[np.bool_]) -> Summary:
        """Moments of the valid pixels, and of the differences between those that are neighbours in a row."""
        values = cube.astype(np.float64)
        pairs = valid[:, 1:] & valid[:, :-1]
        return Summary(moments_of(values[valid]), moments_of((values[:, 1:] - values[:, :-1])[pairs]))

    def learn(self, summary: Summary) -> None:
        """Learn mean, noise and axes. Raises :class:`UsageError` when no two neighbours are valid."""
        if summary.pixels is None or summary.differences is None:
            raise UsageError("the mnf reducer needs valid pixels side by side to estimate noise: use --reducer pca")
        self._solve(summary.pixels, summary.differences.covariance / 2)

    def _solve(self, moments: Moments, noise: NDArray[np.float64]) -> None:
        ratios, axes, _ = noise_adjusted(moments.covariance, noise)
        refuse_too_few(self.wanted, int(np.count_nonzero(ratios > LEAST)), moments.count)
        ratios, axes = ratios[: self.wanted], axes[:, : self.wanted]
        axes = fix_signs(axes)
        if self.settings.whiten:
            axes = axes / np.sqrt(ratios)
        self.mean_, self.weights_, self.ratios_ = moments.mean, axes, ratios

    def describe(self) -> str:
        """Components, their range of signal-to-noise ratios, and how they were scaled."""
        snr = np.sqrt(np.maximum(self.ratios_ - 1, 0))
        scaled = "unit variance" if self.settings.whiten else "unit noise"
        return f"MNF: {self.components} components, signal to noise {snr[0]:.1f} to {snr[-1]:.1f}, {scaled}"

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Mean, weights and ratios."""
        return {"mean": self.mean_, "weights": self.weights_, "ratios": self.ratios_}

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Take the arrays of :meth:`state` back."""
        self.mean_, self.weights_, self.ratios_ = state["mean"], state["weights"], state["ratios"]


def noise_adjusted(
    covariance: NDArray[np.float64], noise: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Ratios of variance to noise ``(B,)``, descending, their axes ``(B, B)`` of unit noise, and the noise ``(B, B)``
    that they are of, with a ridge. Raises :class:`UsageError` for noise that is no covariance."""
    bands = len(noise)
    noise = noise + np.eye(bands) * (RIDGE * max(np.trace(noise) / bands, np.finfo(float).tiny))
    try:
        ratios, axes = scipy.linalg.eigh(covariance, noise)
    except np.linalg.LinAlgError:
        raise UsageError("the noise of this scene cannot be estimated for mnf: use --reducer pca") from None
    return ratios[::-1], axes[:, ::-1], noise
