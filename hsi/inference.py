"""Class and confidence of every pixel: tile by tile, always in ``eval()`` mode and float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsi.models import WindowNetwork, choose_engine
from hsi.scene import Block
from hsi.windows import gather_windows, pad_scene

TILE_SIDE = 160  # windows along a tile's side at 30 components: some 300 MB of features
PATCHES = 256  # patches in a batch of the patch engine
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Prediction:
    """Class positions ``(H, W)`` int64 and the largest softmax probability ``(H, W)`` float32."""

    codes: NDArray[np.int64]
    confidence: NDArray[np.float32]


def map_scene(
    model: WindowNetwork,
    components: NDArray[np.float32],
    *,
    device: torch.device,
    engine: str = "auto",
    tile: int | None = None,
    progress: Advance | None = None,
) -> Prediction:
    """Classify every pixel of ``(K, H, W)`` components, borders included.

    ``tile`` is the side of a tile in pixels; the result does not depend on it beyond float rounding.
    """
    _, height, width = components.shape
    codes = np.empty((height, width), np.int64)
    confidence = np.empty((height, width), np.float32)
    done = 0
    for block, scores in tile_scores(model, components, device=device, engine=engine, tile=tile):
        best, which = scores.softmax(0).max(0)
        codes[block.slices], confidence[block.slices] = which.cpu().numpy(), best.cpu().numpy()
        done += block.height * block.width
        if progress:
            progress(done, height * width)
    return Prediction(codes, confidence)


@torch.no_grad()
def tile_scores(
    model: WindowNetwork,
    components: NDArray[np.float32],
    *,
    device: torch.device,
    engine: str = "auto",
    tile: int | None = None,
) -> Iterator[tuple[Block, Tensor]]:
    """Class scores ``(classes, h, w)`` of one tile after another that together cover the scene."""
    dense = choose_engine(engine, model) == "dense"
    model = model.to(device).eval()
    padded = pad_scene(torch.from_numpy(components), model.window)
    side = tile or max(16, int(TILE_SIDE * min(1.0, (30 / len(components)) ** 0.5)))
    for block in _tiles(components.shape[1], components.shape[2], side):
        reach = model.window - 1
        piece = padded[
            :, block.row : block.row + block.height + reach, block.column : block.column + block.width + reach
        ]
        piece = piece.to(device)
        yield block, (_dense_scores if dense else _patch_scores)(model, piece, block)


def _dense_scores(model: WindowNetwork, piece: Tensor, block: Block) -> Tensor:
    return model.head_map(model.trunk(piece[None]))[0]


def _patch_scores(model: WindowNetwork, piece: Tensor, block: Block) -> Tensor:
    index = torch.arange(block.height * block.width, device=piece.device)
    scores = [
        model(gather_windows(piece, batch // block.width, batch % block.width, model.window))
        for batch in torch.split(index, PATCHES)
    ]
    return torch.cat(scores).t().reshape(-1, block.height, block.width)


def _tiles(height: int, width: int, side: int) -> Iterator[Block]:
    """Near-equal tiles of at most ``side``, so that no sliver is left at the end."""
    rows = np.linspace(0, height, -(-height // side) + 1).astype(int)
    columns = np.linspace(0, width, -(-width // side) + 1).astype(int)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Block(int(top), int(left), int(bottom - top), int(right - left))
