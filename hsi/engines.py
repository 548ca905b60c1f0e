"""The two engines of the training: which pixels a step takes, and their class scores.

The *dense* engine runs the trunk once over a tile of the scene, gathers the windows of the labelled pixels from its
output and runs the head on them: neighbouring windows share the trunk's work, forward and backward. Batch norm's
statistics are then taken over tiles. The *patch* engine is the textbook loop over batches of patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsi.models import WindowNetwork
from hsi.tiles import Pixels, Tile, group_tiles, plan_tiles, symmetry, symmetry_of_starts
from hsi.windows import gather_windows

Kept = Callable[[tuple[int, ...]], Tensor]  # draws which pixels of that shape stay, bool


class DenseEngine:
    """Tiles through the trunk, windows of its output through the head."""

    def __init__(self, model: WindowNetwork, padded: Tensor, pixels: Pixels, side: int | None = None) -> None:
        self.model, self.padded = model, padded
        height, width = (side - model.window + 1 for side in padded.shape[-2:])
        self.tiles = plan_tiles(pixels, height, width, model.window, side)
        self.labelled = torch.zeros(padded.shape[-2:], dtype=torch.bool)
        half = model.window // 2
        self.labelled[pixels.rows.cpu() + half, pixels.columns.cpu() + half] = True

    def steps(self, generator: torch.Generator) -> Iterator[list[Tile]]:
        """The tiles of each optimiser step of one epoch."""
        yield from group_tiles(self.tiles, generator)

    def scores(self, part: Tile, turn: int = 0, kept: Kept | None = None) -> tuple[Tensor, Tensor]:
        """Class scores ``(n, classes)`` and codes ``(n,)`` of a tile's pixels, the tile turned by a symmetry.

        With ``kept`` only the pixels that it draws, and the labelled ones, are in the tile.
        """
        tile = part.cut(self.padded).to(part.pixels.codes.device)
        if kept:
            tile = tile * (kept(tile.shape[-2:]) | part.cut(self.labelled[None])[0]).to(tile.device)
        features = self.model.trunk(symmetry(tile, turn))
        rows, columns = symmetry_of_starts(part, self.model.window, turn)
        windows = gather_windows(features[0], rows, columns, self.model.head_window)
        return self.model.head(windows), part.pixels.codes


class PatchEngine:
    """Batches of patches through the whole network; patches are cut on the device when a batch needs them."""

    def __init__(self, model: WindowNetwork, padded: Tensor, pixels: Pixels, batch: int) -> None:
        self.model, self.padded, self.pixels, self.batch = model, padded, pixels, batch

    def steps(self, generator: torch.Generator) -> Iterator[list[Pixels]]:
        """The batch of each optimiser step of one epoch."""
        order = torch.randperm(len(self.pixels), generator=generator)
        for batch in torch.split(order, self.batch):
            yield [self.pixels.take(batch.to(self.pixels.codes.device))]

    def scores(self, part: Pixels, turn: int = 0, kept: Kept | None = None) -> tuple[Tensor, Tensor]:
        """Class scores ``(n, classes)`` and codes ``(n,)`` of a batch, its patches turned by a symmetry.

        With ``kept`` only the pixels that it draws, and the middle ones, are in the patches.
        """
        device, (rows, columns) = self.padded.device, (part.rows, part.columns)
        patches = gather_windows(self.padded, rows.to(device), columns.to(device), self.model.window)
        patches = patches.to(part.codes.device)
        if kept:
            inside = kept((len(patches), 1, self.model.window, self.model.window))
            inside[:, :, self.model.window // 2, self.model.window // 2] = True
            patches = patches * inside.to(patches.device)
        return self.model(symmetry(patches, turn)), part.codes


def labelled_pixels(codes: NDArray[np.int64], mask: NDArray[np.bool_]) -> Pixels:
    """The pixels of a mask ``(H, W)`` with their class codes."""
    rows, columns = np.nonzero(mask)
    return Pixels(torch.from_numpy(rows), torch.from_numpy(columns), torch.from_numpy(codes[mask]))
