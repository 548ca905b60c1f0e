"""Which bands are cleaned, and which are clean."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hsi.errors import UsageError
from hsi.preprocessing.bands import parse_bands
from hsi.preprocessing.denoisers.denoiser import BandStatistics

ALL, NOISIEST = "all", "noisiest"
CLEAN_SHARE, MOST_CLEAN = 0.25, 40  # of the bands, the least noisy, are learned from and measured on
HOW = "write all, noisiest:20, or numbers from 1 such as 104-108,220"


def check_choice(text: str | None) -> None:
    """Raise :class:`UsageError` for what names no bands."""
    if text is None or text == ALL or re.fullmatch(rf"{NOISIEST}:[1-9]\d{{0,5}}", text):
        return
    if not re.fullmatch(r"[\d\s,-]+", text):
        raise UsageError(f"'{text}' names no bands to clean: {HOW}")
    parse_bands(text)


def chosen_bands(text: str | None, numbers: Sequence[int], statistics: BandStatistics) -> tuple[int, ...]:
    """Positions of the bands to clean, ascending, among those that are used, whose ``numbers`` in the file are from 0.

    Raises :class:`UsageError` for a choice that names none of them, or more than there are.
    """
    check_choice(text)
    if text is None or text == ALL:
        return tuple(range(len(numbers)))
    if text.startswith(NOISIEST):
        count = int(text.partition(":")[2])
        if count > len(numbers):
            raise UsageError(f"{text}: the scene has {len(numbers)} usable bands: give fewer")
        return tuple(sorted(np.argsort(-statistics.ratio, kind="stable")[:count].tolist()))
    found: set[int] = set()
    for low, high in parse_bands(text):
        inside = [position for position, number in enumerate(numbers) if low <= number + 1 <= high]
        if not inside:
            raise UsageError(f"{low}-{high}: no usable band has such a number; they are {numbers[0] + 1} to "
                             f"{numbers[-1] + 1}, without bad and constant ones")  # fmt: skip
        found.update(inside)
    return tuple(sorted(found))


def clean_bands(statistics: BandStatistics) -> tuple[int, ...]:
    """Positions of the least noisy bands, ascending: a quarter of all, at most 40 and at least one."""
    ratio = statistics.ratio
    count = int(np.clip(len(ratio) * CLEAN_SHARE, 1, MOST_CLEAN))
    return tuple(sorted(np.argsort(ratio, kind="stable")[:count].tolist()))
