"""Training, validation and test pixels that somebody has chosen, such as the official split of a contest."""

from __future__ import annotations

import numpy as np

from hsi.errors import SplitError, UsageError
from hsi.labels import LabelMap
from hsi.splits.split import SPLITS, TEST, TRAIN, VALIDATION, Split, SplitRequest, split_from_codes


@SPLITS.register("given")
def given_pixels(labels: LabelMap, request: SplitRequest) -> Split:
    """The split in ``request.given``: ``(H, W)`` of 0 (not used), 1 (training), 2 (validation) and 3 (test).

    Pixels that have no label are left out, with a warning. Nothing is drawn, so the split has no seed. Raises
    :class:`SplitError` for another shape or other values.
    """
    given = request.given
    if given is None:
        raise UsageError("the split 'given' needs a raster of 0 (not used), 1 (training), 2 (validation) and 3 (test)")
    if request.train is not None or request.validation is not None:
        raise UsageError("the split 'given' has its pixels already: leave the amounts out or choose the split 'random'")
    if given.shape != labels.values.shape:
        raise SplitError(f"the given split has shape {given.shape}, the labels have {labels.values.shape}")
    known = np.isin(given, (0, TRAIN, VALIDATION, TEST))
    if not known.all():
        wrong = ", ".join(f"{value:g}" for value in np.unique(given[~known])[:5])
        raise SplitError(
            f"a given split holds 0 (not used), 1 (training), 2 (validation) and 3 (test), found also {wrong}"
        )
    stray = int(np.count_nonzero((given != 0) & ~labels.labelled))
    warnings = [f"{stray} given pixels have no label and are left out"] if stray else []
    return split_from_codes(labels, given, rule="given", seed=None, warnings=warnings)
