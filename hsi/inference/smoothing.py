"""Majority filter of a class map."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError


def parse_smoothing(text: str) -> int:
    """``"majority:3"`` as the side of the window, 3. Raises :class:`UsageError` for anything else."""
    match = re.fullmatch(r"majority:([0-9]+)", text.strip())
    if not match or int(match[1]) % 2 == 0 or int(match[1]) < 3:
        raise UsageError(f"'{text}' is no smoothing: write majority:3, with an odd window of 3 or more")
    return int(match[1])


def majority(ids: NDArray[Any], size: int, ignore: int) -> NDArray[Any]:
    """The most frequent id in the ``size x size`` window around each pixel of ``(H, W)``; the pixel's own wins a tie.

    Pixels of value ``ignore`` neither count nor change.
    """
    from scipy.ndimage import convolve1d

    best = np.zeros(ids.shape, np.float32)
    result = ids.copy()
    ones = np.ones(size, np.float32)
    for kind in np.setdiff1d(ids, [ignore]):
        here = (ids == kind).astype(np.float32)
        votes = convolve1d(convolve1d(here, ones, axis=0, mode="constant"), ones, axis=1, mode="constant")
        votes += 0.5 * here
        better = votes > best
        best[better], result[better] = votes[better], kind
    return np.where(ids == ignore, ids, result)
