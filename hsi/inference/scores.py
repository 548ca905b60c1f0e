"""Class scores of a network, tile by tile, in ``eval()`` mode and float32; see :func:`map_precision` for products."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsi.core.devices import bfloat16_suits, is_out_of_memory, release_memory
from hsi.core.scene import Block
from hsi.errors import DeviceMemoryError, TrainingError
from hsi.inference.blending import REACH, blend
from hsi.models import WindowNetwork, choose_engine
from hsi.models.symmetries import AVERAGED, apply_symmetry, undo_symmetry
from hsi.models.windows import gather_windows

TILE_SIDE = 160  # windows along a tile's side at 30 components: some 300 MB of features
SMALLEST_SIDE = 4  # of tiles where the device's memory is too small for larger ones
PATCHES = 256  # patches in a batch of the patch engine
DIVERGED = "the model's scores are no numbers: its training diverged; train again with a lower lr"
Scores = Callable[[WindowNetwork, Tensor], Tensor]


def map_precision(model: WindowNetwork, device: torch.device, engine: str, amp: str) -> str:
    """What a network maps in, by the rule of its training (``training.amp``): "bfloat16" where the products of gated
    heads are in it, their sums in float32, else "float32"."""
    gated = any(isinstance(module, WindowNetwork) and module.gated for module in model.modules())
    dense = choose_engine(engine, model) == "dense"
    return "bfloat16" if gated and dense and amp == "auto" and bfloat16_suits(device, model, engine) else "float32"


@torch.no_grad()
def padded_scores(
    model: WindowNetwork,
    padded: Tensor,
    *,
    device: torch.device,
    engine: str = "auto",
    tile: int | None = None,
    symmetries: bool = False,
    amp: str = "off",
) -> Iterator[tuple[Block, Tensor]]:
    """Class scores ``(classes, h, w)`` of each tile of components ``(K, H + window - 1, W + window - 1)``, padded by
    half a window.

    ``symmetries`` averages the class probabilities with those of the scene after a half turn, at twice the cost; the
    scores are then the logarithms of these averages. ``amp`` is that of the training, see :func:`map_precision`. Where
    the device has too little memory for a tile, tiles are halved, with a warning; raises :class:`DeviceMemoryError`
    when the smallest are too large.
    """
    scores_of = _dense_scores if choose_engine(engine, model) == "dense" else _patch_scores
    model = model.to(device).eval()
    in_bfloat16 = map_precision(model, device, engine, amp) == "bfloat16"
    for network in model.modules():
        if isinstance(network, WindowNetwork):
            network.maps_in_bfloat16 = in_bfloat16
    reach = model.window - 1
    side = tile or max(16, int(TILE_SIDE * min(1.0, (30 / len(padded)) ** 0.5)))
    waiting = _tiles(Block(0, 0, padded.shape[1] - reach, padded.shape[2] - reach), side)
    while waiting:
        block = waiting.pop()
        if max(block.height, block.width) > side:
            waiting.extend(_tiles(block, side))
            continue
        rows, columns = (slice(part.start, part.stop + reach) for part in block.slices)
        try:
            scores = _tile_scores(scores_of, model, padded[:, rows, columns].to(device), symmetries)
        except RuntimeError as error:  # torch's out of memory is one
            if not is_out_of_memory(error):
                raise
            release_memory(device)
            side = max(block.height, block.width)
            if side <= SMALLEST_SIDE:
                raise DeviceMemoryError(
                    f"out of memory on {device} with tiles of {side} x {side} pixels, the smallest there are: free "
                    "some of its memory, use --device cpu, or train with a smaller --window or fewer --components"
                ) from error
            side //= 2
            warnings.warn(f"out of memory on {device}: going on with tiles of {side} x {side} pixels", stacklevel=2)
            waiting.append(block)
            continue
        yield block, scores


def pixel_scores(
    model: WindowNetwork,
    padded: Tensor,
    chosen: NDArray[np.bool_],
    *,
    device: torch.device,
    engine: str = "auto",
    symmetries: bool = False,
    blended: bool = False,
    amp: str = "off",
) -> NDArray[np.float32]:
    """Class scores ``(n, classes)`` of the ``chosen`` ``(H, W)`` pixels in order of rows, as for a map.

    ``padded`` is ``(K, H + window - 1, W + window - 1)``. The scores are logarithms of probabilities, averaged with
    ``symmetries`` or ``blended``. Rows without a chosen pixel are skipped.
    """
    height, width = chosen.shape
    half, reach = model.window // 2, REACH if blended else 0
    how: dict[str, Any] = {"device": device, "engine": engine, "symmetries": symmetries, "amp": amp}
    parts = []
    for top in range(0, height, TILE_SIDE):
        here = chosen[top : top + TILE_SIDE]
        if not here.any():
            continue
        first, last = max(0, top - reach), min(height, top + len(here) + reach)
        piece = padded[:, first : last + model.window - 1]
        probabilities = torch.empty((model.classes, last - first, width), device=device)
        for block, scores in padded_scores(model, piece, **how):
            probabilities[:, *block.slices] = scores.softmax(0)
        if blended:
            middle = piece[:, half : half + last - first, half : half + width]
            probabilities = blend(probabilities, middle.to(device))
        rows, columns = (torch.from_numpy(places).to(device) for places in np.nonzero(here))
        parts.append(probabilities[:, rows + (top - first), columns].T)
    logarithms: NDArray[np.float32] = torch.cat(parts).log().cpu().numpy()
    if np.isnan(logarithms).any():
        raise TrainingError(DIVERGED)
    return logarithms


def _tile_scores(scores_of: Scores, model: WindowNetwork, piece: Tensor, symmetries: bool) -> Tensor:
    """Scores of a tile, or with ``symmetries`` the logarithms of probabilities averaged over them."""
    if not symmetries:
        return scores_of(model, piece)
    total = torch.zeros(1, device=piece.device)
    for turn in AVERAGED:
        total = total + undo_symmetry(scores_of(model, apply_symmetry(piece, turn)).softmax(0), turn)
    return (total / len(AVERAGED)).log()


def _dense_scores(model: WindowNetwork, piece: Tensor) -> Tensor:
    return model.head_map(model.trunk(piece[None]))[0]


def _patch_scores(model: WindowNetwork, piece: Tensor) -> Tensor:
    height, width = (side - model.window + 1 for side in piece.shape[-2:])
    scores = [
        model(gather_windows(piece, batch // width, batch % width, model.window))
        for batch in torch.split(torch.arange(height * width, device=piece.device), PATCHES)
    ]
    return torch.cat(scores).t().reshape(-1, height, width)


def _tiles(block: Block, side: int) -> list[Block]:
    """Near-equal tiles of a block with sides of at most ``side``, the last first."""
    rows = np.linspace(0, block.height, -(-block.height // side) + 1).astype(int).tolist()
    columns = np.linspace(0, block.width, -(-block.width // side) + 1).astype(int).tolist()
    return [
        Block(block.row + top, block.column + left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ][::-1]
