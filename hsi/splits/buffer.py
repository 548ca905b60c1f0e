"""Keep training and test pixels so far apart that their windows share nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt

from hsi.errors import UsageError
from hsi.splits.split import Mask, SplitRequest


def resolve_buffer(request: SplitRequest) -> int:
    """The pixels to leave out on each side of a border: what was asked for, else half the window.

    Two windows of ``window`` pixels share none when their centres are ``window`` or more apart along one axis, which
    is ``2 * (window // 2) + 1``: a buffer of ``window // 2`` on each side. Raises :class:`UsageError` for less.
    """
    if request.window is None:
        if request.buffer is None:
            raise UsageError("to keep windows apart their size has to be known: give the window or a buffer")
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
    """Those of ``pixels`` ``(H, W)`` that are ``distance`` or more away from each of ``others``.

    Distances are Chebyshev's, between pixel centres: the larger of the differences in row and in column.
    """
    if distance <= 1 or not pixels.any() or not others.any():
        return pixels & ~others
    box = _bounds(pixels | others)
    kept = np.zeros_like(pixels)
    kept[box] = pixels[box] & (distance_transform_cdt(~others[box], metric="chessboard") >= distance)
    return kept


def apply_buffer(
    train: Mask, test: Mask, buffer: int, codes: NDArray[np.int64], classes: int, minimum: int
) -> tuple[Mask, Mask]:
    """The largest parts of two sides whose pixels are more than ``2 * buffer`` apart: training, test.

    Training recedes by ``buffer`` from the border first, except for classes that would keep fewer than ``minimum``
    pixels; the test then gives way where it has to, and training takes back what it need not have given. A pixel that
    is left out is within ``2 * buffer`` of a pixel of the other side that is kept. ``codes`` ``(H, W)`` are the class
    codes of the pixels, -1 for none.
    """
    receded = select_distant(train, test, buffer + 1)
    scarce = np.bincount(codes[receded], minlength=classes) < minimum
    receded |= train & np.append(scarce, False)[codes]
    test = select_distant(test, receded, 2 * buffer + 1)
    return select_distant(train, test, 2 * buffer + 1), test


def _bounds(mask: Mask) -> tuple[slice, slice]:
    """The smallest rectangle around the pixels of a mask, which has one."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
