"""Wavelengths in nanometres, whatever unit a file gives them in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hsi.errors import SceneError

# what one unit is in nanometres; MICRO SIGN and GREEK SMALL LETTER MU both occur
UNITS = {
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1.0),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns"), 1000.0),
    **dict.fromkeys(("micrometer", "micrometers", "micrometre", "micrometres"), 1000.0),
    **dict.fromkeys(("mm", "millimeters", "millimetres"), 1e6),
    **dict.fromkeys(("m", "meters", "metres"), 1e9),
}
UNSAID = ("", "unknown", "none")


def unit_in_nanometres(unit: str | None, values: Sequence[float]) -> float | None:
    """What one unit is in nanometres, or None for what is no length (wavenumbers, GHz, an index).

    Where the file does not say, wavelengths below 100 can only be micrometres.
    """
    name = (unit or "").strip().lower()
    if name in UNSAID:
        return 1000.0 if values and max(values) < 100 else 1.0
    return UNITS.get(name)


def spectral_axis(
    path: Path, bands: int, wavelengths: Sequence[str], fwhm: Sequence[str], unit: str | None
) -> dict[str, tuple[float, ...] | None]:
    """``wavelengths`` and ``fwhm`` of a scene in nanometres, None where the file has none.

    Raises :class:`SceneError` when a list is not as long as the bands or holds what is not a positive number.
    """
    centres = _numbers(path, "wavelength", wavelengths, bands)
    widths = _numbers(path, "fwhm", fwhm, bands)
    scale = unit_in_nanometres(unit, centres or widths)
    if scale is None:
        return {"wavelengths": None, "fwhm": None}
    return {
        "wavelengths": tuple(value * scale for value in centres) or None,
        "fwhm": tuple(value * scale for value in widths) or None,
    }


def good_bands(path: Path, multipliers: Sequence[str], bands: int) -> tuple[bool, ...] | None:
    """Bad-band multipliers (0: bad, 1: good) as truth values; None where the file has none.

    Raises :class:`SceneError` when the list is not as long as the bands or holds what is not a number.
    """
    return tuple(value != 0 for value in _numbers(path, "bbl", multipliers, bands)) or None


def _numbers(path: Path, key: str, texts: Sequence[str], bands: int) -> list[float]:
    if not texts:
        return []
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise SceneError(f"{path}: '{key}' holds what is not a number ({error}); correct or delete it") from error
    if len(values) != bands:
        raise SceneError(f"{path}: '{key}' lists {len(values)} values for {bands} bands; correct or delete it")
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise SceneError(f"{path}: '{key}' holds a negative or infinite value; correct or delete it")
    return values
