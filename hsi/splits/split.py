"""What a split is, what a rule is asked for, and the registry of rules."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LabelMap
from hsi.core.registry import Registry
from hsi.errors import SplitError, UsageError

HOW = (
    "write 10% for a share, 50 for a number of pixels per class, or 50/15 for 50 and only 15 of classes with fewer "
    "than 100"
)


@dataclass(frozen=True)
class SampleSize:
    """Of each class either ``percent`` of its pixels (above 0, below 100) or ``count`` pixels (1 or more).

    A class with fewer than twice ``count`` pixels gives only ``small`` of them, where that is given, as is usual for 50
    of each class of Indian Pines. Raises :class:`UsageError` unless percent or count is given and lies in its range.
    """

    percent: float | None = None
    count: int | None = None
    small: int | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.count is None):
            raise UsageError(f"an amount is either a percent or a count, found {self.percent} and {self.count}: {HOW}")
        if self.percent is not None and not 0 < self.percent < 100:
            raise UsageError(f"a share lies above 0% and below 100%, found {self.percent:g}%: {HOW}")
        if self.count is not None and (not isinstance(self.count, int) or self.count < 1):
            raise UsageError(f"a number of pixels per class is a whole number of 1 or more, found {self.count}: {HOW}")
        if self.small is not None and not 1 <= self.small < (self.count or 0):
            raise UsageError(f"the number for small classes is 1 or more and below the other, found {self}: {HOW}")

    def __str__(self) -> str:
        number = f"{self.count}/{self.small}" if self.small else f"{self.count}"
        return f"{number} per class" if self.percent is None else f"{self.percent:g}%"

    def of(self, pixels: int) -> int:
        """The amount of a class of ``pixels`` in whole pixels: a share is rounded half up in decimal, a count stays
        what it is but for small classes."""
        if self.count is not None:
            return self.small if self.small and pixels < 2 * self.count else self.count
        exact = Decimal(str(self.percent)) * pixels / 100
        return int(exact.to_integral_value(ROUND_HALF_UP))

    def take(self, pixels: int, available: int) -> int:
        """The amount of a class of ``pixels`` out of the ``available`` ones, so that one of these at least is left.

        A share is cut to ``available - 1``. A count that is not below ``available`` becomes half of that, rounded
        down, because a class that gave all but one pixel could hardly be tested.
        """
        wanted = self.of(pixels)
        if wanted < available:
            return wanted
        return max(available - 1, 0) if self.percent is not None else available // 2


def parse_sample_size(text: str) -> SampleSize:
    """``"10%"`` or ``"2.5 %"`` is a share of each class, ``"50"`` a number of pixels per class, and ``"50/15"`` one
    with another for classes of fewer than twice as many.

    Raises :class:`UsageError` for anything else: ``"0.1"`` could be meant as either, so it is refused.
    """
    cleaned = text.strip()
    if share := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", cleaned):
        return SampleSize(percent=float(share[1]))
    if number := re.fullmatch(r"([0-9]{1,9})(?:/([0-9]{1,9}))?", cleaned):
        return SampleSize(count=int(number[1]), small=int(number[2]) if number[2] else None)
    raise UsageError(f"'{text}' is not an amount of pixels: {HOW}")


TRAIN, VALIDATION, TEST = 1, 2, 3
FEW = 5

Mask = NDArray[np.bool_]


class PixelCounts(NamedTuple):
    """Pixels of one class in each part of a split."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False)
