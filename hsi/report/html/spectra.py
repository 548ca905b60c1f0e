"""Spectra that a page can show: those of every n-th pixel, and the mean of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.report.html.encoding import encode_array
from hsi.report.html.subsample import subsample_scene, subsampled_length

if TYPE_CHECKING:
    from hsi.report import figures

KEPT_BYTES = 3_000_000  # four megabytes as base64, if nothing can be compressed
LEVELS = 65535


@dataclass(frozen=True, eq=False)
class ClassSpectra:
    """Mean and standard deviation ``(C, B)`` float64 of each class, NaN for one without a pixel, over ``pixels``
    ``(C,)``; ``of`` says in words which pixels these are."""

    of: str
    pixels: NDArray[np.int64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra ``(h, w, B)`` uint16 of every ``step``-th row and column: value = ``offset`` + ``scale`` x stored.

    ``offset`` and ``scale`` ``(B,)`` are one per band; ``exact`` says that whole numbers are as in the file.
    ``classes`` are over the class table of the map.
    """

    step: int
    values: NDArray[np.uint16]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    exact: bool
    bands: tuple[int, ...]
    wavelengths: tuple[float, ...] | None
    physical: bool
    classes: ClassSpectra | None

    def to_page(self) -> dict[str, Any]:
        """What the page's scripts read."""
        rows, columns, bands = self.values.shape
        found = self.classes
        return {
            "step": self.step,
            "rows": rows,
            "columns": columns,
            "bands": bands,
            "numbers": [band + 1 for band in self.bands],
            "wavelengths": self.wavelengths and [round(value, 2) for value in self.wavelengths],
            "unit": "physical units" if self.physical else "as stored in the file",
            "exact": self.exact,
            "offset": self.offset.tolist(),
            "scale": self.scale.tolist(),
            "values": encode_array(self.values),
            "classes": found and {
                "of": found.of,
                "pixels": found.pixels.tolist(),
                "mean": encode_array(found.mean.astype(np.float32)),
                "deviation": encode_array(found.deviation.astype(np.float32)),
            },
        }  # fmt: skip


def spectra_step(height: int, width: int, bands: int, least: int = 1) -> int:
    """Every how many rows and columns a spectrum is kept: a multiple of ``least`` that stays within three megabytes."""
    step = least
    while subsampled_length(height, step) * subsampled_length(width, step) * bands * 2 > KEPT_BYTES:
        step += least
    return step


def sample_spectra(
    scene: Scene,
    usable: NDArray[np.bool_],
    step: int,
    *,
    rows: int | None = None,
    classes: ClassSpectra | None = None,
) -> Spectra:
    """Spectra of every ``step``-th pixel in 65,536 levels from the lowest to the highest value of each band.

    ``usable`` ``(H, W)`` or already thinned ``(h, w)``: other pixels have no say in the levels. ``rows`` is how many
    of the scene are read at a time. Whole numbers whose range is small enough are kept as they are.
    """
    small = subsample_scene(scene, step, rows)
    valid = usable if usable.shape == (small.height, small.width) else usable[::step, ::step]
    cube = np.concatenate([small.read(block) for block in small.blocks()])
    whole = cube.dtype.kind in "iu"
    low, high = np.zeros(cube.shape[2]), np.ones(cube.shape[2])
    if valid.any():
        seen = cube[valid]
        finite = np.isfinite(seen)
        low = np.min(seen, axis=0, where=finite, initial=seen.max(where=finite, initial=0)).astype(np.float64)
        high = np.max(seen, axis=0, where=finite, initial=seen.min(where=finite, initial=0)).astype(np.float64)
    scale = np.maximum((high - low) / LEVELS, 0)
    exact = bool(whole and np.all(high - low <= LEVELS))
    scale = np.ones_like(scale) if exact else np.where(scale > 0, scale, 1.0)
    values = np.empty(cube.shape, np.uint16)
    for row, line in enumerate(cube):  # row by row, so that no second cube of float64 is made
        levels = np.rint((np.where(valid[row][:, None], line, low) - low) / scale)
        values[row] = np.clip(np.nan_to_num(levels), 0, LEVELS)
    return Spectra(step, values, low, scale, exact, scene.bands, scene.wavelengths, scene.scale is not None, classes)


def classes_as_told(found: figures.ClassSpectra, of: str) -> ClassSpectra:
    """What a page shows of class spectra ``found`` over the pixels that ``of`` tells: a single pixel has no spread."""
    alone = (found.pixels == 1)[:, None]
    return ClassSpectra(of, found.pixels, found.mean, np.where(alone, 0, found.deviation))


def sampled_class_spectra(spectra: Spectra, codes: NDArray[np.int64], count: int, of: str) -> ClassSpectra:
    """Mean and standard deviation (n - 1) of each of ``count`` classes over the kept spectra, by their class
    ``codes`` ``(h, w)``."""
    pixels = np.zeros(count, np.int64)
    mean, deviation = np.full((2, count, spectra.values.shape[2]), np.nan)
    for code in np.unique(codes[codes >= 0]):
        own = spectra.values[codes == code] * spectra.scale + spectra.offset
        pixels[code], mean[code] = len(own), own.mean(axis=0)
        deviation[code] = own.std(axis=0, ddof=1) if len(own) > 1 else 0
    return ClassSpectra(of, pixels, mean, deviation)
