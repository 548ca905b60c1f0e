"""Hold out about half of the blocks or fields of each class for the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.errors import SplitError, UsageError
from hsi.splits.buffer import apply_buffer, select_distant
from hsi.splits.groups import Groups, split_in_half
from hsi.splits.sampling import describe_unused, sample_training
from hsi.splits.split import FEW, Mask, Split, SplitRequest, split_from_codes

MAX_TRIALS, MIN_TRIALS = 32, 4
MOST_NAMES = 8
PIXELS_OF_ALL_TRIALS = 1 << 25  # large scenes have many blocks, and few trials find a good assignment


@dataclass(frozen=True)
class HoldoutRule:
    """The description of a ``rule``, the name of its ``groups`` and the function that makes them, the pixels excluded
    on each side of a border, and whether classes with too few pixels for the minimum of both sides are halved."""

    rule: str
    groups: str
    make_groups: Callable[[np.random.Generator], Groups]
    buffer: int
    halves_small: bool = False

    @property
    def gap(self) -> int:
        """The least Chebyshev distance between a test pixel and a training or validation pixel."""
        return 2 * self.buffer + 1


@dataclass(frozen=True, eq=False)
class Trial:
    """A random assignment of groups: which of them train ``(groups,)``, the training pixels ``(H, W)`` that the buffer
    leaves, and its quality: classes with enough pixels on both sides, with enough training pixels, and the sum of the
    smaller sides in thousandths."""

    groups: Groups
    training: NDArray[np.bool_]
    train: Mask
    quality: tuple[int, int, int]


def resolve_minimum(request: SplitRequest) -> int:
    """The least number of training and of test pixels that every class should have.

    Raises :class:`UsageError` when it exceeds the requested number of training pixels.
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


def hold_out(labels: LabelMap, request: SplitRequest, rule: HoldoutRule) -> Split:
    """A split whose sides consist of complete groups, each side with about half of the pixels of every class.

    The best of several random assignments is used. Training and validation pixels are drawn from its training side;
    test pixels are those of the other side at a distance of ``rule.gap`` or more from all drawn pixels. Raises
    :class:`SplitError` when one of the sides would be empty.
    """
    codes, minimum = labels.codes(), resolve_minimum(request)
    trials = max(MIN_TRIALS, min(MAX_TRIALS, PIXELS_OF_ALL_TRIALS // codes.size))
    randoms = (np.random.default_rng((request.seed, number)) for number in range(trials))
    best = max(
        (_assign(codes, len(labels.table), rule, minimum, random) for random in randoms), key=lambda t: t.quality
    )
    train_side = best.groups.expand(best.training, False)
    test_side = labels.labelled & ~train_side
    sample = sample_training(labels, best.train, request, best.groups, minimum)
    test = select_distant(test_side, sample.used, rule.gap)
    single = [] if rule.groups == "blocks" else _single(labels, best.groups)
    if not sample.train.any() or not test.any():
        problem = f"all labelled pixels lie in one of the {rule.groups}, but 2 or more are needed"
        if len(best.groups) > 1:
            problem = (
                f"no test pixel is left that is {rule.gap} or more pixels away from the training pixels: "
                "try a smaller --window or split.buffer, another split.block or seed"
            )
        if len(single) == np.count_nonzero(best.groups.counts.any(axis=0)):
            problem = (
                f"no honest test is possible, because each class has only one of the {rule.groups}: draw a second one "
                f"in another field of {list_names(single)}"
            )
        raise SplitError(f"{labels.source or 'labels'}: {rule.rule}: {problem}")
    too_near = (train_side & ~best.train) | (test_side & ~test)
    notes = [
        f"{best.training.sum():,} of {len(best.groups):,} {rule.groups} train",
        *describe_unused(labels, too_near, "left out, too near to the other side"),
        *describe_unused(labels, best.train & ~sample.used, f"of training {rule.groups} not drawn"),
    ]
    split = split_from_codes(labels, sample.codes(test), rule=rule.rule, seed=request.seed, notes=notes)
    lacking = _lacking(labels, split, minimum, rule, single)
    return replace(split, warnings=(*sample.warnings, *lacking, *split.warnings))


def _assign(
    codes: NDArray[np.int64], classes: int, rule: HoldoutRule, minimum: int, random: np.random.Generator
) -> Trial:
    groups = rule.make_groups(random)
    pixels = groups.counts.sum(axis=0)
    least = np.minimum(minimum, pixels // 2) if rule.halves_small else minimum
    training = split_in_half(groups.counts, least, random)
    train_side = groups.expand(training, False)
    test_side = (codes >= 0) & ~train_side
    train, test = apply_buffer(train_side, test_side, rule.buffer, codes, classes, minimum)
    trained, tested = (np.bincount(codes[mask], minlength=classes) for mask in (train, test))
    smaller, pixels = np.minimum(trained, tested), np.maximum(groups.counts.sum(axis=0), 1)
    quality = int((smaller >= minimum).sum()), int((trained >= minimum).sum()), int((1000 * smaller // pixels).sum())
    return Trial(groups, training, train, quality)


def list_names(names: Sequence[str]) -> str:
    """``a, b and 3 more``."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _single(labels: LabelMap, groups: Groups) -> list[str]:
    """The names of the classes with one group."""
    counts = np.count_nonzero(groups.counts, axis=0)
    return [name for name, count in zip(labels.table.names, counts.tolist(), strict=True) if count == 1]


def _lacking(labels: LabelMap, split: Split, minimum: int, rule: HoldoutRule, single: Sequence[str]) -> list[str]:
    """Warnings that name the classes of a ``single`` group, and the others without their minimum on both sides."""
    counts, pixels = split.counts(labels), labels.counts
    named = [
        f"{name} ({counts[i].train} training, {counts[i].test} test)"
        for i, name in zip(labels.table.ids, labels.table.names, strict=True)
        if pixels[i] and min(counts[i].train, counts[i].test) < minimum and name not in single
    ]
    wanted = f"{minimum} training and {minimum} test pixels"
    warnings = [f"{rule.groups} cannot give {wanted} to {', '.join(named)}"] if named else []
    if single:
        have = "has" if len(single) == 1 else "have each"
        warnings.append(
            f"{list_names(single)} {have} only one of the {rule.groups}, so no honest test is possible: draw a second "
            "one in another field"
        )
    return warnings
