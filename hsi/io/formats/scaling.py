"""Stored numbers as physical ones: ``stored * gain + offset``, band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Array, Block, Scene
from hsi.errors import SceneFileError


def in_physical_units(scene: Scene, gains: Sequence[float], offsets: Sequence[float]) -> Scene:
    """The scene with the values ``stored * gain + offset`` as float32, one gain and offset per band of the file.

    The nodata value is looked for before scaling and becomes NaN; a nodata value of 0 counts only in pixels that hold
    it in every band. A scene whose gains are all 1 and offsets all 0 comes back as it is. Raises
    :class:`SceneFileError` for a gain or offset that is not finite, or a gain of 0.
    """
    gain, offset = np.asarray(gains, np.float64), np.asarray(offsets, np.float64)
    if not (np.all(np.isfinite(gain)) and np.all(np.isfinite(offset)) and np.all(gain != 0)):
        raise SceneFileError(
            f"{scene.source}: its scale factors or offsets are zero or not finite, expected numbers such as 0.0001; "
            "correct them or download the file again"
        )
    if np.all(gain == 1) and np.all(offset == 0):
        return scene
    fetch, nodata = scene.fetch, scene.nodata

    def scaled(block: Block) -> Array:
        return scale_values(fetch(block), gain, offset, nodata)

    return replace(
        scene,
        fetch=scaled,
        dtype=np.dtype(np.float32),
        nodata=None if nodata is None else float("nan"),
        scale=tuple(float(gain[band]) for band in scene.bands),
    )


def scale_values(
    stored: Array, gain: NDArray[np.float64], offset: NDArray[np.float64], nodata: float | None
) -> NDArray[np.float32]:
    """``(h, w, B)`` of stored numbers as float32 ``stored * gain + offset``, NaN where they were nodata."""
    values = stored.astype(np.float32)
    values *= gain.astype(np.float32)
    values += offset.astype(np.float32)
    if nodata is not None:
        void = stored == nodata
        values[void.all(axis=2) if nodata == 0 else void] = np.nan
    return values
