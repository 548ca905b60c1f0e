"""Noise of known strength: Gaussian, stripes along columns, dead columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


@dataclass(frozen=True)
class NoiseLevels:
    """How strong noise is: standard deviations as shares of each band's own, and the shares of columns concerned.

    ``gaussian`` is for every value, ``stripes`` for the offset of a column, of which a share ``striped`` has one in
    each band; a share ``dead`` of the columns of a band holds 0.
    """

    gaussian: float = 0.0
    stripes: float = 0.0
    striped: float = 0.3
    dead: float = 0.0

    @property
    def variance(self) -> float:
        """Variance of what is added, in units of a band's own."""
        return self.gaussian**2 + self.striped * self.stripes**2


def add_noise(cube: NDArray[Any], levels: NoiseLevels, spread: NDArray[Any], random: np.random.Generator) -> Float:
    """``(h, w, B)`` with noise, as float32; ``spread`` ``(B,)`` are the standard deviations of its bands."""
    _, width, bands = cube.shape
    noisy = cube.astype(np.float32)
    noisy += gaussian_noise(noisy.shape, levels.gaussian * spread, random)
    noisy += stripes(width, levels.stripes * spread, levels.striped, random)
    if levels.dead:
        noisy[:, random.random((width, bands)) < levels.dead] = 0
    return noisy


def gaussian_noise(shape: tuple[int, ...], sigma: NDArray[Any], random: np.random.Generator) -> Float:
    """Independent values ``(h, w, B)`` of standard deviations ``sigma`` ``(B,)``."""
    return random.standard_normal(shape, np.float32) * sigma.astype(np.float32)


def stripes(width: int, sigma: NDArray[Any], share: float, random: np.random.Generator) -> Float:
    """Offsets ``(w, B)`` of a ``share`` of the columns of each band, of standard deviations ``sigma`` ``(B,)``."""
    shape = (width, len(sigma))
    offsets = random.standard_normal(shape, np.float32) * sigma.astype(np.float32)
    return np.where(random.random(shape) < share, offsets, np.float32(0))
