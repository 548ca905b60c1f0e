"""Every labelled pixel trains, for a model that is judged elsewhere."""

from __future__ import annotations

import numpy as np

from hsi.errors import UsageError
from hsi.labels import LabelMap
from hsi.splits.split import SPLITS, TRAIN, VALIDATION, Split, SplitRequest, split_from_codes


@SPLITS.register("all")
def all_pixels(labels: LabelMap, request: SplitRequest) -> Split:
    """All labelled pixels for training, but ``request.validation`` of each class; none is left for a test."""
    if request.train is not None or request.given is not None:
        raise UsageError("the split 'all' takes every labelled pixel: leave --train out or choose the split 'random'")
    codes = np.where(labels.labelled, TRAIN, 0).astype(np.uint8)
    if request.validation:
        for class_id in labels.table.ids:
            places = np.flatnonzero(labels.values == class_id)
            drawn = np.random.default_rng((request.seed, class_id)).permutation(places)
            codes.flat[drawn[: request.validation.take(places.size, places.size)]] = VALIDATION
    text = "all labelled pixels" + (f", validation {request.validation}" if request.validation else "")
    return split_from_codes(labels, codes, rule=text, seed=request.seed, tested=False)
