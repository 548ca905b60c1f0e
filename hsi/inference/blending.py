"""Class probabilities averaged over neighbours with similar spectra, which preserves borders between fields."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from hsi.models import scale_guide

RADIUS = 3  # pixels to each side: squares of 7 x 7
PASSES = 2  # the second averages the result of the first
REACH = RADIUS * PASSES  # how far away a pixel can have an effect
SHARPNESS = 0.45  # difference of two pixels, in units of the components' spread, for which the weight is 0.6
TILE_SIDE = 256  # pixels at a time, whose weights and probabilities stay in a processor's cache
# half of a square's neighbours: the weight of a pair of pixels is the same in both directions
SHIFTS = [(down, right) for down in range(RADIUS + 1) for right in range(-RADIUS, RADIUS + 1) if (down, right) > (0, 0)]


@torch.no_grad()
def blend(probabilities: Tensor, components: Tensor) -> Tensor:
    """Probabilities ``(C, h, w)`` averaged twice over 7 x 7 pixels by the similarity of ``components`` ``(K, h, w)``.

    A bilateral filter of the probabilities that is guided by the scene (Kang, Li and Benediktsson 2014,
    doi:10.1109/TGRS.2013.2264508). Pixels whose components are all zero, outside the scene or without data, have no
    weight and do not change; pixels outside the arrays have no weight. Both tensors are float32 and on one device.
    """
    blended = torch.empty_like(probabilities)
    height, width = probabilities.shape[1:]
    for top in range(0, height, TILE_SIDE):
        for left in range(0, width, TILE_SIDE):
            above, before = min(top, REACH), min(left, REACH)
            around = (
                slice(top - above, top + TILE_SIDE + REACH),
                slice(left - before, left + TILE_SIDE + REACH),
            )
            tile = _blend_tile(probabilities[:, *around], components[:, *around])[:, above:, before:]
            blended[:, top : top + TILE_SIDE, left : left + TILE_SIDE] = tile[:, :TILE_SIDE, :TILE_SIDE]
    return blended


def _blend_tile(probabilities: Tensor, components: Tensor) -> Tensor:
    """The same for a tile, as one line of pixels: columns of zeros after each row separate it from the next."""
    guide = scale_guide(components, SHARPNESS)
    width = probabilities.shape[2] + RADIUS
    known = _in_line(components.any(dim=0).to(guide.dtype))
    average, guide = _in_line(probabilities), _in_line(guide)
    starts = [start for down, right in SHIFTS if (start := down * width + right) < len(known)]
    weights, sums = [], torch.ones_like(known)
    for start in starts:
        squares = (guide[:, :-start] - guide[:, start:]).square_()
        weight = reduce(Tensor.add_, squares.unbind()).neg_().exp_()  # sum() rounds by the number of pixels
        weight *= known[:-start]
        weight *= known[start:]
        sums[:-start] += weight
        sums[start:] += weight
        weights.append(weight)
    for _ in range(PASSES):
        total = average.clone()
        for start, weight in zip(starts, weights, strict=True):
            total[:, :-start].addcmul_(weight, average[:, start:])
            total[:, start:].addcmul_(weight, average[:, :-start])
        average = total.div_(sums)
    return average.view(len(average), -1, width)[..., :-RADIUS]


def _in_line(pixels: Tensor) -> Tensor:
    """``(..., h, w)`` as ``(..., h (w + RADIUS))``."""
    return F.pad(pixels, (0, RADIUS)).flatten(-2)
