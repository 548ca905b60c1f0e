"""The bands of a scene that are used, and the reasons to drop the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hsi.core.scene import PixelSurvey, Scene
from hsi.errors import SceneError, UsageError

BY_NUMBER = "named with --drop-bands"
BY_WAVELENGTH = "within --drop-wavelengths"
MARKED_BAD = "marked bad in the file"
CONSTANT = "with one value"
DEAD = "with no number"


@dataclass(frozen=True)
class BandSelection:
    """The ``used`` bands of a file and those ``dropped`` by reason, counted from 0, ascending."""

    used: tuple[int, ...]
    dropped: Mapping[str, tuple[int, ...]]

    def apply(self, scene: Scene) -> Scene:
        """The scene with the used bands only. Raises :class:`SceneError` when none is left."""
        positions = [position for position, band in enumerate(scene.bands) if band in self.used]
        return scene if len(positions) == len(scene.bands) else scene.keep_bands(positions)

    def without_useless(self, scene: Scene, survey: PixelSurvey) -> BandSelection:
        """The selection without the bands that are constant or have no valid number in a survey of ``scene``."""
        useless = {CONSTANT: survey.constant, DEAD: survey.dead}
        return self.drop({reason: [scene.bands[i] for i in positions] for reason, positions in useless.items()})

    def drop(self, reasons: Mapping[str, Sequence[int]]) -> BandSelection:
        """The selection without the bands of each reason that are still used."""
        used, dropped = self.used, dict(self.dropped)
        for reason, bands in reasons.items():
            if going := tuple(band for band in used if band in set(bands)):
                used = tuple(band for band in used if band not in going)
                dropped[reason] = going
        return BandSelection(used, dropped)

    def to_dict(self) -> dict[str, Any]:
        """Band numbers from 1 for a record: ``{"kept": [...], "dropped": {reason: [...]}}``."""
        dropped = {reason: [band + 1 for band in bands] for reason, bands in self.dropped.items()}
        return {"kept": [band + 1 for band in self.used], "dropped": dropped}


def parse_bands(text: str) -> tuple[tuple[int, int], ...]:
    """Parse ``104-108,220`` to first and last band numbers from 1: ``((104, 108), (220, 220))``.

    Raises :class:`UsageError` for anything else.
    """
    ranges = []
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        numbers = [first, last] if dash else [first, first]
        if not all(number.isdecimal() and len(number) < 10 for number in numbers):
            raise UsageError(f"'{part.strip()}' is no range of bands: write them such as 104-108,150-163,220")
        low, high = (int(number) for number in numbers)
        if low < 1 or low > high:
            raise UsageError(f"'{part.strip()}' is no range of bands: they count from 1, the smaller number first")
        ranges.append((low, high))
    return tuple(ranges)


def parse_wavelengths(text: str) -> tuple[tuple[float, float], ...]:
    """Parse ``1350-1450,1800-1950`` to ``((1350.0, 1450.0), (1800.0, 1950.0))`` in nanometres, both ends included.

    Raises :class:`UsageError` for anything else.
    """
    ranges = []
    for part in text.split(","):
        words = part.split("-")
        try:
            low, high = (float(word) for word in words)
        except ValueError:
            low, high = math.nan, math.nan
        if not 0 < low <= high < math.inf:
            raise UsageError(f"'{part.strip()}' is no range of wavelengths: write nm such as 1350-1450,1800-1950")
        ranges.append((low, high))
    return tuple(ranges)


def select_bands(
    scene: Scene,
    survey: PixelSurvey | None = None,
    *,
    drop_bands: Sequence[tuple[int, int]] = (),
    drop_wavelengths: Sequence[tuple[float, float]] = (),
    keep_bad: bool = False,
) -> BandSelection:
    """Select the bands to use.

    Dropped are ``drop_bands`` (ranges of numbers from 1), ``drop_wavelengths`` (ranges in nanometres), bands that the
    file marks as bad unless ``keep_bad``, and bands without information in a ``survey``. A band is listed under the
    first reason that drops it.

    Raises :class:`UsageError` for a range without bands and for wavelengths of a scene that has none, and
    :class:`SceneError` when no band is left.
    """
    marks = scene.good or (True,) * len(scene.bands)
    bad = [band for band, good in zip(scene.bands, marks, strict=True) if not (good or keep_bad)]
    by_number, by_wavelength = _numbered(scene, drop_bands), _within(scene, drop_wavelengths)
    reasons = {BY_NUMBER: by_number, BY_WAVELENGTH: by_wavelength, MARKED_BAD: bad}
    selection = BandSelection(scene.bands, {}).drop(reasons)
    if survey is not None:
        selection = selection.without_useless(scene, survey)
    if not selection.used:
        counts = ", ".join(f"{len(bands)} {reason}" for reason, bands in selection.dropped.items())
        hint = "; --keep-bad-bands keeps those that are marked bad" if MARKED_BAD in selection.dropped else ""
        raise SceneError(f"{scene.source or scene.name}: no band is left of {len(scene.bands)}: {counts}{hint}")
    return selection


def _numbered(scene: Scene, ranges: Sequence[tuple[int, int]]) -> list[int]:
    numbered: list[int] = []
    for low, high in ranges:
        inside = [band for band in scene.bands if low <= band + 1 <= high]
        if not inside or high > scene.bands[-1] + 1:
            first, last = scene.bands[0] + 1, scene.bands[-1] + 1
            raise UsageError(f"--drop-bands {low}-{high}: {scene.name} has the bands {first} to {last}")
        numbered += inside
    return numbered


def _within(scene: Scene, ranges: Sequence[tuple[float, float]]) -> list[int]:
    if ranges and scene.wavelengths is None:
        raise UsageError(
            f"--drop-wavelengths: {scene.source or scene.name} has no wavelengths; name bands by their numbers with "
            "--drop-bands"
        )
    within: list[int] = []
    for low, high in ranges:
        wavelengths = scene.wavelengths or ()
        inside = [band for band, value in zip(scene.bands, wavelengths, strict=True) if low <= value <= high]
        if not inside:
            span = f"{min(wavelengths):.6g} to {max(wavelengths):.6g} nm"
            raise UsageError(f"--drop-wavelengths {low:g}-{high:g}: no band of {scene.name} is in there: it has {span}")
        within += inside
    return within


def format_ranges(numbers: Sequence[int]) -> str:
    """Format ``[1, 2, 3, 7]`` as ``1-3, 7``."""
    known = set(numbers)
    starts = [n for n in numbers if n - 1 not in known]
    ends = [n for n in numbers if n + 1 not in known]
    return ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True))
