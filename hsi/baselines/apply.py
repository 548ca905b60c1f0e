"""Fit a baseline on the training pixels of a scene and classify the scene with it, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsi.baselines.baseline import Advance, Baseline, Codes, Pixels, Predicted, Samples
from hsi.core.scene import Block, Scene
from hsi.preprocessing.reducers import Reducer, reduce_cube

BLOCK_BYTES = 4 * 2**20  # of a block as float64; classifiers take many times as much for its pixels
Mask = NDArray[np.bool_]


def fit_baseline(
    baseline: Baseline,
    scene: Scene,
    reducer: Reducer | None,
    valid: Mask,
    train: Mask,
    codes: Codes,
    window: int,
    progress: Advance | None = None,
) -> None:
    """Fit on the pixels of ``train`` ``(H, W)`` with the class codes ``codes`` ``(H, W)``.

    Spectra are reduced by ``reducer`` unless it is None, and averaged over windows of at most ``window`` pixels; pixels
    that are not ``valid`` ``(H, W)`` do not contribute to averages. Only rows near training pixels are read. Raises
    :class:`UsageError` where the window is too small for the baseline.
    """
    sides = baseline.sides(window)
    rows, columns = np.nonzero(train)
    parts = [
        window_features(scene, reducer, valid, block, sides)[:, :, train[block.slices]]  # (S, K, n)
        for block in scene.blocks(BLOCK_BYTES)
        if sides and train[block.slices].any()
    ]
    values = np.concatenate(parts, axis=2).transpose(0, 2, 1) if parts else np.empty((0, rows.size, 0), np.float32)
    shape = (scene.height, scene.width)
    baseline.fit(Samples(values, sides, codes[train], rows, columns, shape), progress)


def predict_scene(
    baseline: Baseline, scene: Scene, reducer: Reducer | None, valid: Mask, progress: Advance | None = None
) -> Predicted:
    """Classify the ``valid`` pixels ``(H, W)`` of the scene: arrays ``(H, W)``, -1 and NaN for the others.

    The scene is read block by block; ``progress(rows done, rows)`` is called after each.
    """
    shape = (scene.height, scene.width)
    codes, confidence = np.full(shape, -1, np.int64), None
    for block in scene.blocks(BLOCK_BYTES):
        predicted = predict_block(baseline, scene, reducer, valid, block)
        codes[block.slices] = predicted.codes
        if predicted.confidence is not None:
            confidence = np.full(shape, np.nan, np.float32) if confidence is None else confidence
            confidence[block.slices] = predicted.confidence
        if progress:
            progress(block.row + block.height, scene.height)
    return Predicted(codes, confidence)


def predict_block(baseline: Baseline, scene: Scene, reducer: Reducer | None, valid: Mask, block: Block) -> Predicted:
    """Classify the ``valid`` pixels of a block of complete rows: arrays ``(h, W)``, -1 and NaN for the others.

    ``confidence`` is None for a baseline without probabilities and for a block without valid pixels.
    """
    codes = np.full((block.height, block.width), -1, np.int64)
    rows, columns = np.nonzero(valid[block.slices])
    if not rows.size:
        return Predicted(codes)
    values = np.empty((rows.size, 0), np.float32)
    if baseline.side_ is not None:
        values = window_features(scene, reducer, valid, block, (baseline.side_,))[0][:, rows, columns].T
    predicted = baseline.predict(Pixels(values, rows + block.row, columns))
    codes[rows, columns] = predicted.codes
    if predicted.confidence is None:
        return Predicted(codes)
    confidence = np.full(codes.shape, np.nan, np.float32)
    confidence[rows, columns] = predicted.confidence
    return Predicted(codes, confidence)


def window_features(
    scene: Scene, reducer: Reducer | None, valid: Mask, block: Block, sides: tuple[int, ...]
) -> NDArray[np.float32]:
    """Components of a block of complete rows, or spectra without a reducer, averaged over windows of each side:
    ``(S, K, h, w)``. An average is over the valid pixels of the window inside the scene."""
    margin = max(sides) // 2
    top, bottom = max(0, block.row - margin), min(scene.height, block.row + block.height + margin)
    around = Block(top, 0, bottom - top, scene.width)
    usable, cube = valid[around.slices], scene.read(around)
    if reducer:
        values = reduce_cube(cube, reducer, usable)
    else:
        values = np.where(usable, cube.transpose(2, 0, 1), 0).astype(np.float32)
    inner = slice(block.row - top, block.row - top + block.height)
    return np.stack([window_means(values, usable, side)[:, inner] for side in sides])


def window_means(values: NDArray[np.float32], valid: Mask, side: int) -> NDArray[np.float32]:
    """Means over ``side x side`` windows of ``(K, h, w)``, of the ``valid`` ``(h, w)`` pixels only; 0 without one.

    Values are 0 where they are not valid.
    """
    if side == 1:
        return values
    shares = uniform_filter(valid.astype(np.float64), side, mode="constant")
    sums: NDArray[np.float32] = uniform_filter(values, (1, side, side), mode="constant")
    counts = np.rint(shares * side**2)
    return np.where(counts > 0, sums * (side**2 / np.maximum(counts, 1)), 0).astype(np.float32)
