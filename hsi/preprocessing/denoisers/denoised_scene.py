"""A scene that is denoised as it is read, in tiles with a halo."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Array, Block, Scene, scene_from_array, usable_pixels
from hsi.preprocessing.denoisers.denoiser import Denoiser

WORKING_BYTES = 192 * 2**20  # for cleaning a tile, about
NETWORK_NUMBERS = 64 * 6  # per pixel: layers of DnCNN in memory at once, and copies
MAX_WIDTH = 512  # of a tile
Mask = NDArray[np.bool_]


def denoise_scene(scene: Scene, denoiser: Denoiser, usable: Mask | None = None, budget: int = WORKING_BYTES) -> Scene:
    """The scene float32 with the selected bands cleaned, which is computed each time it is read.

    ``budget`` limits the bytes that this takes in addition to the block. Invalid pixels, and those that are not
    ``usable`` ``(H, W)``, retain their values and do not affect others. The values of a pixel do not depend on the
    block that is read, because each tile is cleaned with its halo.
    """

    selected = denoiser.bands_.tolist()

    def fetch(block: Block) -> Array:
        cube = np.empty((block.height, block.width, 1 + max(scene.bands)), np.float32)
        for where, stored, cleaned, valid in clean_tiles(scene, denoiser, block, usable, budget):
            values = stored.astype(np.float32)
            values[:, :, selected] = np.where(valid, cleaned, values[:, :, selected])
            cube[where][:, :, list(scene.bands)] = values
        return cube

    return scene.with_fetch(fetch, dtype=np.dtype(np.float32))


def clean_tiles(
    scene: Scene, denoiser: Denoiser, block: Block, usable: Mask | None, budget: int
) -> Iterator[tuple[tuple[slice, slice], Array, NDArray[np.float32], Mask]]:
    """The tiles of a block: slices within the block, the tile as stored ``(h, w, B)``, its cleaned bands ``(h, w, n)``,
    and where these are valid ``(h, w, 1)``."""
    for tile in tiles_of(block, denoiser.halo, len(scene.bands), budget):
        around = expand_block(tile, denoiser.halo, scene)
        cube = scene.read(around)
        valid = usable_pixels(cube, scene.nodata)
        if usable is not None:
            valid &= usable[around.slices]
        cleaned = denoiser.clean(cube, valid, denoiser.bands_.tolist())
        inner = slices_within(around, tile)
        yield slices_within(block, tile), cube[inner], cleaned[inner], valid[inner][:, :, None]


def clean_stored(
    scene: Scene, used: Scene, denoiser: Denoiser, block: Block, usable: Mask | None, budget: int = WORKING_BYTES
) -> Array:
    """A block of a scene in its own dtype ``(h, w, B)``; integers are rounded and clipped to their range.

    ``used`` is the scene with the bands of the denoiser; all other values are as stored.
    """
    cube: Array = np.array(scene.read(block))
    bands = [scene.bands.index(used.bands[position]) for position in denoiser.bands_]
    for where, _, cleaned, valid in clean_tiles(used, denoiser, block, usable, budget):
        values = cleaned.astype(np.float64)
        if cube.dtype.kind in "iu":
            limits = np.iinfo(cube.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        part = cube[where]
        part[:, :, bands] = np.where(valid, values.astype(cube.dtype), part[:, :, bands])
    return cube


def slices_within(block: Block, tile: Block) -> tuple[slice, slice]:
    """Row and column slices of a tile in an array of the block."""
    return Block(tile.row - block.row, tile.column - block.column, tile.height, tile.width).slices


def expand_block(block: Block, halo: int, scene: Scene) -> Block:
    """A block with ``halo`` more pixels on each side, limited to the scene."""
    top, left = max(0, block.row - halo), max(0, block.column - halo)
    bottom = min(scene.height, block.row + block.height + halo)
    right = min(scene.width, block.column + block.width + halo)
    return Block(top, left, bottom - top, right - left)


def tiles_of(block: Block, halo: int, bands: int, budget: int = WORKING_BYTES) -> Iterator[Block]:
    """Tiles of a block, row by row, whose cleaning takes about ``budget`` bytes at most."""
    pixels = budget // (4 * (4 * bands + (NETWORK_NUMBERS if halo else 0)))
    width = -(-block.width // -(-block.width // MAX_WIDTH)) if halo else block.width  # tiles of about equal width
    height = max(halo, pixels // (width + 2 * halo) - 2 * halo, 1)
    for row in range(block.row, block.row + block.height, height):
        rows = min(height, block.row + block.height - row)
        for column in range(block.column, block.column + block.width, width):
            yield Block(row, column, rows, min(width, block.column + block.width - column))


def cache_scene(scene: Scene, folder: Path | None = None, progress: Callable[[int, int], None] | None = None) -> Scene:
    """The same scene in a temporary file, for a scene that is read many times; the file is deleted with the scene.

    The file is in ``folder`` or the temporary folder of the system. Raises :class:`OSError` when there is no room.
    """
    height, width, bands = scene.shape
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open for as long as the scene is
    store = np.memmap(file, np.float32, "w+", shape=(height, width, bands))
    for block in scene.blocks():
        store[block.slices] = scene.read(block)
        if progress:
            progress(block.row + block.height, height)
    read = scene_from_array(store, scene.name).fetch

    def fetch(block: Block) -> Array:
        if scene.bands == tuple(range(bands)):
            return read(block)
        cube: Array = np.zeros((block.height, block.width, 1 + max(scene.bands)), np.float32)
        cube[:, :, list(scene.bands)] = read(block)
        return cube

    return scene.with_fetch(fetch)
