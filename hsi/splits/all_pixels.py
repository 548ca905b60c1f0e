"""Every labelled pixel trains, for a model that is judged elsewhere."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.splits.split import TRAIN, VALIDATION, Split, SplitRequest, split_from_codes, split_rule


@split_rule("all", ("validation",))
def all_pixels(labels: LabelMap, request: SplitRequest) -> Split:
    """All labelled pixels for training, but ``request.validation`` of each class; none is left for a test."""
    codes = np.where(labels.labelled, TRAIN, 0).astype(np.uint8)
    if request.validation:
        for class_id in labels.table.ids:
            places = np.flatnonzero(labels.values == class_id)
            drawn = np.random.default_rng((request.seed, class_id)).permutation(places)
            codes.flat[drawn[: request.validation.take(places.size, places.size)]] = VALIDATION
    text = f"all labelled pixels{request.amounts}"
    return split_from_codes(labels, codes, rule=text, seed=request.seed, tested=False)
