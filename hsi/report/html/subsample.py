"""Every n-th pixel of scenes and rasters that are too large to be shown in full, read with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Block, Georeference, Scene
from hsi.io.geotiff import TILE, read_classes

LONGEST_SIDE = 1500  # pixels of the longer side of a map in a page
READ_BYTES = 64 * 2**20


def view_step(height: int, width: int) -> int:
    """Every how many pixels of a map are shown, so that its longer side has no more than 1,500."""
    return -(-max(height, width) // LONGEST_SIDE)


def subsampled_length(length: int, step: int) -> int:
    """How many of ``length`` are left when every ``step``-th is taken from the first on."""
    return -(-length // step)


@dataclass(frozen=True)
class SubsampledScene(Scene):
    """Every n-th row and column of a scene, whose blocks have no more than ``rows`` rows."""

    rows: int = 1

    def blocks(self, budget: int = 128 * 2**20) -> Iterator[Block]:
        """Strips of complete rows as in :meth:`Scene.blocks`, of at most ``rows``."""
        return super().blocks(min(budget, self.rows * self.width * len(self.bands) * 8))


def subsample_scene(scene: Scene, step: int, rows: int | None = None) -> SubsampledScene:
    """Every ``step``-th row and column of a scene from the first on; nothing is averaged.

    At most ``rows`` rows of the scene are read at a time, by default as many as take 64 MiB as stored.
    """
    place = scene.georeference
    stored = scene.fetch(Block(0, 0, 1, 1)).nbytes * scene.width
    at_once = rows or max(1, READ_BYTES // stored)

    def fetch(block: Block) -> NDArray[Any]:
        """All bands of the file in a block of the subsampled scene, ``(h, w, bands)``."""
        first, last = block.row * step, (block.row + block.height - 1) * step
        columns = slice(block.column * step, (block.column + block.width - 1) * step + 1, step)
        wanted = (at_once - 1) // step + 1  # subsampled rows that one read gives
        parts = []
        for top in range(first, last + 1, wanted * step):
            bottom = min(last, top + (wanted - 1) * step)
            read = scene.fetch(Block(top, 0, bottom - top + 1, scene.width))[::step, columns]
            parts.append(read.copy() if step > 1 else read)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    changed = {
        "height": subsampled_length(scene.height, step),
        "width": subsampled_length(scene.width, step),
        "fetch": fetch,
        "georeference": place and Georeference(place.crs, _scaled(place.transform, step)),
    }
    values = {field.name: getattr(scene, field.name) for field in fields(Scene)} | changed
    return SubsampledScene(**values, rows=max(1, at_once // step))


def _scaled(transform: tuple[float, ...], step: int) -> tuple[float, float, float, float, float, float]:
    """The transform of pixels that are ``step`` times as wide and high."""
    a, b, c, d, e, f = transform
    return a * step, b * step, c, d * step, e * step, f


def track_reads(scene: Scene, progress: Callable[[int, int], None]) -> Scene:
    """The same scene, of which ``progress(rows done, rows)`` is called after each read."""

    def fetch(block: Block) -> NDArray[Any]:
        values = scene.fetch(block)
        progress(block.row + block.height, scene.height)
        return values

    return scene.with_fetch(fetch)


def read_subsampled(
    path: Path, shape: tuple[int, int], step: int, progress: Callable[[int, int], None] | None = None
) -> NDArray[Any]:
    """Every ``step``-th pixel of the first band of a raster ``shape`` (H, W), read by rows of its tiles.

    ``progress(rows done, rows)`` is called after each.
    """
    height, width = shape
    parts = []
    for row in range(0, height, TILE):
        rows = min(TILE, height - row)
        first = -row % step
        if first < rows:
            parts.append(read_classes(path, Block(row, 0, rows, width))[first::step, ::step].copy())
        if progress:
            progress(row + rows, height)
    return np.concatenate(parts)
