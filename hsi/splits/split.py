"""The split, the request to a split rule, and the registry of rules."""

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

SYNTAX = (
    "write 10% for a share, 50 for a number of pixels per class, or 50/15 for 50 and only 15 of classes with fewer "
    "than 100"
)
TRAIN, VALIDATION, TEST = 1, 2, 3
FEW = 5  # classes with fewer training pixels are named in a warning

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SampleSize:
    """The pixels to draw from each class: ``percent`` (above 0, below 100) or ``count`` (1 or more).

    A class with fewer than twice ``count`` pixels gives ``small`` pixels where ``small`` is set, as is usual for 50
    pixels per class of Indian Pines. Raises :class:`UsageError` unless exactly one of the two is set and in range.
    """

    percent: float | None = None
    count: int | None = None
    small: int | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.count is None):
            raise UsageError(f"give either a percent or a count, found {self.percent} and {self.count}: {SYNTAX}")
        if self.percent is not None and not 0 < self.percent < 100:
            raise UsageError(f"a share lies above 0% and below 100%, found {self.percent:g}%: {SYNTAX}")
        if self.count is not None and (not isinstance(self.count, int) or self.count < 1):
            raise UsageError(f"a number of pixels per class is an integer of 1 or more, found {self.count}: {SYNTAX}")
        if self.small is not None and not 1 <= self.small < (self.count or 0):
            raise UsageError(f"the number for small classes is 1 or more and below the other, found {self}: {SYNTAX}")

    def __str__(self) -> str:
        number = f"{self.count}/{self.small}" if self.small else f"{self.count}"
        return f"{number} per class" if self.percent is None else f"{self.percent:g}%"

    def of(self, pixels: int) -> int:
        """The number of pixels to draw from a class of ``pixels``; a percentage is rounded half up in decimal."""
        if self.count is not None:
            return self.small if self.small and pixels < 2 * self.count else self.count
        exact = Decimal(str(self.percent)) * pixels / 100
        return int(exact.to_integral_value(ROUND_HALF_UP))

    def take(self, pixels: int, available: int) -> int:
        """As :meth:`of`, limited so that at least one of the ``available`` pixels of the class remains.

        A percentage is limited to ``available - 1``. A count that is not below ``available`` becomes half of it,
        rounded down, because one remaining pixel would hardly test the class.
        """
        wanted = self.of(pixels)
        if wanted < available:
            return wanted
        return max(available - 1, 0) if self.percent is not None else available // 2


def parse_sample_size(text: str) -> SampleSize:
    """Parse ``"10%"`` or ``"2.5 %"`` (a share of each class), ``"50"`` (pixels per class) and ``"50/15"`` (50, and 15
    for classes of fewer than 100 pixels).

    Raises :class:`UsageError` for anything else, including ``"0.1"``, which is ambiguous.
    """
    cleaned = text.strip()
    if share := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", cleaned):
        return SampleSize(percent=float(share[1]))
    if number := re.fullmatch(r"([0-9]{1,9})(?:/([0-9]{1,9}))?", cleaned):
        return SampleSize(count=int(number[1]), small=int(number[2]) if number[2] else None)
    raise UsageError(f"'{text}' is not a sample size: {SYNTAX}")


class PixelCounts(NamedTuple):
    """Pixels of one class in each part of a split."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False)
class Split:
    """Read-only bool masks ``(H, W)`` of the training, validation and test pixels, and how they were selected.

    ``rule`` describes the rule ("random 10%"); ``seed`` is None where nothing was drawn. ``notes`` report what the rule
    did and excluded, ``warnings`` what it could not do. Compare splits by ``hash``. Raises :class:`SplitError` when the
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
            given = ", ".join(f"{part.dtype} {part.shape}" for part in self._parts)
            raise SplitError(f"the masks of a split are bool and of one shape (rows, columns), found {given}")
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
        """Hexadecimal SHA-256 of the shape and the masks: equal for equal splits, whichever rule made them."""
        height, width = self.train.shape
        return hashlib.sha256(f"{height}x{width}:".encode() + self.codes().tobytes()).hexdigest()

    def counts(self, labels: LabelMap) -> dict[int, PixelCounts]:
        """Pixels per class id and part, for every class of the table, in table order."""
        codes, classes = labels.codes(), len(labels.table)
        columns = [np.bincount(codes[part & (codes >= 0)], minlength=classes) for part in self._parts]
        rows = np.column_stack(columns).tolist()
        return {i: PixelCounts(*row) for i, row in zip(labels.table.ids, rows, strict=True)}

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """JSON-compatible values; for each class the pixels of every part and of none (``unused``)."""
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
    """The parameters of a split rule; None selects the default of the rule. See :func:`hsi.splits.make_split`."""

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
    scenes: str | None = None

    def describe(self, rule: str, buffer: int = 0) -> str:
        """The description of a rule with a buffer, where it is not 0, and the requested sample sizes."""
        parts = {"buffer": buffer, "train": self.train, "validation": self.validation}
        return rule + "".join(f", {name} {value}" for name, value in parts.items() if value)


Make = Callable[[LabelMap, SplitRequest], Split]
Check = Callable[[SplitRequest], object]


@dataclass(frozen=True)
class SplitRule:
    """A split rule: ``make`` applies it, ``uses`` names the fields of a request that it reads.

    ``checks`` raise :class:`hsi.errors.UsageError` for a request that is invalid for any labels.
    """

    make: Make
    uses: frozenset[str]
    checks: tuple[Check, ...]


SPLITS: Registry[SplitRule] = Registry("split", "hsi.splits")


def split_rule(name: str, uses: Iterable[str], *checks: Check) -> Callable[[Make], Make]:
    """Decorator that registers a function as the rule ``name``, see :class:`SplitRule`."""

    def register(make: Make) -> Make:
        SPLITS.register(name)(SplitRule(make, frozenset(uses), checks))
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
    """The :class:`Split` of a raster of codes (see :meth:`Split.codes`); unlabelled pixels are ignored.

    Adds warnings that name the classes with few or no training pixels and, unless ``tested`` is False, those without a
    test pixel. Raises :class:`SplitError` when fewer than two classes have training pixels.
    """
    train, validation, test = (labels.labelled & (codes == part) for part in (TRAIN, VALIDATION, TEST))
    split = Split(train, validation, test, rule, seed, tuple(warnings), tuple(notes))
    counts = split.counts(labels)
    trained = sum(1 for part in counts.values() if part.train)
    if trained < 2:
        raise SplitError(f"{rule}: training pixels of 2 or more classes are needed, found {trained}")
    return replace(split, warnings=(*split.warnings, *_class_warnings(labels, counts, tested)))


def _class_warnings(labels: LabelMap, counts: dict[int, PixelCounts], tested: bool) -> list[str]:
    """One line for each problem, with the names of the classes."""
    named = list(zip(labels.table.names, counts.values(), strict=True))
    problems = {
        f"fewer than {FEW} training pixels": [f"{name} ({part.train})" for name, part in named if 0 < part.train < FEW],
        "no training pixel, so never on the map": [name for name, part in named if not part.train],
        "no test pixel, so without an accuracy": [
            name for name, part in named if tested and part.train and not part.test
        ],
    }
    return [f"{problem}: {', '.join(classes)}" for problem, classes in problems.items() if classes]
