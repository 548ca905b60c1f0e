"""Buffers between training and test pixels, so that their windows have no pixel in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, find_objects

from hsi.errors import UsageError
from hsi.splits.split import Mask, SplitRequest


def resolve_buffer(request: SplitRequest) -> int:
    """The pixels to exclude on each side of a border: as requested, by default half the window.

    Two windows are disjoint when the distance of their centres along one axis is at least their size, which is
    ``2 * (window // 2) + 1``: a buffer of ``window // 2`` on each side. Raises :class:`UsageError` for less.
    """
    if request.window is None:
        if request.buffer is None:
            raise UsageError("disjoint windows need a size: give the window or a buffer")
        return request.buffer
    least = request.window // 2
    if request.buffer is None:
        return least
    if request.buffer < least:
        raise UsageError(
            f"split.buffer {request.buffer} lets windows of {request.window} pixels overlap: give {least} or more, "
            "a smaller --window, or leave it out"
        )
    return request.buffer


def select_distant(pixels: Mask, others: Mask, distance: int) -> Mask:
    """The ``pixels`` ``(H, W)`` whose Chebyshev distance to each of ``others`` is ``distance`` or more."""
    if distance <= 1 or not pixels.any() or not others.any():
        return pixels & ~others
    (box,) = find_objects((pixels | others).astype(np.int8))  # the distance transform needs no more than this
    distant = np.zeros_like(pixels)
    distant[box] = pixels[box] & (distance_transform_cdt(~others[box], metric="chessboard") >= distance)
    return distant


def apply_buffer(
    train: Mask, test: Mask, buffer: int, codes: NDArray[np.int64], classes: int, minimum: int
) -> tuple[Mask, Mask]:
    """The largest subsets (training, test) of two sides whose pixels are more than ``2 * buffer`` from each other.

    First, training pixels within ``buffer`` of the border are excluded, except those of classes that would have fewer
    than ``minimum`` pixels left. Then test pixels that are too near to the remaining ones are excluded, and training
    pixels that are distant enough from the remaining test pixels are restored. ``codes`` ``(H, W)`` are class codes,
    -1 for none.
    """
    receded = select_distant(train, test, buffer + 1)
    scarce = np.bincount(codes[receded], minlength=classes) < minimum
    receded |= train & np.append(scarce, False)[codes]
    test = select_distant(test, receded, 2 * buffer + 1)
    return select_distant(train, test, 2 * buffer + 1), test
