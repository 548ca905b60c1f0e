"""MNF truncation: components with more noise than signal are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError
from hsi.preprocessing.denoisers.denoiser import DENOISERS, Denoiser, require_noise
from hsi.preprocessing.reducers.mnf import solve_mnf
from hsi.preprocessing.reducers.reducer import Float, Summary

LEAST_RATIO = 2.0  # of variance to noise: below it a component holds more noise than signal


@DENOISERS.register("mnf")
class MNFTruncation(Denoiser):
    """Projects pixels onto the leading minimum noise fraction components (Green et al. 1988, doi:10.1109/36.3001).

    Each pixel is processed separately. The default of ``components`` is the number of components whose signal has more
    variance than their noise.
    """

    name = "mnf"
    title = "MNF truncation"
    source = "doi:10.1109/36.3001"
    uses = frozenset({"components"})
    halo = 0
    arrays = ("mean", "matrix")
    mean_: Float
    matrix_: Float
    components_: int

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for more components than bands."""
        if (self.settings.components or 0) > bands:
            raise UsageError(f"{self.settings.components} components asked for, but the scene has {bands} usable bands")

    def learn(self, summary: Summary) -> None:
        """Learn the mean and the projection ``(B, B)`` on the leading components."""
        moments, differences = require_noise(summary)
        ratios, axes, noise = solve_mnf(moments, differences)
        self.components_ = self.settings.components or max(1, int(np.count_nonzero(ratios > LEAST_RATIO)))
        leading = axes[:, : self.components_]  # (B, K), of unit noise
        self.mean_, self.matrix_ = moments.mean, leading @ (noise @ leading).T

    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """See :class:`Denoiser`; row by row, so that the result does not depend on the block."""
        cleaned = np.zeros((*valid.shape, len(bands)), np.float32)
        matrix, mean = self.matrix_[:, list(bands)], self.mean_[list(bands)]
        for row, (pixels, usable) in enumerate(zip(cube, valid, strict=True)):
            centred = np.where(usable[:, None], pixels, self.mean_) - self.mean_
            cleaned[row] = centred @ matrix + mean
        return cleaned

    def describe(self) -> str:
        """Number of components, and how it was chosen."""
        reason = "as asked for" if self.settings.components else "whose signal is larger than their noise"
        return f"{self.title}: {self.components_} of {len(self.mean_)} components, {reason}"

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean, projection and the number of components."""
        return {**super().state(), "kept": np.asarray([self.components_])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the arrays of :meth:`state`."""
        super().restore(state)
        self.components_ = int(state["kept"][0])
