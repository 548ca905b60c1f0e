"""Random training and validation pixels from the training side of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.splits.groups import Groups
from hsi.splits.split import TEST, TRAIN, VALIDATION, Mask, SplitRequest

MAX_LISTED = 5


class Sample(NamedTuple):
    """Training and validation pixels ``(H, W)``, and a warning that names the classes with too few."""

    train: Mask
    validation: Mask
    warnings: list[str]

    @property
    def used(self) -> Mask:
        """Training and validation pixels."""
        return self.train | self.validation

    def codes(self, test: Mask) -> NDArray[np.int64]:
        """The raster ``(H, W)`` of a split with these ``test`` pixels, see :meth:`hsi.splits.Split.codes`."""
        return np.select([self.train, self.validation, test], [TRAIN, VALIDATION, TEST], 0)


def shuffled_pixels(labels: LabelMap, class_id: int, seed: int) -> NDArray[np.int64]:
    """Flat indices of the pixels of a class, in row-major order shuffled by a generator for the seed and the class.

    So the order does not depend on the other classes.
    """
    return np.random.default_rng((seed, class_id)).permutation(np.flatnonzero(labels.values == class_id))


def sample_training(
    labels: LabelMap,
    side: Mask,
    request: SplitRequest,
    groups: Groups | None = None,
    minimum: int = 1,
    complete: bool = False,
) -> Sample:
    """Validation and training pixels of each class, from the pixels in ``side`` ``(H, W)``.

    Validation is taken first, in compact areas: complete groups in a random order that all classes share, the last of
    them from its first row on (without ``groups``, single pixels). With ``complete``, or labels from polygons, the
    last one is complete too, so that no group of a class trains and validates; a class of a single group then has no
    validation, with a warning. Otherwise a warning names the classes whose last group does both. Validation takes no
    more than half of the class and leaves ``minimum`` training pixels. The remaining pixels train, or as many of them
    as ``request.train`` asks for, at least ``minimum``; a smaller training set is a subset of a larger one.
    """
    codes = np.zeros(side.size, np.uint8)
    ranks = None if groups is None else _pixel_ranks(groups, request.seed)
    short, single, divided = [], [], []
    for (class_id, pixels), name in zip(labels.counts.items(), labels.table.names, strict=True):
        shuffled = shuffled_pixels(labels, class_id, request.seed)
        shuffled = shuffled[side.ravel()[shuffled]]
        if request.validation:
            most = min(shuffled.size // 2, max(shuffled.size - minimum, 0))
            ordered = shuffled if ranks is None else shuffled[np.lexsort((shuffled, ranks[shuffled]))]
            count = min(request.validation.of(pixels), most)
            if ranks is not None and (complete or labels.polygons is not None):
                ordered = _complete_groups(ordered, ranks[ordered], count, most)
                count = ordered.size
                if pixels and not count:
                    single.append(name)
            elif ranks is not None and 0 < count < ordered.size and np.diff(ranks[ordered[count - 1 : count + 1]]) == 0:
                divided.append(name)
            codes[ordered[:count]] = VALIDATION
        left = shuffled[codes[shuffled] == 0]
        wanted = left.size if request.train is None else max(request.train.of(pixels), minimum)
        codes[left[:wanted]] = TRAIN
        if pixels and left.size < wanted:
            short.append(f"{name} ({left.size} of {wanted})")
    train, validation = (codes.reshape(side.shape) == part for part in (TRAIN, VALIDATION))
    warnings = [f"fewer training pixels than asked for: {', '.join(short)}"] if short else []
    if single:
        kind = "areas" if labels.polygons is None else "polygons"
        warnings.append(
            f"no validation pixels of {', '.join(single)}: they come from {kind} that do not train, and none can be "
            "spared: draw another one in another field"
        )
    if divided:
        warnings.append(near_training(divided))
    return Sample(train, validation, warnings)


def near_training(names: Sequence[str]) -> str:
    """A warning of the classes some of whose validation pixels are next to training pixels."""
    return (
        f"some validation pixels of {', '.join(names)} are next to training pixels of the same area, so that "
        "confidence calibrated by them may be too high: draw labels as polygons, which validate as units"
    )


def _complete_groups(ordered: NDArray[np.int64], ranks: NDArray[np.int64], wanted: int, most: int) -> NDArray[np.int64]:
    """The pixels of ``ordered`` of the first complete groups that have ``wanted`` pixels or more, and at most ``most``;
    ``ranks`` are the groups of the pixels."""
    taken, total = list[int](), 0
    for rank, size in zip(*np.unique(ranks, return_counts=True), strict=True):
        if total < wanted and total + size <= most:
            taken.append(int(rank))
            total += int(size)
    return ordered[np.isin(ranks, taken)]


def _pixel_ranks(groups: Groups, seed: int) -> NDArray[np.int64]:
    """The rank of the group of each pixel (row-major) in one random order of the groups, for all classes."""
    order = np.random.default_rng((seed, 0, 1)).permutation(len(groups))
    return np.append(order, -1)[groups.numbers.ravel()]


def describe_unused(labels: LabelMap, pixels: Mask, reason: str) -> list[str]:
    """A line with the number of unused ``pixels`` ``(H, W)`` and the classes that lost most; no line for no pixels."""
    codes = labels.codes()
    lost = np.bincount(codes[pixels], minlength=len(labels.table))
    if not lost.any():
        return []
    order = [code for code in np.argsort(-lost, kind="stable").tolist() if lost[code]]
    named = ", ".join(f"{labels.table.names[code]} {lost[code]:,}" for code in order[:MAX_LISTED])
    more = f" and {len(order) - MAX_LISTED} more" if len(order) > MAX_LISTED else ""
    return [f"{lost.sum():,} of {np.count_nonzero(codes >= 0):,} labelled pixels {reason}: {named}{more}"]
