"""Which bands of a scene are used, and why the others are not."""

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
    """The bands of a file that are ``kept``, and those ``dropped`` by reason; all counted from 0, ascending."""

    kept: tuple[int, ...]
    dropped: Mapping[str, tuple[int, ...]]

    def apply(self, scene: Scene) -> Scene:
        """The scene with the kept bands only. Raises :class:`SceneError` when none is left."""
        kept = set(self.kept)
        keep = [position for position, band in enumerate(scene.bands) if band in kept]
        return scene if len(keep) == len(scene.bands) else scene.keep_bands(keep)

    def without_useless(self, scene: Scene, survey: PixelSurvey) -> BandSelection:
        """The choice without the bands that a survey of ``scene`` found to be constant or without a valid number."""
        found = {CONSTANT: survey.constant, DEAD: survey.dead}
        return _drop(self, {reason: [scene.bands[i] for i in positions] for reason, positions in found.items()})

    def to_dict(self) -> dict[str, Any]:
        """Band numbers counted from 1, for a record: ``{"kept": [...], "dropped": {reason: [...]}}``."""
        dropped = {reason: [band + 1 for band in bands] for reason, bands in self.dropped.items()}
        return {"kept": [band + 1 for band in self.kept], "dropped": dropped}


def parse_bands(text: str) -> tuple[tuple[int, int], ...]:
    """``104-108,220`` as the first and last band numbers ``((104, 108), (220, 220))``, counted from 1.

    Raises :class:`UsageError` for anything else.
    """
    format_ranges = []
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        numbers = [first, last] if dash else [first, first]
        if not all(number.isdecimal() and len(number) < 10 for number in numbers):
            raise UsageError(f"'{part.strip()}' is no range of bands: write them such as 104-108,150-163,220")
        low, high = (int(number) for number in numbers)
        if low < 1 or low > high:
            raise UsageError(f"'{part.strip()}' is no range of bands: they count from 1, the smaller number first")
        format_ranges.append((low, high))
    return tuple(format_ranges)


def parse_wavelengths(text: str) -> tuple[tuple[float, float], ...]:
    """``1350-1450,1800-1950`` as ``((1350.0, 1450.0), (1800.0, 1950.0))`` in nanometres, both ends included.

    Raises :class:`UsageError` for anything else.
    """
    format_ranges = []
    for part in text.split(","):
        words = part.split("-")
        try:
            low, high = (float(word) for word in words)
        except ValueError:
            low, high = math.nan, math.nan
        if not 0 < low <= high < math.inf:
            raise UsageError(f"'{part.strip()}' is no range of wavelengths: write nm such as 1350-1450,1800-1950")
        format_ranges.append((low, high))
    return tuple(format_ranges)


def select_bands(
    scene: Scene,
    survey: PixelSurvey | None = None,
    *,
    drop_bands: Sequence[tuple[int, int]] = (),
    drop_wavelengths: Sequence[tuple[float, float]] = (),
    keep_bad: bool = False,
) -> BandSelection:
    """The bands to use: not those named (ranges of numbers from 1, of nanometres), not those that the file marks as
    bad unless ``keep_bad``, and not those that a ``survey`` of the scene found useless. A band counts under the first
    reason that drops it.

    Raises :class:`UsageError` for a range that has no band and for wavelengths of a scene that has none, and
    :class:`SceneError` when no band is left.
    """
    marks = scene.good or (True,) * len(scene.bands)
    bad = [band for band, good in zip(scene.bands, marks, strict=True) if not (good or keep_bad)]
    choice = _drop(
        BandSelection(scene.bands, {}),
        {
            BY_NUMBER: _numbered(scene, drop_bands),
            BY_WAVELENGTH: _within(scene, drop_wavelengths),
            MARKED_BAD: bad,
        },
    )
    if survey is not None:
        choice = choice.without_useless(scene, survey)
    if not choice.kept:
        counts = ", ".join(f"{len(bands)} {reason}" for reason, bands in choice.dropped.items())
        hint = "; --keep-bad-bands keeps those that are marked bad" if MARKED_BAD in choice.dropped else ""
        raise SceneError(f"{scene.source or scene.name}: no band is left of {len(scene.bands)}: {counts}{hint}")
    return choice


def _drop(choice: BandSelection, found: Mapping[str, Sequence[int]]) -> BandSelection:
    kept, dropped = choice.kept, dict(choice.dropped)
    for reason, bands in found.items():
        going = tuple(band for band in kept if band in set(bands))
        kept = tuple(band for band in kept if band not in going)
        if going:
            dropped[reason] = going
    return BandSelection(kept, dropped)


def _numbered(scene: Scene, ranges: Sequence[tuple[int, int]]) -> list[int]:
    found: list[int] = []
    for low, high in ranges:
        inside = [band for band in scene.bands if low <= band + 1 <= high]
        if not inside or high > scene.bands[-1] + 1:
            first, last = scene.bands[0] + 1, scene.bands[-1] + 1
            raise UsageError(f"--drop-bands {low}-{high}: {scene.name} has the bands {first} to {last}")
        found += inside
    return found


def _within(scene: Scene, ranges: Sequence[tuple[float, float]]) -> list[int]:
    if ranges and scene.wavelengths is None:
        raise UsageError(
            f"--drop-wavelengths: {scene.source or scene.name} does not say its wavelengths; name bands by their "
            "numbers with --drop-bands"
        )
    found: list[int] = []
    for low, high in ranges:
        wavelengths = scene.wavelengths or ()
        inside = [band for band, value in zip(scene.bands, wavelengths, strict=True) if low <= value <= high]
        if not inside:
            span = f"{min(wavelengths):.6g} to {max(wavelengths):.6g} nm"
            raise UsageError(f"--drop-wavelengths {low:g}-{high:g}: no band of {scene.name} is in there: it has {span}")
        found += inside
    return found


def format_ranges(numbers: Sequence[int]) -> str:
    """``[1, 2, 3, 7]`` as ``1-3, 7``."""
    known = set(numbers)
    starts = [n for n in numbers if n - 1 not in known]
    ends = [n for n in numbers if n + 1 not in known]
    return ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True))
