"""Groups of labelled pixels that stay on one side of a split, and their assignment to sides and folds.

Give whole units to sides or folds so that each class is shared out as evenly as its units allow.

Both ways take the class with the fewest undecided units first, which is the idea of iterative stratification
(Sechidis et al. 2011, doi:10.1007/978-3-642-23808-6_10).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from hsi.core.labels import LabelMap

EIGHT_NEIGHBOURS = np.ones((3, 3), np.int8)  # pieces that touch at a corner are one field
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """``numbers`` ``(H, W)`` int32 of the unit of each labelled pixel, from 0, and -1 for the others; and the pixels of
    each unit and class, ``counts`` ``(units, classes)`` int64."""

    numbers: NDArray[np.int32]
    counts: Counts

    def __len__(self) -> int:
        return len(self.counts)


def block_groups(labels: LabelMap, side: int, offset: tuple[int, int] = (0, 0)) -> Groups:
    """Square blocks of ``side`` pixels; the grid begins ``offset`` (rows, columns) before the first pixel."""
    height, width = labels.values.shape
    rows, columns = (np.arange(size) + shift for size, shift in zip((height, width), offset, strict=True))
    return _units(labels, (rows // side)[:, None] * (width + 1) + columns // side)


def field_groups(labels: LabelMap) -> Groups:
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


def _units(labels: LabelMap, keys: NDArray[np.int64]) -> Groups:
    """The units of equal ``keys`` ``(H, W)``."""
    codes, classes, labelled = labels.codes(), len(labels.table), labels.labelled
    found, which = np.unique(keys[labelled], return_inverse=True)
    numbers = np.full(codes.shape, -1, np.int32)
    numbers[labelled] = which
    pairs = np.bincount(which * classes + codes[labelled], minlength=found.size * classes)
    return Groups(numbers, pairs.reshape(found.size, classes).astype(np.int64))


def split_in_half(counts: Counts, minimum: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which units ``(units,)`` train, so that about half of the pixels of each class do and the others test.

    ``counts`` ``(units, classes)`` are pixels. Each class gets ``minimum`` training pixels first, then as many test
    pixels, then equal halves, as far as the units that it shares with rarer classes leave a choice.
    """
    training = np.zeros(len(counts), bool)
    for code, free in _rarest_first(counts):
        units = random.permutation(free)
        total, before = int(counts[:, code].sum()), int(counts[training, code].sum())
        trained = before + np.concatenate([[0], np.cumsum(counts[units, code])])
        enough = -np.minimum(trained, minimum), -np.minimum(total - trained, minimum)
        taken = np.lexsort((np.abs(2 * trained - total), enough[1], enough[0]))[0]  # the last key counts first
        training[units[:taken]] = True
    return training


def assign_folds(counts: Counts, folds: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The fold ``(units,)`` of each unit, 0 to ``folds - 1``: the largest units of a class first, each to the fold that
    lacks most pixels of that class, then of all classes."""
    fold_of = np.full(len(counts), -1, np.int64)
    lacking = np.repeat(counts.sum(axis=0)[None], folds, axis=0)  # (folds, classes), times the number of folds
    for code, free in _rarest_first(counts):
        units = random.permutation(free)
        for unit in units[np.argsort(-counts[units, code], kind="stable")]:
            order = random.permutation(folds)
            fold = order[np.lexsort((-lacking[order].sum(axis=1), -lacking[order, code]))[0]]
            fold_of[unit] = fold
            lacking[fold] -= folds * counts[unit]
    return fold_of


def _rarest_first(counts: Counts) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each class with the units of it that no earlier class had, the class with the fewest of these next."""
    has, free = counts > 0, np.ones(len(counts), bool)
    waiting = set(np.flatnonzero(has.any(axis=0)).tolist())
    while waiting:
        units, pixels = has[free].sum(axis=0), counts[free].sum(axis=0)
        code = min(waiting, key=lambda c: (units[c], pixels[c], c))
        waiting.remove(code)
        chosen = np.flatnonzero(free & has[:, code])
        if chosen.size:
            yield code, chosen
            free[chosen] = False
