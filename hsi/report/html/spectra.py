"""Spectra that a page can show: those of every n-th pixel, and the mean of each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.report.figures.spectra import ClassSpectra
from hsi.report.html.encoding import encode_array
from hsi.report.html.subsample import subsample_scene, subsampled_length

LARGEST = 3_000_000  # bytes of all spectra: four megabytes as base64, if nothing can be compressed
LEVELS = 65535


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra ``(h, w, B)`` uint16 of every ``step``-th row and column: value = ``offset`` + ``scale`` x stored.

    ``offset`` and ``scale`` ``(B,)`` are one per band; ``exact`` is True where integers are as in the file.
    ``classes`` are over the class table of the map, and ``classes_of`` describes the pixels that they are of.
    """

    step: int
    values: NDArray[np.uint16]
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    exact: bool
    bands: tuple[int, ...]
    wavelengths: tuple[float, ...] | None
    physical: bool
    classes: ClassSpectra | None = None
    classes_of: str = ""

    def with_classes(self, classes: ClassSpectra, of: str) -> Spectra:
        """The same spectra with those of the classes over the pixels that ``of`` describes."""
        return replace(self, classes=classes, classes_of=of)

    def to_page(self) -> dict[str, Any]:
        """What the page's scripts read."""
        rows, columns, bands = self.values.shape
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
            "classes": self.classes and {
                "of": self.classes_of,
                "pixels": self.classes.pixels.tolist(),
                "mean": encode_array(self.classes.mean.astype(np.float32)),
                # a single pixel has no spread
                "deviation": encode_array(
                    np.where(self.classes.pixels[:, None] == 1, 0, self.classes.deviation).astype(np.float32)
                ),
            },
        }  # fmt: skip


def spectra_step(height: int, width: int, bands: int, least: int = 1) -> int:
    """Every how many rows and columns a spectrum is stored: a multiple of ``least`` that stays within 3 megabytes."""
    step = least
    while subsampled_length(height, step) * subsampled_length(width, step) * bands * 2 > LARGEST:
        step += least
    return step


def sample_spectra(scene: Scene, usable: NDArray[np.bool_], step: int, rows: int | None = None) -> Spectra:
    """Spectra of every ``step``-th pixel in 65,536 levels from the lowest to the highest value of each band.

    ``usable`` is ``(H, W)`` or already subsampled ``(h, w)``: other pixels have no influence on the levels. ``rows``
    is how many rows of the scene are read at a time. Integers whose range is small enough are stored as they are.
    """
    small = subsample_scene(scene, step, rows)
    valid = usable if usable.shape == (small.height, small.width) else usable[::step, ::step]
    cube = np.concatenate([small.read(block) for block in small.blocks()])
    low, high = np.zeros(cube.shape[2]), np.ones(cube.shape[2])
    if valid.any():
        seen = cube[valid]
        finite = np.isfinite(seen)
        low = np.min(seen, axis=0, where=finite, initial=seen.max(where=finite, initial=0)).astype(np.float64)
        high = np.max(seen, axis=0, where=finite, initial=seen.min(where=finite, initial=0)).astype(np.float64)
    scale = np.maximum((high - low) / LEVELS, 0)
    exact = bool(cube.dtype.kind in "iu" and np.all(high - low <= LEVELS))
    scale = np.ones_like(scale) if exact else np.where(scale > 0, scale, 1.0)
    values = np.empty(cube.shape, np.uint16)
    for row, line in enumerate(cube):  # row by row, so that no second cube of float64 is made
        levels = np.rint((np.where(valid[row][:, None], line, low) - low) / scale)
        values[row] = np.clip(np.nan_to_num(levels), 0, LEVELS)
    return Spectra(step, values, low, scale, exact, scene.bands, scene.wavelengths, scene.scale is not None)


def sampled_class_spectra(spectra: Spectra, codes: NDArray[np.int64], count: int) -> ClassSpectra:
    """Mean and standard deviation (n - 1) of each of ``count`` classes over the sampled spectra, by their class
    ``codes`` ``(h, w)``."""
    pixels = np.zeros(count, np.int64)
    mean, deviation = np.full((2, count, spectra.values.shape[2]), np.nan)
    for code in np.unique(codes[codes >= 0]):
        own = spectra.values[codes == code] * spectra.scale + spectra.offset
        pixels[code], mean[code] = len(own), own.mean(axis=0)
        if len(own) > 1:
            deviation[code] = own.std(axis=0, ddof=1)
    bands = tuple(band + 1 for band in spectra.bands)
    return ClassSpectra(pixels, mean, deviation, bands, spectra.wavelengths, spectra.physical)
