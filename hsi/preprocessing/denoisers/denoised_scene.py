"""A scene that is cleaned as it is read, a piece with its surroundings at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Array, Block, Scene, scene_from_array, usable_pixels
from hsi.preprocessing.denoisers.denoiser import Denoiser

WORKING_BYTES = 192 * 2**20  # what cleaning a piece may take at most, about
NETWORK_NUMBERS = 64 * 6  # for a pixel: layers of DnCNN that are there at once, and copies
WIDEST = 512  # pixels of a piece in a row
Mask = NDArray[np.bool_]


def denoise_scene(scene: Scene, denoiser: Denoiser, usable: Mask | None = None, budget: int = WORKING_BYTES) -> Scene:
    """The scene with the chosen bands cleaned, float32, computed anew each time it is read.

    ``budget`` bounds the bytes that this takes beside what is read. Pixels that cannot be used, or are not ``usable``
    ``(H, W)``, keep their values and have no say in others. Whatever is read together, a pixel's values are the same,
    because each piece is cleaned with all that has a say in it.
    """

    def fetch(block: Block) -> Array:
        cleaned = np.empty((block.height, block.width, 1 + max(scene.bands)), np.float32)
        for piece in pieces(block, denoiser.halo, len(scene.bands), budget):
            part = cleaned[place_in(block, piece)]
            part[:, :, list(scene.bands)] = clean_block(scene, denoiser, piece, usable)
        return cleaned

    return replace(scene, fetch=fetch, dtype=np.dtype(np.float32))


def clean_block(scene: Scene, denoiser: Denoiser, block: Block, usable: Mask | None) -> NDArray[np.float32]:
    """The kept bands of a block ``(h, w, B)`` float32, the chosen ones cleaned."""
    stored, cleaned, valid = cleaned_bands(scene, denoiser, block, usable)
    found, bands = stored.astype(np.float32), denoiser.bands_.tolist()
    found[:, :, bands] = np.where(valid[:, :, None], cleaned, found[:, :, bands])
    return found


def cleaned_bands(
    scene: Scene, denoiser: Denoiser, block: Block, usable: Mask | None
) -> tuple[Array, NDArray[np.float32], Mask]:
    """A block as stored ``(h, w, B)``, its chosen bands cleaned ``(h, w, n)``, which mean something where it is valid
    ``(h, w)``: read with the halo around it."""
    around = widened(block, denoiser.halo, scene)
    cube = scene.read(around)
    valid = usable_pixels(cube, scene.nodata)
    if usable is not None:
        valid &= usable[around.slices]
    inner = place_in(around, block)
    cleaned = denoiser.clean(cube, valid, denoiser.bands_.tolist())
    return cube[inner], cleaned[inner], valid[inner]


def clean_stored(
    scene: Scene, used: Scene, denoiser: Denoiser, block: Block, usable: Mask | None, budget: int = WORKING_BYTES
) -> Array:
    """A block of a scene in its own dtype, ``(h, w, B)``: whole numbers are rounded and kept within their range.

    ``used`` is the scene with the bands that the denoiser knows; all else is as stored.
    """
    found: Array = np.array(scene.read(block))
    where = [scene.bands.index(used.bands[position]) for position in denoiser.bands_]
    for piece in pieces(block, denoiser.halo, len(used.bands), budget):
        _, cleaned, valid = cleaned_bands(used, denoiser, piece, usable)
        if found.dtype.kind in "iu":
            limits = np.iinfo(found.dtype)
            cleaned = np.clip(np.rint(cleaned.astype(np.float64)), limits.min, limits.max)
        part = found[place_in(block, piece)]
        part[:, :, where] = np.where(valid[:, :, None], cleaned.astype(found.dtype), part[:, :, where])
    return found


def place_in(block: Block, piece: Block) -> tuple[slice, slice]:
    """Where a piece of a block lies in an array of the block."""
    top, left = piece.row - block.row, piece.column - block.column
    return slice(top, top + piece.height), slice(left, left + piece.width)


def widened(block: Block, halo: int, scene: Scene) -> Block:
    """A block with ``halo`` pixels more on each side, as far as the scene goes."""
    top, left = max(0, block.row - halo), max(0, block.column - halo)
    bottom = min(scene.height, block.row + block.height + halo)
    right = min(scene.width, block.column + block.width + halo)
    return Block(top, left, bottom - top, right - left)


def pieces(block: Block, halo: int, bands: int, budget: int = WORKING_BYTES) -> Iterator[Block]:
    """Parts of a block, row by row of them, whose cleaning takes about ``budget`` bytes at most."""
    pixels = budget // (4 * (4 * bands + (NETWORK_NUMBERS if halo else 0)))
    width = -(-block.width // -(-block.width // WIDEST)) if halo else block.width  # parts of even width
    height = max(halo, pixels // (width + 2 * halo) - 2 * halo, 1)
    for row in range(block.row, block.row + block.height, height):
        rows = min(height, block.row + block.height - row)
        for column in range(block.column, block.column + block.width, width):
            yield Block(row, column, rows, min(width, block.column + block.width - column))


def cache_scene(scene: Scene, folder: Path | None = None, progress: Callable[[int, int], None] | None = None) -> Scene:
    """The same scene in a temporary file, which goes with the scene: for one that is read many times.

    It lies in ``folder``, or where the system has its temporary files.

    Raises OSError when there is no room.
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

    return replace(scene, fetch=fetch)
