"""Fit a reducer on a scene and turn the scene into components, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hsi.config import ReducerSettings
from hsi.errors import BundleError, SceneError
from hsi.reducers.reducer import REDUCERS, Pixels, Reducer
from hsi.scene import Scene

Advance = Callable[[int, int], None]


def fit_reducer(
    scene: Scene, settings: ReducerSettings, valid: NDArray[np.bool_], progress: Advance | None = None
) -> Reducer:
    """A reducer fitted on all valid pixels of the scene, labelled or not, in one pass.

    ``valid`` is ``(H, W)`` bool. Raises :class:`UsageError` when the settings do not suit the scene and
    :class:`SceneError` when no pixel is valid.
    """
    reducer = REDUCERS[settings.name](settings)
    reducer.check(len(scene.bands))
    if not valid.any():
        raise SceneError(f"{scene.source or scene.name}: no valid pixel: all are NaN, zero or nodata")
    reducer.fit(_valid_pixels(scene, valid, progress))
    return reducer


def _valid_pixels(scene: Scene, valid: NDArray[np.bool_], progress: Advance | None) -> Iterator[Pixels]:
    for block in scene.blocks():
        yield scene.read(block)[valid[block.slices]]
        if progress:
            progress(block.row + block.height, scene.height)


def reduce_scene(
    scene: Scene, reducer: Reducer, valid: NDArray[np.bool_], progress: Advance | None = None
) -> NDArray[np.float32]:
    """The scene as components ``(K, H, W)`` float32, zero where a pixel is not valid (as outside the scene).

    Raises :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    height, width, bands = scene.shape
    fitted_on = len(reducer.state()["mean"])
    if bands != fitted_on:
        raise BundleError(
            f"{scene.source or scene.name}: has {bands} usable bands, the reducer was fitted on {fitted_on}"
        )
    components = np.zeros((reducer.components, height, width), np.float32)
    for block in scene.blocks():
        keep = valid[block.slices]
        rows, columns = block.slices
        components[:, rows, columns][:, keep] = reducer.transform(scene.read(block)[keep]).T
        if progress:
            progress(block.row + block.height, height)
    return components
