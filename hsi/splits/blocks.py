"""Spatially disjoint blocks: no test window shares a pixel with a training window."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.splits.buffer import resolve_buffer
from hsi.splits.groups import Groups, block_groups
from hsi.splits.holdout import Kind, hold_out, resolve_minimum
from hsi.splits.split import Split, SplitRequest, split_rule


def resolve_block_size(request: SplitRequest) -> int:
    """The side of the blocks in pixels: twice the distance that training and test pixels keep, unless asked for."""
    return request.block or 2 * (2 * resolve_buffer(request) + 1)


def block_cut(labels: LabelMap, side: int, random: np.random.Generator) -> Groups:
    """Blocks of a grid that begins at random, so that another seed also has other borders."""
    down, across = random.integers(0, side, 2).tolist()
    return block_groups(labels, side, (down, across))


def _check(request: SplitRequest) -> None:
    resolve_buffer(request)
    resolve_minimum(request)


@split_rule("blocks", ("train", "validation", "block", "buffer", "minimum"), _check)
def spatial_blocks(labels: LabelMap, request: SplitRequest) -> Split:
    """Cut the scene into square blocks; half of them train and half test, for each class as evenly as can be.

    Pixels are left out along the borders until each test pixel is ``2 * buffer + 1`` or more away from each training
    and validation pixel, along the rows or along the columns: then their windows have no pixel in common. ``buffer``
    is ``window // 2`` or wider. Training gives way first, then the test, and no class gives up its ``minimum``
    training pixels. All training pixels that are left train unless ``train`` asks for fewer; validation is cut from
    them, block by block.

    ``warnings`` name the classes that the blocks could not give their ``minimum`` on both sides, ``notes`` say how
    many blocks train and what was left out. Such splits are argued for by Roberts et al. 2017 (doi:10.1111/ecog.02881).
    """
    buffer, side = resolve_buffer(request), resolve_block_size(request)
    kind = Kind(f"blocks of {side} pixels, buffer {buffer}{request.amounts}", "blocks", buffer)
    return hold_out(labels, request, lambda random: block_cut(labels, side, random), kind)
