"""MNF truncation: what the components of least signal over noise hold is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.denoisers.denoiser import DENOISERS, BandStatistics, Denoiser
from hsi.preprocessing.reducers.mnf import noise_adjusted
from hsi.preprocessing.reducers.reducer import Summary

KEPT_RATIO = 2.0  # of variance to noise: below it a component holds more noise than signal


@DENOISERS.register("mnf")
class MNFTruncation(Denoiser):
    """To minimum noise fraction components and back without the last ones (Green et al. 1988, doi:10.1109/36.3001).

    Each pixel on its own. Without ``components`` those are kept whose signal has more variance than their noise.
    """

    name = "mnf"
    title = "MNF truncation"
    source = "doi:10.1109/36.3001"
    uses = frozenset({"components"})
    halo = 0
    mean_: NDArray[np.float64]
    matrix_: NDArray[np.float64]
    kept_: int

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for more components than bands."""
        if (self.settings.components or 0) > bands:
            raise UsageError(f"{self.settings.components} components asked for, but the scene has {bands} usable bands")

    def learn(self, summary: Summary) -> None:
        """Learn the mean and the projection ``(B, B)`` on the kept components."""
        BandStatistics.of(summary)
        assert summary.pixels is not None and summary.differences is not None
        ratios, axes, noise = noise_adjusted(summary.pixels.covariance, summary.differences.covariance / 2)
        self.kept_ = self.settings.components or max(1, int(np.count_nonzero(ratios > KEPT_RATIO)))
        kept = axes[:, : self.kept_]  # (B, K), of unit noise
        self.mean_, self.matrix_ = summary.pixels.mean, kept @ (noise @ kept).T

    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """See :class:`Denoiser`; a row at a time, so that it is the same whatever is cleaned with it."""
        found = np.zeros((*valid.shape, len(bands)), np.float32)
        matrix, mean = self.matrix_[:, list(bands)], self.mean_[list(bands)]
        for row, (pixels, usable) in enumerate(zip(cube, valid, strict=True)):
            centred = np.where(usable[:, None], pixels, self.mean_) - self.mean_
            found[row] = centred @ matrix + mean
        return found

    def describe(self) -> str:
        """How many components are kept."""
        chosen = "as asked for" if self.settings.components else "whose signal is larger than their noise"
        return f"{self.title}: {self.kept_} of {len(self.mean_)} components, {chosen}"

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean, projection and the number of components."""
        return {"mean": self.mean_, "matrix": self.matrix_, "kept": np.asarray([self.kept_])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of :meth:`state` back."""
        self.mean_, self.matrix_, self.kept_ = state["mean"], state["matrix"], int(state["kept"][0])
