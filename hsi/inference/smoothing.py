"""Filters of a class map: the majority of a window, and a smallest area."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.georeference import pixel_hectares
from hsi.core.scene import Georeference
from hsi.errors import UsageError

HECTARES = {"ha": 1.0, "m2": 1e-4, "km2": 100.0}
ROUNDING = 1e-6  # of a pixel, so that 0.9 ha are ten pixels of 0.09 ha and not eleven


def parse_smoothing(text: str) -> int:
    """``"majority:3"`` as the side of the window, 3. Raises :class:`UsageError` for anything else."""
    match = re.fullmatch(r"majority:([0-9]+)", text.strip())
    if not match or int(match[1]) % 2 == 0 or int(match[1]) < 3:
        raise UsageError(f"'{text}' is no smoothing: write majority:3, with an odd window of 3 or more")
    return int(match[1])


def majority(ids: NDArray[Any], size: int, ignore: int | Sequence[int]) -> NDArray[Any]:
    """The most frequent id in the ``size x size`` window around each pixel of ``(H, W)``; the pixel's own wins a tie.

    Pixels of the value, or of one of the values, in ``ignore`` neither count nor change.
    """
    from scipy.ndimage import convolve1d

    best = np.zeros(ids.shape, np.float32)
    result = ids.copy()
    ones = np.ones(size, np.float32)
    for kind in np.setdiff1d(ids, ignore):
        here = (ids == kind).astype(np.float32)
        votes = convolve1d(convolve1d(here, ones, axis=0, mode="constant"), ones, axis=1, mode="constant")
        votes += 0.5 * here
        better = votes > best
        best[better], result[better] = votes[better], kind
    return np.where(np.isin(ids, ignore), ids, result)


def parse_min_area(text: str) -> tuple[float, str]:
    """The number and the unit of ``"0.5ha"``, ``"5000m2"``, ``"0.01km2"`` or ``"12px"``.

    Raises :class:`UsageError` for anything else.
    """
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(ha|m2|km2|px)", text.strip())
    if not match or float(match[1]) <= 0:
        raise UsageError(f"'{text}' is no smallest area: write 0.5ha, 5000m2, 0.01km2 or 12px")
    return float(match[1]), match[2]


def min_area_pixels(text: str, georeference: Georeference | None, height: int, width: int) -> int:
    """A smallest area as pixels of a scene ``(height, width)``, rounded up.

    Raises :class:`UsageError` as :func:`parse_min_area`, and for an area where the pixels have no known size.
    """
    amount, unit = parse_min_area(text)
    if unit == "px":
        return math.ceil(amount)
    hectares = pixel_hectares(georeference, height, width)
    if hectares is None:
        raise UsageError(f"min_area={text}: the scene's pixels have no known size: give pixels, such as 12px")
    # the smallest pixel, so that no smaller area remains in any row
    return math.ceil(amount * HECTARES[unit] / float(hectares.min()) - ROUNDING)


def sieve(ids: NDArray[Any], pixels: int, ignore: Collection[int]) -> NDArray[Any]:
    """``ids`` ``(H, W)`` whose areas of fewer than ``pixels`` pixels have the id of their largest neighbour.

    Pixels of the values in ``ignore`` neither change nor spread; a small area remains that only
    touches these and other small ones. Pixels are neighbours by their sides (GDAL's sieve filter).
    """
    from rasterio.features import sieve as sieved

    fixed = np.isin(ids, list(ignore))
    pixels = min(pixels, ids.size - 1)  # GDAL's limit
    sizes = [2**power for power in range(1, pixels.bit_length()) if 2**power < pixels]
    # the smallest areas first, so that areas that are all too small join before a large one is needed
    for size in [*sizes, pixels] if pixels > 1 and not fixed.all() else ():
        while True:  # an area may reach the size in one pass and take its small neighbours in the next
            result = np.where(fixed, ids, sieved(ids, size, mask=~fixed, connectivity=4))
            if np.array_equal(result, ids):
                break
            ids = result
    return ids