class Split:
    """Masks ``(H, W)`` bool, read-only, of the training, validation and test pixels, and how they were chosen.

    ``rule`` says it in words ("random 10%"); ``seed`` is None where nothing was drawn. ``notes`` report what the rule
    did and left out, ``warnings`` what it could not do. Compare splits by ``hash``. Raises :class:`SplitError` when the
    masks differ in shape, are not bool or overlap.
    """

    train: Mask
    validation: Mask
    test: Mask
    rule: str
    seed: int | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(part.dtype != bool or part.ndim != 2 or part.shape != self.train.shape for part in self._parts):
            found = ", ".join(f"{part.dtype} {part.shape}" for part in self._parts)
            raise SplitError(f"the masks of a split are bool and of one shape (rows, columns), found {found}")
        shared = int(np.count_nonzero((self.train & (self.validation | self.test)) | (self.validation & self.test)))
        if shared:
            raise SplitError(f"{shared} pixels are in more than one of training, validation and test")
        for name in ("train", "validation", "test"):
            mask = getattr(self, name)
            if mask.flags.writeable:
                mask = mask.copy()
                mask.setflags(write=False)
                object.__setattr__(self, name, mask)

    def __repr__(self) -> str:
        sizes = (np.count_nonzero(part) for part in self._parts)
        return "<Split {}: {:,} training, {:,} validation, {:,} test pixels>".format(self.rule, *sizes)

    def codes(self) -> NDArray[np.uint8]:
        """The split as one raster ``(H, W)`` uint8: 0 not used, 1 training, 2 validation, 3 test."""
        codes = np.zeros(self.train.shape, np.uint8)
        codes[self.train], codes[self.validation], codes[self.test] = TRAIN, VALIDATION, TEST
        return codes

    @property
    def hash(self) -> str:
        """SHA-256, in hexadecimal, of the shape and the masks; equal for equal splits however they were made."""
        height, width = self.train.shape
        return hashlib.sha256(f"{height}x{width}:".encode() + self.codes().tobytes()).hexdigest()

    def counts(self, labels: LabelMap) -> dict[int, PixelCounts]:
        """Pixels per class id and part, every class of the table in its order."""
        codes, classes = labels.codes(), len(labels.table)
        columns = [np.bincount(codes[part & (codes >= 0)], minlength=classes) for part in self._parts]
        rows = np.column_stack(columns).tolist()
        return {i: PixelCounts(*row) for i, row in zip(labels.table.ids, rows, strict=True)}

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """Plain values for JSON, with the pixels of each class in every part and in none (``unused``)."""
        counts, pixels = self.counts(labels), labels.counts
        return {
            "rule": self.rule,
            "seed": self.seed,
            "hash": self.hash,
            "classes": [
                {"id": i, "name": name, **counts[i]._asdict(), "unused": pixels[i] - sum(counts[i])}
                for i, name in zip(labels.table.ids, labels.table.names, strict=True)
            ],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }

    @property
    def _parts(self) -> tuple[Mask, Mask, Mask]:
        return self.train, self.validation, self.test


@dataclass(frozen=True, eq=False)
class SplitRequest:
    """What a rule is asked for; None is for the rule to decide. See :func:`hsi.splits.make_split` for each."""

    seed: int
    train: SampleSize | None = None
    validation: SampleSize | None = None
    given: NDArray[Any] | None = None
    window: int | None = None
    block: int | None = None
    buffer: int | None = None
    minimum: int | None = None
    folds: int | None = None
    fold: int | None = None

    @property
    def amounts(self) -> str:
        """The amounts that are asked for, to end a line of words with."""
        named = {"train": self.train, "validation": self.validation}
        return "".join(f", {name} {amount}" for name, amount in named.items() if amount)


Make = Callable[[LabelMap, SplitRequest], Split]
Check = Callable[[SplitRequest], object]


@dataclass(frozen=True)
class SplitRule:
    """A way to split: ``make`` does it, ``uses`` names the fields of a request that mean something to it.

    ``check`` raises :class:`hsi.errors.UsageError` for a request that makes no sense whatever the labels are.
    """

    make: Make
    uses: frozenset[str]
    check: Check


SPLITS: Registry[SplitRule] = Registry("split", "hsi.splits")


def split_rule(name: str, uses: Iterable[str], check: Check = lambda request: None) -> Callable[[Make], Make]:
    """Decorator that registers a function as the rule of that name; see :class:`SplitRule`."""

    def register(make: Make) -> Make:
        SPLITS.register(name)(SplitRule(make, frozenset(uses), check))
        return make

    return register


def split_from_codes(
    labels: LabelMap,
    codes: NDArray[Any],
    *,
    rule: str,
    seed: int | None,
    warnings: Iterable[str] = (),
    notes: Iterable[str] = (),
    tested: bool = True,
) -> Split:
    """The :class:`Split` of a raster of codes (see :meth:`Split.codes`), without the pixels that have no label.

    Adds warnings that name the classes with few or no training pixels, or, where a test is meant (``tested``), with no
    test pixel. Raises :class:`SplitError` when fewer than two classes have a training pixel.
    """
    train, validation, test = (labels.labelled & (codes == part) for part in (TRAIN, VALIDATION, TEST))
    split = Split(train, validation, test, rule, seed, tuple(warnings), tuple(notes))
    counts = split.counts(labels)
    trained = sum(1 for part in counts.values() if part.train)
    if trained < 2:
        raise SplitError(f"{rule}: training pixels of 2 or more classes are needed, found {trained}")
    return replace(split, warnings=(*split.warnings, *_class_warnings(labels, counts, tested)))


def _class_warnings(labels: LabelMap, counts: dict[int, PixelCounts], tested: bool) -> list[str]:
    """One line for each kind of trouble, naming the classes."""
    named = list(zip(labels.table.names, counts.values(), strict=True))
    few = [f"{name} ({part.train})" for name, part in named if 0 < part.train < FEW]
    untrained = [name for name, part in named if not part.train]
    untested = [name for name, part in named if tested and part.train and not part.test]
    lines = []
    if few:
        lines.append(f"fewer than {FEW} training pixels: {', '.join(few)}")
    if untrained:
        lines.append(f"no training pixel, so never on the map: {', '.join(untrained)}")
    if untested:
        lines.append(f"no test pixel, so without an accuracy: {', '.join(untested)}")
    return lines
