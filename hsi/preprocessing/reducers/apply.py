"""Fit a reducer on a scene and turn the scene into components, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.errors import BundleError, SceneError
from hsi.preprocessing.reducers.reducer import Pixels, Reducer, ValidBlock, find_reducer
from hsi.settings import ReducerSettings

Advance = Callable[[int, int], None]
PIXELS = 1 << 15


def fit_reducer(
    scene: Scene, settings: ReducerSettings, valid: NDArray[np.bool_], progress: Advance | None = None
) -> Reducer:
    """A reducer fitted on all valid pixels of the scene, labelled or not, in one pass.

    ``valid`` is ``(H, W)`` bool. Raises :class:`UsageError` when the settings do not suit the scene and
    :class:`SceneError` when no pixel is valid.
    """
    reducer = reducer_for(scene, settings, valid)
    reducer.fit(valid_blocks(scene, valid, progress))
    return reducer


def reducer_for(scene: Scene, settings: ReducerSettings, valid: NDArray[np.bool_]) -> Reducer:
    """A reducer that has learned nothing yet. Raises as :func:`fit_reducer` does, before the scene is read."""
    reducer = find_reducer(settings)(settings)
    reducer.check(len(scene.bands))
    if not valid.any():
        raise SceneError(f"{scene.source or scene.name}: no valid pixel: all are NaN, zero or nodata")
    return reducer


def valid_blocks(scene: Scene, valid: NDArray[np.bool_], progress: Advance | None = None) -> Iterator[ValidBlock]:
    """Blocks of the scene with their ``valid`` pixels; ``progress(rows done, rows)`` is called after each."""
    for block in scene.blocks():
        yield scene.read(block), valid[block.slices]
        if progress:
            progress(block.row + block.height, scene.height)


def reduce_cube(cube: Pixels, reducer: Reducer, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``(h, w, B)`` as components ``(K, h, w)`` float32, zero where ``usable`` ``(h, w)`` is not set.

    Raises :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    fitted_on = len(reducer.state()["mean"])
    if cube.shape[2] != fitted_on:
        raise BundleError(f"{cube.shape[2]} usable bands are given, but the reducer was fitted on {fitted_on}")
    pixels = cube[usable]  # (n, B)
    reduced = np.empty((len(pixels), reducer.components), np.float32)
    for start in range(0, len(pixels), PIXELS):  # float64 copies of a piece at a time
        reduced[start : start + PIXELS] = reducer.transform(pixels[start : start + PIXELS])
    components = np.zeros((reducer.components, *usable.shape), np.float32)
    components[:, usable] = reduced.T
    return components


def reduce_scene(
    scene: Scene,
    reducer: Reducer,
    valid: NDArray[np.bool_],
    progress: Advance | None = None,
    *,
    margin: int = 0,
    around: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """The scene as components ``(K, H, W)`` float32, zero where a pixel is not valid (as outside the scene).

    With ``margin`` there are that many zeros more on each side. With ``around`` ``(H, W)`` only the rows within
    ``margin`` of its pixels are read; the others stay zero and take no memory on systems that give it when it is used.

    Raises :class:`BundleError` when the reducer was fitted on another number of bands.
    """
    height, width, _ = scene.shape
    padded = np.zeros((reducer.components, height + 2 * margin, width + 2 * margin), np.float32)
    inside = padded[:, margin : margin + height, margin : margin + width]
    wanted = np.ones(height, bool) if around is None else _near(np.asarray(around.any(axis=1)), margin)
    for block in scene.blocks():
        rows, columns = block.slices
        if wanted[rows].any():
            inside[:, rows, columns] = reduce_cube(scene.read(block), reducer, valid[block.slices])
        if progress:
            progress(block.row + block.height, height)
    return padded


def _near(rows: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Rows within a distance of those marked, ``(H,)``."""
    from scipy.ndimage import maximum_filter1d

    return np.asarray(maximum_filter1d(rows.astype(np.uint8), 2 * distance + 1, mode="constant") > 0)
