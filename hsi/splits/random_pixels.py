"""Random pixels of each class: a share (stratified) or a number per class."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.errors import UsageError
from hsi.splits.split import TEST, TRAIN, VALIDATION, SampleSize, Split, SplitRequest, split_from_codes, split_rule

USUAL = SampleSize(percent=10)


def _check(request: SplitRequest) -> None:
    """Raise :class:`UsageError` for amounts that leave no pixel to test."""
    train, validation = request.train or USUAL, request.validation
    if validation and (train.percent or 0) + (validation.percent or 0) >= 100:
        raise UsageError(f"training {train} and validation {validation} leave no pixel for the test: lower one of them")


@split_rule("random", ("train", "validation"), _check)
def random_pixels(labels: LabelMap, request: SplitRequest) -> Split:
    """Draw ``request.train`` (10 %) of each class for training, ``request.validation`` of it for validation, test the
    rest.

    A share is rounded half up, to no less than one training pixel. A class of two or more pixels keeps one at least
    for the test; one with no more pixels than a count asks for gives half of them, with a warning. A class of one
    pixel goes to training. Validation is cut from what is not training and may be empty for a tiny class.

    Each class is drawn from its own stream of the seed, so that it does not depend on the other classes; a smaller
    training set is part of a larger one, and asking for validation does not change the training pixels.
    """
    train, validation = request.train or USUAL, request.validation
    codes = np.zeros(labels.values.size, np.uint8)
    halved = []
    for class_id, name in zip(labels.table.ids, labels.table.names, strict=True):
        places = np.flatnonzero(labels.values == class_id)  # row-major, whatever the memory order
        pixels = places.size
        if not pixels:
            continue
        drawn = np.random.default_rng((request.seed, class_id)).permutation(places)
        first = max(1, train.take(pixels, pixels))
        second = first + (validation.take(pixels, pixels - first) if validation else 0)
        codes[drawn[:first]], codes[drawn[first:second]], codes[drawn[second:]] = TRAIN, VALIDATION, TEST
        if (pixels > 1 and _is_halved(train, pixels, pixels)) or _is_halved(validation, pixels, pixels - first):
            halved.append(f"{name} ({pixels} pixels: {first} training, {second - first} validation)")
    warnings = [f"smaller than the number asked for, so half was taken: {', '.join(halved)}"] if halved else []
    text = f"random {train}" + (f", validation {validation}" if validation else "")
    return split_from_codes(labels, codes.reshape(labels.values.shape), rule=text, seed=request.seed, warnings=warnings)


def _is_halved(amount: SampleSize | None, pixels: int, available: int) -> bool:
    """Whether a count is too large for what is available of a class of ``pixels``."""
    return amount is not None and amount.count is not None and 0 < available <= amount.of(pixels)
