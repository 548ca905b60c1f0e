"""k-fold cross-validation: each labelled pixel is tested in one fold, and the other folds train."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.splits.blocks import random_block_groups, resolve_block_size
from hsi.splits.buffer import resolve_buffer, select_distant
from hsi.splits.groups import Groups, assign_folds, field_groups
from hsi.splits.polygons import field_kind
from hsi.splits.sampling import describe_unused, sample_training, shuffled_pixels
from hsi.splits.split import Split, SplitRequest, split_from_codes, split_rule

DEFAULT_FOLDS = 5
USES = ("train", "validation", "folds", "fold")


def fold_count(request: SplitRequest) -> int:
    """The number of folds."""
    return DEFAULT_FOLDS if request.folds is None else request.folds


def _check(request: SplitRequest) -> None:
    """Raise :class:`UsageError` unless the request names one of two or more folds."""
    folds = fold_count(request)
    if folds < 2:
        raise UsageError(f"split.folds {folds}: 2 or more are needed, one to test and the others to train")
    if request.fold is None:
        raise UsageError(f"there are {folds} folds, and each run tests one of them: name it with --fold 1 to {folds}")
    if not 1 <= request.fold <= folds:
        raise UsageError(f"--fold {request.fold} is not one of the {folds} folds: give 1 to {folds}")


@split_rule("kfold-random", USES, _check)
def kfold_random(labels: LabelMap, request: SplitRequest) -> Split:
    """The pixels of each class, in random order, assigned to the folds in turn."""
    folds = np.full(labels.values.size, -1, np.int64)
    for start, class_id in enumerate(labels.table.ids):  # so that the odd pixels of the classes go to other folds
        shuffled = shuffled_pixels(labels, class_id, request.seed)
        folds[shuffled] = (np.arange(shuffled.size) + start) % fold_count(request)
    return _split_fold(labels, request, folds.reshape(labels.values.shape), "kfold-random", None, 0)


@split_rule("kfold-blocks", (*USES, "block", "buffer"), _check, resolve_buffer)
def kfold_blocks(labels: LabelMap, request: SplitRequest) -> Split:
    """Blocks as in the split ``blocks``, assigned so that each fold has about as many pixels of each class.

    All pixels of the fold are tested; training pixels at a distance of less than ``2 * buffer + 1`` are excluded, so
    that no test window shares a pixel with a training window.
    """
    side, random = resolve_block_size(request), np.random.default_rng(request.seed)
    groups = random_block_groups(labels, side, random)
    return _split_groups(labels, request, groups, random, f"kfold-blocks of {side} pixels", resolve_buffer(request))


@split_rule("kfold-polygons", (*USES, "buffer"), _check)
def kfold_polygons(labels: LabelMap, request: SplitRequest) -> Split:
    """Polygons or connected fields as in the split ``polygons``, assigned so that each fold has about as many pixels of
    each class. With a ``buffer``, training pixels are excluded as in ``kfold-blocks``."""
    random, rule = np.random.default_rng(request.seed), f"kfold-polygons ({field_kind(labels)})"
    return _split_groups(labels, request, field_groups(labels), random, rule, request.buffer or 0)


def _split_groups(
    labels: LabelMap, request: SplitRequest, groups: Groups, random: np.random.Generator, rule: str, buffer: int
) -> Split:
    folds = groups.expand(assign_folds(groups.counts, fold_count(request), random), -1)
    return _split_fold(labels, request, folds, rule, groups, buffer)


def _split_fold(
    labels: LabelMap, request: SplitRequest, folds: NDArray[np.int64], rule: str, groups: Groups | None, buffer: int
) -> Split:
    """Test the requested fold; ``folds`` ``(H, W)`` is the fold of each labelled pixel, from 0."""
    assert request.fold is not None
    text = request.describe(f"{rule}, fold {request.fold} of {fold_count(request)}", buffer)
    test = labels.labelled & (folds == request.fold - 1)
    others = labels.labelled & ~test
    if not test.any():
        raise SplitError(f"{labels.source or 'labels'}: {text}: this fold has no pixel: ask for fewer split.folds")
    side = select_distant(others, test, 2 * buffer + 1)
    sample = sample_training(labels, side, request, groups)
    notes = [
        *describe_unused(labels, others & ~side, "left out, too near to the test pixels"),
        *describe_unused(labels, side & ~sample.used, "of the other folds not drawn"),
    ]
    return split_from_codes(
        labels, sample.codes(test), rule=text, seed=request.seed, notes=notes, warnings=sample.warnings
    )
