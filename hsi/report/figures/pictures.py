"""A scene as a picture of three of its bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene

Progress = Callable[[int, int], None]

EMPTY = (236, 236, 236)  # nothing labelled, nothing tested or nothing measured
VISIBLE_NM, NEAR_NM = (640.0, 550.0, 460.0), 100.0
HIDDEN_BANDS_AT = (0.75, 0.45, 0.15)  # without wavelengths: shares of the band axis, away from its noisy ends


def false_colour(scene: Scene, valid: NDArray[np.bool_], progress: Progress | None = None) -> NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` uint8 of three bands, each stretched from its 2nd to its 98th percentile.

    Red, green and blue are the bands nearest 640, 550 and 460 nm when the scene has wavelengths within 100 nm of
    these, else three bands far apart. Percentiles are of the ``valid`` pixels ``(H, W)``; the others are light grey.
    ``progress(rows done, rows)`` is called after each block.
    """
    bands = display_bands(scene)
    order = sorted(set(bands))
    picked = scene.keep_bands(order)
    values = np.empty((scene.height, scene.width, len(order)), np.float32)
    for block in scene.blocks():
        values[block.slices] = picked.read(block)
        if progress:
            progress(block.row + block.height, scene.height)
    picture = np.full((scene.height, scene.width, 3), EMPTY, np.uint8)
    if valid.any():
        for channel, band in enumerate(bands):
            seen = values[:, :, order.index(band)][valid]
            low, high = np.percentile(seen[:: max(1, seen.size // 1_000_000)], (2, 98))
            stretched = (seen - low) / (high - low) if high > low else np.full(seen.shape, 0.5)
            picture[valid, channel] = np.rint(np.clip(stretched, 0, 1) * 255)
    return picture


def display_bands(scene: Scene) -> tuple[int, ...]:
    """Positions among the kept bands for red, green and blue."""
    if scene.wavelengths is not None:
        wavelengths = np.asarray(scene.wavelengths)
        nearest = [int(np.argmin(np.abs(wavelengths - wanted))) for wanted in VISIBLE_NM]
        gaps = np.abs(wavelengths[nearest] - VISIBLE_NM)
        if len(set(nearest)) == 3 and np.all(gaps <= NEAR_NM):
            return tuple(nearest)
    return tuple(round((len(scene.bands) - 1) * share) for share in HIDDEN_BANDS_AT)
