"""Added noise, and the quality of a denoiser on it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Block, Scene
from hsi.preprocessing.denoisers.denoiser import (
    BandStatistics,
    Denoiser,
    DenoisingQuality,
    Quality,
    add_noise_variance,
    least_noisy_bands,
)
from hsi.preprocessing.denoisers.total_variation import require_scikit_image
from hsi.preprocessing.reducers.reducer import Summary

Float = NDArray[np.float32]


@dataclass(frozen=True)
class NoiseLevels:
    """Levels of noise, relative to the standard deviation of each band, and shares of columns.

    ``gaussian`` applies to every value, ``stripes`` to the offsets of a share ``striped`` of the columns of a band; a
    share ``dead`` of its columns holds 0.
    """

    gaussian: float = 0.0
    stripes: float = 0.0
    striped: float = 0.3
    dead: float = 0.0

    @property
    def variance(self) -> float:
        """Variance of the added noise, relative to that of the band."""
        return self.gaussian**2 + self.striped * self.stripes**2


def add_noise(cube: NDArray[Any], levels: NoiseLevels, spread: NDArray[Any], random: np.random.Generator) -> Float:
    """``(h, w, B)`` float32 with noise; ``spread`` ``(B,)`` are the standard deviations of its bands."""
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


HELD_OUT_SHARE, MAX_ROWS, MAX_COLUMNS = 0.25, 128, 256
SSIM_WINDOW = 7
LEVELS = {
    "Gaussian, 10 % of a band's spread": NoiseLevels(gaussian=0.1),
    "Gaussian, 30 % of a band's spread": NoiseLevels(gaussian=0.3),
    "stripes (20 %), dead columns (1 %)": NoiseLevels(gaussian=0.05, stripes=0.2, dead=0.01),
}


def held_out_block(height: int, width: int) -> Block | None:
    """The last rows of a scene, which train no network; None where the scene is too small."""
    rows, columns = min(MAX_ROWS, int(height * HELD_OUT_SHARE)), min(MAX_COLUMNS, width)
    return Block(height - rows, 0, rows, columns) if min(rows, columns) >= SSIM_WINDOW else None


def measure_denoiser(
    denoiser: Denoiser,
    scene: Scene,
    valid: NDArray[np.bool_],
    summary: Summary,
    seed: int,
    advance: Callable[[int, int, str], None] | None = None,
) -> list[DenoisingQuality]:
    """Quality before and after denoising, for each of :data:`LEVELS`, on the least noisy bands of the held-out rows;
    empty without held-out rows.

    The statistics of bands are those of a scene with that noise; a network is not trained again. Raises
    :class:`UsageError` without scikit-image.
    """
    require_scikit_image("measuring PSNR and SSIM")
    block = held_out_block(scene.height, scene.width)
    if block is None or not valid[block.slices].any():
        return []
    statistics, usable = BandStatistics.of(summary), valid[block.slices]
    bands, random = list(least_noisy_bands(statistics)), np.random.default_rng(seed)
    clean = np.where(usable[:, :, None], scene.read(block), statistics.mean).astype(np.float32)
    measured = []
    for done, (name, levels) in enumerate(LEVELS.items()):
        noisy = add_noise(clean, levels, statistics.spread, random)
        fitted = copy.copy(denoiser)
        fitted.learn(add_noise_variance(summary, levels.variance * statistics.spread**2))
        images = noisy[:, :, bands], fitted.clean(noisy, usable, bands)
        measured.append(DenoisingQuality(name, *(measure_quality(clean[:, :, bands], i, usable) for i in images)))
        if advance:
            advance(done + 1, len(LEVELS), name)
    return measured


def measure_quality(truth: NDArray[Any], other: NDArray[Any], usable: NDArray[np.bool_]) -> Quality:
    """Quality of ``other`` ``(h, w, n)`` compared with ``truth`` on the ``usable`` pixels ``(h, w)``."""
    from skimage import metrics

    compared: Any = metrics
    other = np.where(usable[:, :, None], other, truth)
    noise, similarity = [], []
    for band in range(truth.shape[2]):
        one, two = truth[:, :, band].astype(np.float64), other[:, :, band].astype(np.float64)
        reach = float(np.ptp(one[usable])) or 1.0
        with np.errstate(divide="ignore"):
            noise.append(compared.peak_signal_noise_ratio(one[usable], two[usable], data_range=reach))
        similarity.append(compared.structural_similarity(one, two, win_size=SSIM_WINDOW, data_range=reach))
    return Quality(float(np.mean(noise)), float(np.mean(similarity)), mean_angle(truth[usable], other[usable]))


def mean_angle(truth: NDArray[Any], other: NDArray[Any]) -> float:
    """Mean angle in degrees between spectra ``(n, B)`` (Kruse et al. 1993, doi:10.1016/0034-4257(93)90013-N)."""
    one, two = (values.astype(np.float64) for values in (truth, other))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    cosines = (one * two).sum(axis=1) / np.maximum(lengths, np.finfo(float).tiny)
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())
