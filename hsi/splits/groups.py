"""Groups of labelled pixels that stay on one side of a split, and their assignment to sides and folds.

Both assignments share the pixels of each class as evenly as its groups allow. They take the class with the fewest
unassigned groups first, as iterative stratification does (Sechidis et al. 2011, doi:10.1007/978-3-642-23808-6_10).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from hsi.core.labels import LabelMap

EIGHT_NEIGHBOURS = np.ones((3, 3), np.int8)  # pieces that touch at a corner are one field
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """``numbers`` ``(H, W)`` int32, the group of each labelled pixel from 0, and -1 for the others; ``counts``
    ``(groups, classes)`` int64, the pixels of each group and class."""

    numbers: NDArray[np.int32]
    counts: Counts

    def __len__(self) -> int:
        return len(self.counts)

    def expand(self, values: NDArray[Any], missing: int | bool) -> NDArray[Any]:
        """The value of the group of each pixel ``(H, W)`` from ``values`` ``(groups,)``, else ``missing``."""
        return np.append(values, np.asarray(missing, values.dtype))[self.numbers]


def block_groups(labels: LabelMap, side: int, offset: tuple[int, int] = (0, 0)) -> Groups:
    """Square blocks of ``side`` pixels; the grid begins ``offset`` (rows, columns) before the first pixel."""
    height, width = labels.values.shape
    rows, columns = (np.arange(size) + shift for size, shift in zip((height, width), offset, strict=True))
    keys = (rows // side)[:, None] * (width + 1) + columns // side
    for number, scene in enumerate(labels.scenes):  # no block has pixels of two scenes
        keys[scene.block.slices] += number * (height + 1) * (width + 1)
    return _group_by(labels, keys)


def field_groups(labels: LabelMap) -> Groups:
    """The polygons that the labels were rasterised from or, without polygons, the 8-connected pixels of each class."""
    codes = labels.codes()
    if labels.polygons is not None:
        return _group_by(labels, codes * (int(labels.polygons.max()) + 1) + labels.polygons)
    fields, total = np.zeros(codes.shape, np.int64), 0
    for code in range(len(labels.table)):
        numbers, count = label(codes == code, structure=EIGHT_NEIGHBOURS)
        fields += np.where(numbers > 0, numbers + total, 0)
        total += count
    return _group_by(labels, fields)


def _group_by(labels: LabelMap, keys: NDArray[np.int64]) -> Groups:
    """Groups of labelled pixels with equal ``keys`` ``(H, W)``."""
    codes, classes, labelled = labels.codes(), len(labels.table), labels.labelled
    unique, which = np.unique(keys[labelled], return_inverse=True)
    numbers = np.full(codes.shape, -1, np.int32)
    numbers[labelled] = which
    pairs = np.bincount(which * classes + codes[labelled], minlength=unique.size * classes)
    return Groups(numbers, pairs.reshape(unique.size, classes).astype(np.int64))


def split_in_half(counts: Counts, minimum: Counts | int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which groups ``(groups,)`` train, so that about half of the pixels of each class do and the others test.

    ``counts`` ``(groups, classes)`` are pixels. Each class gets its ``minimum`` (of each, or of all) of
    training pixels first, then as many test pixels, then equal halves, as far as the groups that it shares with rarer
    classes permit.
    """
    training, least = np.zeros(len(counts), bool), np.broadcast_to(minimum, counts.shape[1])
    for code, free in _rarest_first(counts):
        groups = random.permutation(free)
        total, before = int(counts[:, code].sum()), int(counts[training, code].sum())
        trained = before + np.concatenate([[0], np.cumsum(counts[groups, code])])
        enough = -np.minimum(trained, least[code]), -np.minimum(total - trained, least[code])
        best = np.lexsort((np.abs(2 * trained - total), enough[1], enough[0]))[0]  # the last key counts first
        training[groups[:best]] = True
    return training


def assign_folds(counts: Counts, folds: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The fold ``(groups,)`` of each group, 0 to ``folds - 1``.

    The largest groups of a class come first, each to the fold that lacks most pixels of the class, then of all classes.
    """
    fold_of = np.full(len(counts), -1, np.int64)
    lacking = np.repeat(counts.sum(axis=0)[None], folds, axis=0)  # (folds, classes), times the number of folds
    for code, free in _rarest_first(counts):
        groups = random.permutation(free)
        for group in groups[np.argsort(-counts[groups, code], kind="stable")]:
            order = random.permutation(folds)
            fold = order[np.lexsort((-lacking[order].sum(axis=1), -lacking[order, code]))[0]]
            fold_of[group] = fold
            lacking[fold] -= folds * counts[group]
    return fold_of


def _rarest_first(counts: Counts) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each class with its groups that no earlier class had; the class with the fewest of these comes next."""
    has, free = counts > 0, np.ones(len(counts), bool)
    waiting = set(np.flatnonzero(has.any(axis=0)).tolist())
    while waiting:
        groups, pixels = has[free].sum(axis=0), counts[free].sum(axis=0)
        code = min(waiting, key=lambda c: (groups[c], pixels[c], c))
        waiting.remove(code)
        members = np.flatnonzero(free & has[:, code])
        if members.size:
            yield code, members
            free[members] = False
