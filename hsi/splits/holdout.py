"""Hold one half of the blocks or fields of each class out for the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.splits.buffer import apply_buffer, select_distant
from hsi.splits.groups import Groups, split_in_half
from hsi.splits.sampling import describe_unused, sample_training
from hsi.splits.split import FEW, TEST, TRAIN, VALIDATION, Mask, Split, SplitRequest, split_from_codes

TRIES, LEAST_TRIES = 32, 4
PIXELS_OF_ALL_TRIES = 1 << 25  # large scenes have many blocks, among which a good draw is soon found
Cut = Callable[[np.random.Generator], Groups]


@dataclass(frozen=True)
class Kind:
    """What a rule is called, what its ``units`` are, and how many pixels it leaves out on each side of a border."""

    rule: str
    units: str
    buffer: int

    @property
    def gap(self) -> int:
        """The least Chebyshev distance between a test pixel and a training or validation pixel."""
        return 2 * self.buffer + 1


@dataclass(frozen=True, eq=False)
class Halves:
    """Units, how many of them train, the two sides, what is left of them when they are kept apart, and how good it is:
    classes with enough pixels on both sides, with enough to train, and the sum of the smaller sides in thousandths."""

    units: Groups
    training: int
    train_side: Mask
    test_side: Mask
    train: Mask
    test: Mask
    quality: tuple[int, int, int]


def resolve_minimum(request: SplitRequest) -> int:
    """The least number of training and of test pixels that every class should have.

    Raises :class:`UsageError` when it is more than the number of training pixels that is asked for.
    """
    count = request.train.count if request.train else None
    if request.minimum is None:
        return FEW if count is None else min(FEW, count)
    if count is not None and count < request.minimum:
        raise UsageError(
            f"split.minimum {request.minimum} is more than the {count} training pixels per class of --train: "
            "lower one or raise the other"
        )
    return request.minimum


def hold_out(labels: LabelMap, request: SplitRequest, cut: Cut, kind: Kind) -> Split:
    """A split whose sides are made of whole units, each side with about half of the pixels of every class.

    ``cut`` makes the units. Of several draws the one of the best ``quality`` is kept. Amounts are drawn from its
    training side; test pixels are then those of the other side that are ``kind.gap`` or more away from all that was
    drawn. Raises :class:`SplitError` when the labels cannot give both sides.
    """
    minimum, best = resolve_minimum(request), None
    codes = labels.codes()
    for number in range(max(LEAST_TRIES, min(TRIES, PIXELS_OF_ALL_TRIES // codes.size))):
        found = _halves(codes, len(labels.table), cut, kind, minimum, np.random.default_rng((request.seed, number)))
        if best is None or found.quality > best.quality:
            best = found
    assert best is not None
    drawn = sample_training(labels, best.train, request, best.units, minimum)
    used = drawn.train | drawn.validation
    test = select_distant(best.test_side, used, kind.gap)
    if not drawn.train.any() or not test.any():
        raise SplitError(f"{labels.source or 'labels'}: {_hopeless(best, kind)}")
    parts = np.select([drawn.train, drawn.validation, test], [TRAIN, VALIDATION, TEST], 0)
    too_near = (best.train_side & ~best.train) | (best.test_side & ~test)
    notes = [
        f"{best.training:,} of {len(best.units):,} {kind.units} train",
        *describe_unused(labels, too_near, "left out, too near to the other side"),
        *describe_unused(labels, best.train & ~used, f"of training {kind.units} not drawn"),
    ]
    split = split_from_codes(labels, parts, rule=kind.rule, seed=request.seed, notes=notes)
    return replace(split, warnings=(*drawn.warnings, *_lacking(labels, split, minimum, kind), *split.warnings))


def _halves(
    codes: NDArray[np.int64], classes: int, cut: Cut, kind: Kind, minimum: int, random: np.random.Generator
) -> Halves:
    units = cut(random)
    training = split_in_half(units.counts, minimum, random)
    train_side = np.append(training, False)[units.numbers]  # the number -1 finds the last
    test_side = (units.numbers >= 0) & ~train_side
    train, test = apply_buffer(train_side, test_side, kind.buffer, codes, classes, minimum)
    some, others = (np.bincount(codes[mask], minlength=classes) for mask in (train, test))
    smaller, pixels = np.minimum(some, others), np.maximum(units.counts.sum(axis=0), 1)
    quality = int((smaller >= minimum).sum()), int((some >= minimum).sum()), int((1000 * smaller // pixels).sum())
    return Halves(units, int(training.sum()), train_side, test_side, train, test, quality)


def _lacking(labels: LabelMap, split: Split, minimum: int, kind: Kind) -> list[str]:
    """A warning that names the classes without their minimum on both sides."""
    counts, pixels = split.counts(labels), labels.counts
    named = [
        f"{name} ({counts[i].train} training, {counts[i].test} test)"
        for i, name in zip(labels.table.ids, labels.table.names, strict=True)
        if pixels[i] and min(counts[i].train, counts[i].test) < minimum
    ]
    wanted = f"{minimum} training and {minimum} test pixels"
    return [f"{kind.units} cannot give {wanted} to {', '.join(named)}"] if named else []


def _hopeless(halves: Halves, kind: Kind) -> str:
    if len(halves.units) < 2:
        return f"{kind.rule}: all labelled pixels lie in one of the {kind.units}, but 2 or more are needed"
    return (
        f"{kind.rule}: no test pixel is left that is {kind.gap} or more pixels away from the training pixels: "
        "try a smaller --window or split.buffer, another --block or --seed"
    )
