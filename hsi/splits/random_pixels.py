"""Random pixels of each class: a share (stratified) or a number per class."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.errors import UsageError
from hsi.splits.sampling import shuffled_pixels
from hsi.splits.split import TEST, TRAIN, VALIDATION, SampleSize, Split, SplitRequest, split_from_codes, split_rule

DEFAULT_TRAIN = SampleSize(percent=10)


def _check(request: SplitRequest) -> None:
    """Raise :class:`UsageError` for sample sizes that leave no test pixel."""
    train, validation = request.train or DEFAULT_TRAIN, request.validation
    if validation and (train.percent or 0) + (validation.percent or 0) >= 100:
        raise UsageError(f"training {train} and validation {validation} leave no pixel for the test: lower one of them")


@split_rule("random", ("train", "validation"), _check)
def split_random(labels: LabelMap, request: SplitRequest) -> Split:
    """Draw ``request.train`` (10 %) of each class for training and ``request.validation`` for validation; test the
    rest.

    A share is rounded half up, to at least one training pixel. A class of two or more pixels has at least one test
    pixel; a class with no more pixels than the requested count gives half of them, with a warning. The pixel of a
    single-pixel class trains. Validation is drawn from the pixels that do not train; a tiny class may have none.

    Each class is drawn from its own stream of the seed and does not depend on the other classes. A smaller training
    set is a subset of a larger one, and validation does not change the training pixels.
    """
    train, validation = request.train or DEFAULT_TRAIN, request.validation
    codes = np.zeros(labels.values.size, np.uint8)
    halved = []
    for (class_id, pixels), name in zip(labels.counts.items(), labels.table.names, strict=True):
        if not pixels:
            continue
        shuffled = shuffled_pixels(labels, class_id, request.seed)
        first = max(1, train.take(pixels, pixels))
        second = first + (validation.take(pixels, pixels - first) if validation else 0)
        codes[shuffled[:first]], codes[shuffled[first:second]], codes[shuffled[second:]] = TRAIN, VALIDATION, TEST
        if (pixels > 1 and _is_halved(train, pixels, pixels)) or _is_halved(validation, pixels, pixels - first):
            halved.append(f"{name} ({pixels} pixels: {first} training, {second - first} validation)")
    warnings = [f"smaller than the number asked for, so half was taken: {', '.join(halved)}"] if halved else []
    text = f"random {train}" + (f", validation {validation}" if validation else "")
    return split_from_codes(labels, codes.reshape(labels.values.shape), rule=text, seed=request.seed, warnings=warnings)


def _is_halved(size: SampleSize | None, pixels: int, available: int) -> bool:
    """Whether a count exceeds the ``available`` pixels of a class of ``pixels``."""
    return size is not None and size.count is not None and 0 < available <= size.of(pixels)
