"""What a spatial split keeps together: blocks of a grid, polygons, connected fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from hsi.core.labels import LabelMap

EIGHT_NEIGHBOURS = np.ones((3, 3), np.int8)  # pieces that touch at a corner are one field
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Units:
    """``numbers`` ``(H, W)`` int32 of the unit of each labelled pixel, from 0, and -1 for the others; and the pixels of
    each unit and class, ``counts`` ``(units, classes)`` int64."""

    numbers: NDArray[np.int32]
    counts: Counts

    def __len__(self) -> int:
        return len(self.counts)


def block_units(labels: LabelMap, side: int, offset: tuple[int, int] = (0, 0)) -> Units:
    """Square blocks of ``side`` pixels; the grid begins ``offset`` (rows, columns) before the first pixel."""
    height, width = labels.values.shape
    rows, columns = (np.arange(size) + shift for size, shift in zip((height, width), offset, strict=True))
    return _units(labels, (rows // side)[:, None] * (width + 1) + columns // side)


def field_units(labels: LabelMap) -> Units:
    """The polygons that the labels were drawn from or, where there are none, the connected pixels of each class."""
    codes = labels.codes()
    if labels.polygons is not None:
        return _units(labels, codes * (int(labels.polygons.max()) + 1) + labels.polygons)
    fields, found = np.zeros(codes.shape, np.int64), 0
    for code in range(len(labels.table)):
        numbers, count = label(codes == code, structure=EIGHT_NEIGHBOURS)
        fields += np.where(numbers > 0, numbers + found, 0)
        found += count
    return _units(labels, fields)


def _units(labels: LabelMap, keys: NDArray[np.int64]) -> Units:
    """The units of equal ``keys`` ``(H, W)``."""
    codes, classes, labelled = labels.codes(), len(labels.table), labels.labelled
    found, which = np.unique(keys[labelled], return_inverse=True)
    numbers = np.full(codes.shape, -1, np.int32)
    numbers[labelled] = which
    pairs = np.bincount(which * classes + codes[labelled], minlength=found.size * classes)
    return Units(numbers, pairs.reshape(found.size, classes).astype(np.int64))
