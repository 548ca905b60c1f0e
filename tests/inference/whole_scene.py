"""A scene of components classified in memory, which the tests compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsi.core.scene import Block
from hsi.inference.scores import padded_scores
from hsi.models import WindowNetwork
from hsi.models.windows import pad_scene

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
    symmetries: bool = False,
    progress: Advance | None = None,
) -> Prediction:
    """Classify every pixel of ``(K, H, W)`` components, borders included.

    ``tile`` is the side of a tile in pixels; the result does not depend on it beyond float rounding.
    """
    _, height, width = components.shape
    codes = np.empty((height, width), np.int64)
    confidence = np.empty((height, width), np.float32)
    done = 0
    padded = pad_scene(torch.from_numpy(components), model.window)
    for block, scores in padded_scores(model, padded, device=device, engine=engine, tile=tile, symmetries=symmetries):
        best, which = scores.softmax(0).max(0)
        codes[block.slices], confidence[block.slices] = which.cpu().numpy(), best.cpu().numpy()
        done += block.height * block.width
        if progress:
            progress(done, height * width)
    return Prediction(codes, confidence)


def tile_scores(
    model: WindowNetwork,
    components: NDArray[np.float32],
    *,
    device: torch.device,
    engine: str = "auto",
    tile: int | None = None,
) -> Iterator[tuple[Block, Tensor]]:
    """Class scores ``(classes, h, w)`` of one tile after another that together cover ``(K, H, W)`` components."""
    padded = pad_scene(torch.from_numpy(components), model.window)
    yield from padded_scores(model, padded, device=device, engine=engine, tile=tile)
