"""k-fold cross-validation: each labelled pixel is tested in one fold, and the other folds train."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.splits.blocks import block_cut, resolve_block_size
from hsi.splits.buffer import resolve_buffer, select_distant
from hsi.splits.groups import Groups, assign_folds, field_groups
from hsi.splits.polygons import fields_of
from hsi.splits.sampling import describe_unused, sample_training
from hsi.splits.split import TEST, TRAIN, VALIDATION, Split, SplitRequest, split_from_codes, split_rule

FOLDS = 5
USES = ("train", "validation", "folds", "fold")


def fold_count(request: SplitRequest) -> int:
    """How many folds there are."""
    return FOLDS if request.folds is None else request.folds


def _check(request: SplitRequest) -> None:
    """Raise :class:`UsageError` unless the request names one of two or more folds."""
    folds = fold_count(request)
    if folds < 2:
        raise UsageError(f"split.folds {folds}: 2 or more are needed, one to test and the others to train")
    if request.fold is None:
        raise UsageError(f"there are {folds} folds, and each run tests one of them: name it with --fold 1 to {folds}")
    if not 1 <= request.fold <= folds:
        raise UsageError(f"--fold {request.fold} is not one of the {folds} folds: give 1 to {folds}")


def _check_blocks(request: SplitRequest) -> None:
    _check(request)
    resolve_buffer(request)


@split_rule("kfold-random", USES, _check)
def kfold_random(labels: LabelMap, request: SplitRequest) -> Split:
    """The pixels of each class, in random order, dealt to the folds in turn."""
    folds = np.full(labels.values.size, -1, np.int32)
    for start, class_id in enumerate(labels.table.ids):
        places = np.flatnonzero(labels.values == class_id)
        drawn = np.random.default_rng((request.seed, class_id)).permutation(places)
        folds[drawn] = (np.arange(places.size) + start) % fold_count(request)  # the odd ones of a class go elsewhere
    return _split(labels, request, folds.reshape(labels.values.shape), "kfold-random", None, 0)


@split_rule("kfold-blocks", (*USES, "block", "buffer"), _check_blocks)
def kfold_blocks(labels: LabelMap, request: SplitRequest) -> Split:
    """Blocks as of the split ``blocks``, dealt so that each fold has about as many pixels of each class.

    All pixels of the fold are tested; training pixels give way until they are ``2 * buffer + 1`` or more away, so that
    no test window shares a pixel with a training window.
    """
    side, buffer = resolve_block_size(request), resolve_buffer(request)
    random = np.random.default_rng(request.seed)
    units = block_cut(labels, side, random)
    return _split_units(labels, request, units, random, f"kfold-blocks of {side} pixels", buffer)


@split_rule("kfold-polygons", (*USES, "buffer"), _check)
def kfold_polygons(labels: LabelMap, request: SplitRequest) -> Split:
    """Whole polygons or connected fields, as of the split ``polygons``, dealt so that each fold has about as many
    pixels of each class. With a ``buffer`` training pixels give way as under ``kfold-blocks``."""
    random = np.random.default_rng(request.seed)
    rule = f"kfold-polygons ({fields_of(labels)})"
    return _split_units(labels, request, field_groups(labels), random, rule, request.buffer or 0)


def _split_units(
    labels: LabelMap, request: SplitRequest, units: Groups, random: np.random.Generator, rule: str, buffer: int
) -> Split:
    fold_of = assign_folds(units.counts, fold_count(request), random).astype(np.int32)
    return _split(labels, request, np.append(fold_of, np.int32(-1))[units.numbers], rule, units, buffer)


def _split(
    labels: LabelMap, request: SplitRequest, folds: NDArray[np.int32], rule: str, units: Groups | None, buffer: int
) -> Split:
    """Test the fold of a request; ``folds`` ``(H, W)`` is the fold of each labelled pixel, from 0."""
    assert request.fold is not None
    text = f"{rule}, fold {request.fold} of {fold_count(request)}"
    text += f"{f', buffer {buffer}' if buffer else ''}{request.amounts}"
    test = labels.labelled & (folds == request.fold - 1)
    others = labels.labelled & ~test
    if not test.any():
        raise SplitError(f"{labels.source or 'labels'}: {text}: no pixel fell to this fold: ask for fewer split.folds")
    side = select_distant(others, test, 2 * buffer + 1)
    drawn = sample_training(labels, side, request, units)
    used = drawn.train | drawn.validation
    notes = [
        *describe_unused(labels, others & ~side, "left out, too near to the test pixels"),
        *describe_unused(labels, side & ~used, "of the other folds not drawn"),
    ]
    parts = np.select([drawn.train, drawn.validation, test], [TRAIN, VALIDATION, TEST], 0)
    return split_from_codes(labels, parts, rule=text, seed=request.seed, notes=notes, warnings=drawn.warnings)
