"""Draw training and validation pixels from the side of a split that trains, and say what was left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.splits.groups import Groups
from hsi.splits.split import TRAIN, VALIDATION, Mask, SplitRequest

MOST = 5


class Sampled(NamedTuple):
    """Training and validation pixels ``(H, W)``, and a warning that names the classes that gave too few."""

    train: Mask
    validation: Mask
    warnings: list[str]


def sample_training(
    labels: LabelMap, side: Mask, request: SplitRequest, units: Groups | None = None, minimum: int = 1
) -> Sampled:
    """Validation and training pixels of each class, out of those in ``side`` ``(H, W)``.

    Validation is cut first, and in one piece: whole units in a random order that all classes share, and the last of
    them from its first row on (without ``units`` it is drawn pixel by pixel). It gets no more than half of what a class
    has there, and leaves it ``minimum`` pixels to train. Of these all train or, when an amount is asked for, so many
    drawn at random, ``minimum`` at least; a smaller training set is then part of a larger one.
    """
    codes = np.zeros(side.size, np.uint8)
    turns = None if units is None else _turns(units, request.seed)
    short = []
    for class_id, name in zip(labels.table.ids, labels.table.names, strict=True):
        places = np.flatnonzero(labels.values == class_id)
        drawn = np.random.default_rng((request.seed, class_id)).permutation(places)
        drawn = drawn[side.ravel()[drawn]]
        if request.validation:
            most = min(drawn.size // 2, max(drawn.size - minimum, 0))
            amount = min(request.validation.of(places.size), most)
            first = drawn if turns is None else drawn[np.lexsort((drawn, turns[drawn]))]
            codes[first[:amount]] = VALIDATION
        left = drawn[codes[drawn] == 0]
        wanted = left.size if request.train is None else max(request.train.of(places.size), minimum)
        codes[left[:wanted]] = TRAIN
        if places.size and left.size < wanted:
            short.append(f"{name} ({left.size} of {wanted})")
    train, validation = (codes.reshape(side.shape) == part for part in (TRAIN, VALIDATION))
    return Sampled(train, validation, [f"fewer training pixels than asked for: {', '.join(short)}"] if short else [])


def _turns(units: Groups, seed: int) -> NDArray[np.int64]:
    """When each pixel's unit comes, in one random order for all classes, for the pixels in row-major order."""
    order = np.random.default_rng((seed, 0, 1)).permutation(len(units))
    return np.append(order, -1)[units.numbers.ravel()]


def describe_unused(labels: LabelMap, pixels: Mask, why: str) -> list[str]:
    """A line on how many labelled pixels were left out, with the classes that lost most; nothing of none."""
    codes = labels.codes()
    lost = np.bincount(codes[pixels], minlength=len(labels.table))
    if not lost.any():
        return []
    order = [code for code in np.argsort(-lost, kind="stable").tolist() if lost[code]]
    named = ", ".join(f"{labels.table.names[code]} {lost[code]:,}" for code in order[:MOST])
    more = f" and {len(order) - MOST} more" if len(order) > MOST else ""
    return [f"{lost.sum():,} of {np.count_nonzero(codes >= 0):,} labelled pixels {why}: {named}{more}"]
