"""A scene as strips of components: read in the background, each pixel read and reduced once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Block, Scene, usable_pixels
from hsi.preprocessing.reducers import Reducer, reduce_cube

PIECE = 1 << 20  # numbers of a scene that are reduced at a time, 8 MiB as float64
Convert = Callable[[NDArray[Any]], NDArray[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Strip:
    """Complete rows of a scene, ready to be classified.

    ``padded`` is ``(K, rows + window - 1, W + window - 1)`` float32: the rows' components with half a window around
    them, zero outside the scene and where a pixel is not usable; ``valid`` is ``(rows, W)``.
    """

    block: Block
    padded: NDArray[np.float32]
    valid: NDArray[np.bool_]


def strip_blocks(scene: Scene, *, window: int, rows: int) -> list[Block]:
    """The rows of each strip of :func:`component_strips`, from top to bottom."""
    height, half = scene.height, window // 2
    ends = [end - half for end in range(rows, height, rows) if end > half]
    edges = [0, *ends, height]
    return [Block(top, 0, bottom - top, scene.width) for top, bottom in pairwise(edges)]


def component_strips(
    scene: Scene,
    reducer: Reducer,
    *,
    window: int,
    rows: int,
    convert: Convert | None = None,
    usable: Mask | None = None,
    skip: Collection[int] = (),
) -> Iterator[Strip]:
    """Strips of about ``rows`` rows from top to bottom that together cover the scene once.

    ``convert`` makes the bands that the reducer was fitted on from ``(h, w, bands of the scene)``; ``usable``
    ``(H, W)`` excludes pixels. The next rows are read and reduced while the caller works on a strip. Strips that begin
    with a row of ``skip`` are left out, and rows that only they need are not read; the others are identical in every
    bit. Raises :class:`SceneError` with the rows that cannot be read.
    """
    half = window // 2
    sides = ((0, 0), (0, 0), (half, half))
    held = np.zeros((reducer.components, half, scene.width + 2 * half), np.float32)
    valid = np.zeros((0, scene.width), bool)
    row = 0
    wanted = _wanted_rows(scene, window, rows, skip)
    for components, usable_here in _read_ahead(scene, reducer, rows, convert, usable, wanted):
        held = np.concatenate([held, np.pad(components, sides)], axis=1)
        valid = np.concatenate([valid, usable_here])
        if row + len(valid) == scene.height:
            held = np.pad(held, ((0, 0), (0, half), (0, 0)))
        ready = held.shape[1] - 2 * half
        if ready > 0:
            if row not in skip:
                yield Strip(Block(row, 0, ready, scene.width), held, valid[:ready])
            # copies, so that the memory of finished rows is freed
            held, valid, row = held[:, ready:].copy(), valid[ready:].copy(), row + ready


def read_strip(
    scene: Scene,
    reducer: Reducer,
    block: Block,
    *,
    window: int,
    convert: Convert | None = None,
    usable: Mask | None = None,
) -> Strip:
    """The strip of ``block``, complete rows, identical in every bit to that of :func:`component_strips`.

    ``usable`` ``(rows, W)`` is of the rows of :func:`rows_around`, which are read. Raises :class:`SceneError` with the
    rows that cannot be read.
    """
    half, around = window // 2, rows_around(scene, block, window)
    components, valid = _reduce_in_pieces(scene, scene.fetch_rows(around), reducer, convert, usable)
    above = block.row - around.row
    below = around.height - above - block.height
    padded = np.pad(components, ((0, 0), (half - above, half - below), (half, half)))
    return Strip(block, padded, valid[above : above + block.height])


def rows_around(scene: Scene, block: Block, window: int) -> Block:
    """The complete rows of the scene that the windows of ``block`` cover."""
    top, bottom = max(0, block.row - window // 2), min(scene.height, block.row + block.height + window // 2)
    return Block(top, 0, bottom - top, scene.width)


def _wanted_rows(scene: Scene, window: int, rows: int, skip: Collection[int]) -> Mask:
    """The rows ``(H,)`` that the windows of strips cover which are not skipped."""
    wanted, half = np.zeros(scene.height, bool), window // 2
    for block in strip_blocks(scene, window=window, rows=rows):
        if block.row not in skip:
            wanted[max(0, block.row - half) : block.row + block.height + half] = True
    return wanted


def _read_ahead(
    scene: Scene, reducer: Reducer, rows: int, convert: Convert | None, usable: Mask | None, wanted: Mask
) -> Iterator[tuple[NDArray[np.float32], Mask]]:
    """Components ``(K, h, W)`` and usable pixels ``(h, W)`` of each strip, the next one in a thread."""

    def work(block: Block) -> tuple[NDArray[np.float32], Mask]:
        if not wanted[block.slices[0]].any():
            shape = (block.height, block.width)
            return np.zeros((reducer.components, *shape), np.float32), np.zeros(shape, bool)
        stored = scene.fetch_rows(block)
        allowed = None if usable is None else usable[block.slices]
        return _reduce_in_pieces(scene, stored, reducer, convert, allowed)

    blocks = list(scene.extent.strips(rows))
    with ThreadPoolExecutor(max_workers=1) as reading:
        coming = reading.submit(work, blocks[0])
        for following in [*blocks[1:], None]:
            done = coming.result()
            if following:
                coming = reading.submit(work, following)
            yield done
            del done  # freed before the next rows are waited for


def _reduce_in_pieces(
    scene: Scene, stored: NDArray[Any], reducer: Reducer, convert: Convert | None, allowed: Mask | None
) -> tuple[NDArray[np.float32], Mask]:
    """Components ``(K, h, W)`` and usable pixels ``(h, W)`` of stored rows, a few rows at a time to bound memory."""
    height, width, file_bands = stored.shape
    bands: slice | list[int] = list(scene.bands) if scene.bands != tuple(range(file_bands)) else slice(None)
    components = np.empty((reducer.components, height, width), np.float32)
    valid = np.empty((height, width), bool)
    step = max(1, PIECE // (width * max(file_bands, reducer.components)))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        cube = np.ascontiguousarray(stored[rows][:, :, bands])
        valid[rows] = usable_pixels(cube, scene.nodata)
        if allowed is not None:
            valid[rows] &= allowed[rows]
        values = convert(cube) if convert else cube
        for i, pixels in enumerate(values, start=top):  # one by one: independent of the other rows
            components[:, i : i + 1] = reduce_cube(pixels[None], reducer, valid[i : i + 1])
    return components, valid
