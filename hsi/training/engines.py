"""The two training engines: the pixels of each step, and their class scores.

The *dense* engine runs the trunk once over a tile of the scene, gathers the windows of the labelled pixels from its
output and runs the head on them: neighbouring windows share the trunk's work, forward and backward. Batch norm's
statistics are then of tiles. The *patch* engine is the textbook loop over batches of patches.

A part of a step is processed by :meth:`features` once, then by :meth:`head` for each of its :meth:`pieces`, so that
memory is bounded for any number of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsi.models import WindowNetwork
from hsi.models.symmetries import apply_symmetry, move_starts
from hsi.models.windows import gather_windows
from hsi.training.tiles import (
    LEAST_HALVED,
    LEAST_SIDES,
    MOST_WINDOWS,
    STEP_WINDOWS,
    Pixels,
    Tile,
    group_tiles,
    plan_tiles,
)

DrawMask = Callable[[tuple[int, ...]], Tensor]  # a random bool array of a shape: the pixels that are not dropped


class DenseEngine:
    """Tiles through the trunk, windows of its output through the head; at most ``batch`` windows a step, if given.

    Without ``batch`` and ``side`` a scene of one tile is halved for each step: half of the trunk's work, twice as many
    steps in an epoch, and about :data:`~hsi.training.tiles.STEP_WINDOWS` windows at most, so that the time of a step
    depends on the scene and hardly on the number of labels.
    """

    def __init__(
        self, model: WindowNetwork, padded: Tensor, pixels: Pixels, batch: int | None = None, side: int | None = None
    ) -> None:
        self.model, self.padded, self.batch = model, padded, batch
        height, width = (side - model.window + 1 for side in padded.shape[-2:])
        self.tiles = plan_tiles(pixels, height, width, model.window, side)
        wide = min(height, width) >= LEAST_SIDES * model.window  # margins are then little of a half
        halved = wide and len(self.tiles) == 1 and not batch and not side and len(pixels) >= LEAST_HALVED
        self.steps_of_half = math.ceil(len(pixels) / 2 / STEP_WINDOWS) if halved else 0
        self.labelled = torch.zeros(padded.shape[-2:], dtype=torch.bool)
        half = model.window // 2
        self.labelled[pixels.rows.cpu() + half, pixels.columns.cpu() + half] = True

    def steps(self, generator: torch.Generator) -> Iterator[list[Tile]]:
        """The tiles of each optimiser step of one epoch."""
        if not self.steps_of_half:
            yield from group_tiles(self.tiles, generator, self.batch)
            return
        for half in self.tiles[0].halve(generator, self.model.window):
            most = math.ceil(len(half.pixels) / self.steps_of_half)
            yield from ([part] for part in half.chunk(generator, most))

    def pieces(self, part: Tile) -> list[Tile]:
        """The tile with at most :data:`~hsi.training.tiles.MOST_WINDOWS` of its pixels at a time."""
        return [replace(part, pixels=pixels) for pixels in part.pixels.split(MOST_WINDOWS)]

    def features(self, part: Tile, turn: int = 0, draw_mask: DrawMask | None = None) -> Tensor:
        """The trunk's output ``(1, C, h, w)`` over a tile transformed by a symmetry.

        With ``draw_mask`` all pixels outside the mask are 0, except labelled ones.
        """
        tile = part.cut(self.padded).to(part.pixels.codes.device)
        if draw_mask:
            tile = tile * (draw_mask(tile.shape[-2:]) | part.cut(self.labelled[None])[0]).to(tile.device)
        return self.model.trunk(apply_symmetry(tile, turn))

    def head(self, features: Tensor, piece: Tile, turn: int = 0) -> tuple[Tensor, Tensor]:
        """Class scores ``(n, classes)`` and codes ``(n,)`` of a piece of the tile."""
        starts, shape = (piece.pixels.rows, piece.pixels.columns), (piece.height, piece.width)
        rows, columns = move_starts(*starts, shape, self.model.window, turn)
        return self.model.head_at(features, rows, columns), piece.pixels.codes


class PatchEngine:
    """Batches of patches through the complete network; patches are cut on the device when a batch needs them."""

    def __init__(self, model: WindowNetwork, padded: Tensor, pixels: Pixels, batch: int) -> None:
        self.model, self.padded, self.pixels, self.batch = model, padded, pixels, batch

    def steps(self, generator: torch.Generator) -> Iterator[list[Pixels]]:
        """The batch of each optimiser step of one epoch."""
        order = torch.randperm(len(self.pixels), generator=generator).to(self.pixels.codes.device)
        for batch in torch.split(order, self.batch):
            yield [self.pixels.take(batch)]

    def pieces(self, part: Pixels) -> list[Pixels]:
        """The batch itself."""
        return [part]

    def features(self, part: Pixels, turn: int = 0, draw_mask: DrawMask | None = None) -> Tensor:
        """The patches ``(n, K, window, window)`` of a batch, transformed by a symmetry.

        With ``draw_mask`` all pixels outside the mask are 0, except the middle ones.
        """
        device, (rows, columns) = self.padded.device, (part.rows, part.columns)
        patches = gather_windows(self.padded, rows.to(device), columns.to(device), self.model.window)
        patches = patches.to(part.codes.device)
        if draw_mask:
            inside = draw_mask((len(patches), 1, self.model.window, self.model.window))
            inside[:, :, self.model.window // 2, self.model.window // 2] = True
            patches = patches * inside.to(patches.device)
        return apply_symmetry(patches, turn)

    def head(self, features: Tensor, piece: Pixels, turn: int = 0) -> tuple[Tensor, Tensor]:
        """Class scores ``(n, classes)`` and codes ``(n,)`` of a batch's patches."""
        return self.model(features), piece.codes


def labelled_pixels(codes: NDArray[np.int64], mask: NDArray[np.bool_]) -> Pixels:
    """The pixels of a mask ``(H, W)`` with their class codes."""
    rows, columns = np.nonzero(mask)
    return Pixels(torch.from_numpy(rows), torch.from_numpy(columns), torch.from_numpy(codes[mask]))
