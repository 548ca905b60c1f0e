"""How many pixels of a class: a share in percent or a number, and never one taken for the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from hsi.errors import UsageError

HOW = (
    "write 10% for a share, 50 for a number of pixels per class, or 50/15 for 50 and only 15 of classes with fewer "
    "than 100"
)


@dataclass(frozen=True)
class Amount:
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


def parse_amount(text: str) -> Amount:
    """``"10%"`` or ``"2.5 %"`` is a share of each class, ``"50"`` a number of pixels per class, and ``"50/15"`` one
    with another for classes of fewer than twice as many.

    Raises :class:`UsageError` for anything else: ``"0.1"`` could be meant as either, so it is refused.
    """
    cleaned = text.strip()
    if share := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", cleaned):
        return Amount(percent=float(share[1]))
    if number := re.fullmatch(r"([0-9]{1,9})(?:/([0-9]{1,9}))?", cleaned):
        return Amount(count=int(number[1]), small=int(number[2]) if number[2] else None)
    raise UsageError(f"'{text}' is not an amount of pixels: {HOW}")
