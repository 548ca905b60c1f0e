"""How many pixels of a class: a share in percent or a number, and never one taken for the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from hsi.errors import UsageError

HOW = "write 10% for a share or 50 for a number of pixels per class"


@dataclass(frozen=True)
class Amount:
    """Of each class either ``percent`` of its pixels (above 0, below 100) or ``count`` pixels (1 or more).

    Raises :class:`UsageError` unless exactly one is given and lies in its range.
    """

    percent: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.count is None):
            raise UsageError(f"an amount is either a percent or a count, found {self.percent} and {self.count}: {HOW}")
        if self.percent is not None and not 0 < self.percent < 100:
            raise UsageError(f"a share lies above 0% and below 100%, found {self.percent:g}%: {HOW}")
        if self.count is not None and (not isinstance(self.count, int) or self.count < 1):
            raise UsageError(f"a number of pixels per class is a whole number of 1 or more, found {self.count}: {HOW}")

    def __str__(self) -> str:
        return f"{self.count} per class" if self.percent is None else f"{self.percent:g}%"

    def of(self, pixels: int) -> int:
        """The amount of ``pixels`` in whole pixels: a share is rounded half up in decimal, a count stays what it is."""
        if self.percent is None:
            return int(self.count or 0)
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
    """``"10%"`` or ``"2.5 %"`` is a share of each class, ``"50"`` a number of pixels per class.

    Raises :class:`UsageError` for anything else: ``"0.1"`` could be meant as either, so it is refused.
    """
    cleaned = text.strip()
    if share := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", cleaned):
        return Amount(percent=float(share[1]))
    if re.fullmatch(r"[0-9]+", cleaned):
        return Amount(count=int(cleaned))
    raise UsageError(f"'{text}' is not an amount of pixels: {HOW}")
