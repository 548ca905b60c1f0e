"""The noise of a scene, and how much a denoiser removes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Block, Scene
from hsi.preprocessing.denoisers.denoiser import BandStatistics, Denoiser, add_noise_variance, least_noisy_bands
from hsi.preprocessing.denoisers.total_variation import require_scikit_image
from hsi.preprocessing.reducers.reducer import Summary

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


HELD_SHARE, MOST_ROWS, MOST_COLUMNS = 0.25, 128, 256
LEAST_SIDE = 7  # of the windows in which SSIM compares
LEVELS = {
    "Gaussian, 10 % of a band's spread": NoiseLevels(gaussian=0.1),
    "Gaussian, 30 % of a band's spread": NoiseLevels(gaussian=0.3),
    "stripes (20 %), dead columns (1 %)": NoiseLevels(gaussian=0.05, stripes=0.2, dead=0.01),
}


@dataclass(frozen=True)
class Quality:
    """Peak signal to noise in dB and structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), means over
    bands, and the mean angle between spectra in degrees."""

    psnr: float
    ssim: float
    angle: float


@dataclass(frozen=True)
class DenoisingQuality:
    """What was added, and the quality of the noisy and of the cleaned bands against those without that noise."""

    noise: str
    noisy: Quality
    cleaned: Quality

    def to_dict(self) -> dict[str, Any]:
        """For a record."""
        return asdict(self)


def held_out_block(height: int, width: int) -> Block | None:
    """The last rows of a scene, from which nothing is learned but moments; None where it is too small to spare any."""
    rows, columns = min(MOST_ROWS, int(height * HELD_SHARE)), min(MOST_COLUMNS, width)
    return Block(height - rows, 0, rows, columns) if min(rows, columns) >= LEAST_SIDE else None


def measure_denoiser(
    denoiser: Denoiser,
    scene: Scene,
    valid: NDArray[np.bool_],
    summary: Summary,
    seed: int,
    advance: Callable[[int, int, str], None] | None = None,
) -> list[DenoisingQuality]:
    """Quality before and after, for each of :data:`LEVELS`, on the scene's cleanest bands; empty without held-out rows.

    What a method knows of the bands is as if all of the scene had that noise; a network stays as it is. Raises
    :class:`UsageError` without scikit-image.
    """
    require_scikit_image("measuring PSNR and SSIM")
    block = held_out_block(scene.height, scene.width)
    if block is None or not valid[block.slices].any():
        return []
    known, usable = BandStatistics.of(summary), valid[block.slices]
    bands, random = least_noisy_bands(known), np.random.default_rng(seed)
    clean = np.where(usable[:, :, None], scene.read(block), known.mean).astype(np.float32)
    found = []
    for done, (name, levels) in enumerate(LEVELS.items()):
        noisy = add_noise(clean, levels, known.spread, random)
        informed = copy.copy(denoiser)
        informed.learn(add_noise_variance(summary, levels.variance * known.spread**2))
        cleaned = informed.clean(noisy, usable, bands)
        truth = clean[:, :, list(bands)]
        quality = [measure_quality(truth, other, usable) for other in (noisy[:, :, list(bands)], cleaned)]
        found.append(DenoisingQuality(name, *quality))
        if advance:
            advance(done + 1, len(LEVELS), name)
    return found


def measure_quality(truth: NDArray[Any], other: NDArray[Any], usable: NDArray[np.bool_]) -> Quality:
    """Quality of ``other`` ``(h, w, n)``; pixels that are not usable ``(h, w)`` count nowhere."""
    from skimage import metrics

    compared: Any = metrics
    other = np.where(usable[:, :, None], other, truth)
    noise, likeness = [], []
    for band in range(truth.shape[2]):
        one, two = truth[:, :, band].astype(np.float64), other[:, :, band].astype(np.float64)
        reach = float(np.ptp(one[usable])) or 1.0
        with np.errstate(divide="ignore"):
            noise.append(compared.peak_signal_noise_ratio(one[usable], two[usable], data_range=reach))
        likeness.append(compared.structural_similarity(one, two, win_size=LEAST_SIDE, data_range=reach))
    return Quality(float(np.mean(noise)), float(np.mean(likeness)), mean_angle(truth[usable], other[usable]))


def mean_angle(truth: NDArray[Any], other: NDArray[Any]) -> float:
    """Mean angle in degrees between spectra ``(n, B)`` (Kruse et al. 1993, doi:10.1016/0034-4257(93)90013-N)."""
    one, two = (values.astype(np.float64) for values in (truth, other))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    cosines = (one * two).sum(axis=1) / np.maximum(lengths, np.finfo(float).tiny)
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())
