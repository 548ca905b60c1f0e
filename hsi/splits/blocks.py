"""Spatially disjoint blocks: no test window shares a pixel with a training window."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.splits.buffer import resolve_buffer
from hsi.splits.groups import Groups, block_groups
from hsi.splits.holdout import HoldoutRule, hold_out, resolve_minimum
from hsi.splits.split import Split, SplitRequest, split_rule


def resolve_block_size(request: SplitRequest) -> int:
    """The side of the blocks in pixels; the default is twice the distance between training and test pixels."""
    return request.block or 2 * (2 * resolve_buffer(request) + 1)


def random_block_groups(labels: LabelMap, side: int, random: np.random.Generator) -> Groups:
    """Blocks of a grid with a random offset, so that another seed also gives other borders."""
    down, across = random.integers(0, side, 2).tolist()
    return block_groups(labels, side, (down, across))


@split_rule("blocks", ("train", "validation", "block", "buffer", "minimum"), resolve_buffer, resolve_minimum)
def split_blocks(labels: LabelMap, request: SplitRequest) -> Split:
    """Divide the scene into square blocks; about half of the pixels of each class train, the others test.

    Pixels along the borders are excluded until each test pixel is ``2 * buffer + 1`` or more rows or columns away from
    each training and validation pixel: then their windows have no pixel in common. ``buffer`` is ``window // 2`` or
    more. Training pixels are excluded before test pixels, and no class loses its ``minimum`` training pixels. All
    remaining training pixels are used unless ``train`` asks for fewer; validation takes some of them, block by block.

    ``warnings`` name the classes that lack their ``minimum`` on either side, ``notes`` say how many blocks train and
    what was excluded. Roberts et al. 2017 (doi:10.1111/ecog.02881) argue for such splits.
    """
    buffer, side = resolve_buffer(request), resolve_block_size(request)
    text = request.describe(f"blocks of {side} pixels, buffer {buffer}")
    rule = HoldoutRule(text, "blocks", lambda random: random_block_groups(labels, side, random), buffer)
    return hold_out(labels, request, rule)
