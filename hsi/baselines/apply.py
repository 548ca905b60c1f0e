"""Fit a baseline on a scene's training pixels and map the scene with it, a few rows at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsi.baselines.baseline import Advance, Baseline, Codes, Pixels, Predicted, Samples
from hsi.core.scene import Block, Scene
from hsi.preprocessing.reducers import Reducer, reduce_cube

PIECE = 4 * 2**20  # bytes of a strip of the scene as float64; classifiers take many times as much for its pixels
Mask = NDArray[np.bool_]


def fit_baseline(
    baseline: Baseline,
    scene: Scene,
    reducer: Reducer | None,
    valid: Mask,
    train: Mask,
    codes: Codes,
    window: int,
    progress: Advance,
) -> None:
    """Fit on the pixels of ``train`` ``(H, W)``, whose class positions are those of ``codes`` ``(H, W)``.

    Spectra are reduced by ``reducer``, or left as they are without one, and averaged over no window larger than
    ``window``; pixels that are not ``valid`` ``(H, W)`` are left out of averages. Only rows near training pixels are
    read. Raises :class:`UsageError` where the window is too small for the baseline.
    """
    sides = baseline.sides(window)
    rows, columns = np.nonzero(train)
    pieces = [
        layers_of(scene, reducer, valid, block, sides)[:, :, train[block.slices]]  # (S, K, n)
        for block in scene.blocks(PIECE)
        if sides and train[block.slices].any()
    ]
    values = np.concatenate(pieces, axis=2).transpose(0, 2, 1) if pieces else np.empty((0, rows.size, 0), np.float32)
    shape = (scene.height, scene.width)
    baseline.fit(Samples(values, sides, codes[train], rows, columns, shape), progress)


def predict_scene(
    baseline: Baseline, scene: Scene, reducer: Reducer | None, valid: Mask, progress: Advance
) -> Predicted:
    """Name every valid pixel of the scene: arrays ``(H, W)``, -1 and NaN where a pixel is not valid.

    ``reducer`` and ``valid`` as in :func:`fit_baseline`. A few rows are read and named at a time.
    """
    shape = (scene.height, scene.width)
    codes, confidence = np.full(shape, -1, np.int64), np.full(shape, np.nan, np.float32)
    probable = False
    for block in scene.blocks(PIECE):
        rows, columns = np.nonzero(valid[block.slices])
        if rows.size:
            values = np.empty((rows.size, 0), np.float32)
            if baseline.side_ is not None:
                values = layers_of(scene, reducer, valid, block, (baseline.side_,))[0][:, rows, columns].T
            found = baseline.predict(Pixels(values, rows + block.row, columns))
            codes[rows + block.row, columns] = found.codes
            if found.confidence is not None:
                probable = True
                confidence[rows + block.row, columns] = found.confidence
        progress(block.row + block.height, scene.height)
    return Predicted(codes, confidence if probable else None)


def layers_of(
    scene: Scene, reducer: Reducer | None, valid: Mask, block: Block, sides: tuple[int, ...]
) -> NDArray[np.float32]:
    """A block's components (its spectra without a reducer), averaged over windows of each side: ``(S, K, h, w)``.

    The block spans whole rows. An average is over the valid pixels of the window that lie in the scene.
    """
    margin = max(sides) // 2
    top, bottom = max(0, block.row - margin), min(scene.height, block.row + block.height + margin)
    wide = Block(top, 0, bottom - top, scene.width)
    known = valid[wide.slices]
    cube = scene.read(wide)
    if reducer:
        values = reduce_cube(cube, reducer, known)
    else:
        values = np.where(known, cube.transpose(2, 0, 1), 0).astype(np.float32)
    inner = slice(block.row - top, block.row - top + block.height)
    return np.stack([window_means(values, known, side)[:, inner] for side in sides])


def window_means(values: NDArray[np.float32], valid: Mask, side: int) -> NDArray[np.float32]:
    """Means over ``side x side`` windows of ``(K, h, w)``, of the ``valid`` ``(h, w)`` pixels only; 0 without one.

    Values are 0 where they are not valid.
    """
    if side == 1:
        return values
    shares = uniform_filter(valid.astype(np.float64), side, mode="constant")
    sums: NDArray[np.float32] = uniform_filter(values, (1, side, side), mode="constant")
    counted = np.rint(shares * side**2)
    return np.where(counted > 0, sums * (side**2 / np.maximum(counted, 1)), 0).astype(np.float32)
