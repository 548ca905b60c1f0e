"""Splits without a random test: given masks, or all labelled pixels for training."""

from __future__ import annotations

import numpy as np

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.splits.groups import field_groups
from hsi.splits.sampling import near_training, sample_training, shuffled_pixels
from hsi.splits.split import TEST, TRAIN, VALIDATION, Split, SplitRequest, split_from_codes, split_rule


@split_rule("given", ("given", "validation"))
def split_given(labels: LabelMap, request: SplitRequest) -> Split:
    """The split in ``request.given``: ``(H, W)`` of 0 (not used), 1 (training), 2 (validation) and 3 (test).

    Unlabelled pixels are ignored with a warning. The split has no seed unless ``validation`` asks for pixels drawn from
    the given training pixels: complete polygons, or areas of training pixels that touch. Raises :class:`SplitError` for
    another shape or other values, :class:`UsageError` without a raster and where ``validation`` is requested but
    validation pixels are given.
    """
    given = request.given
    if given is None:
        raise UsageError("the split 'given' needs its pixels: --split given:split.tif, or given:train.tif,test.tif")
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
    if not np.any(given == TEST) and np.any(given == VALIDATION):
        warnings.append("no given pixel is for the test: 2 means validation, 3 means test")
    if request.validation is None:
        return split_from_codes(labels, given, rule="given", seed=None, warnings=warnings)
    if np.any(given == VALIDATION):
        raise UsageError("the given split has validation pixels already: leave --val out")
    train = labels.labelled & (given == TRAIN)
    sample = sample_training(labels, train, request, field_groups(labels.masked(train)), complete=True)
    codes, warnings = np.where(sample.validation, VALIDATION, given), [*warnings, *sample.warnings]
    return split_from_codes(labels, codes, rule=request.describe("given"), seed=request.seed, warnings=warnings)


@split_rule("all", ("validation",))
def split_all(labels: LabelMap, request: SplitRequest) -> Split:
    """All labelled pixels for training, except ``request.validation`` of each class; none for a test.

    Validation pixels of labels from polygons are those of complete polygons, which then do not train.
    """
    codes, warnings = np.where(labels.labelled, TRAIN, 0).astype(np.uint8), list[str]()
    if request.validation and labels.polygons is not None:
        sample = sample_training(labels, labels.labelled, request, field_groups(labels))
        codes[sample.validation], warnings = VALIDATION, sample.warnings
    elif request.validation:
        for class_id, pixels in labels.counts.items():
            count = request.validation.take(pixels, pixels)
            codes.flat[shuffled_pixels(labels, class_id, request.seed)[:count]] = VALIDATION
        named = zip(labels.table.ids, labels.table.names, strict=True)
        warnings = [near_training([name for i, name in named if np.any(labels.values[codes == VALIDATION] == i)])]
    rule = request.describe("all labelled pixels")
    return split_from_codes(labels, codes, rule=rule, seed=request.seed, tested=False, warnings=warnings)
