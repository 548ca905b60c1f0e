"""Whether a scene is on the scale that a model was trained on, and its pixels are like the training pixels."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, warning
from hsi.core.scene import Scene, survey_scene, take_sample, usable_pixels
from hsi.errors import UsageError
from hsi.fill import Fill, format_value
from hsi.inference.model_file import SavedModel
from hsi.io.formats._product import scale_scene
from hsi.preprocessing.band_matching import BandMatch, match_bands

Scale = float | Literal["auto"] | None
FACTORS = (10.0, 100.0, 255.0, 1e3, 1e4, 65535.0, 1e5)
# of log10 between a factor and the ratio of two scenes, which also differ in brightness; for 10 it has to be less, and
# about the same in all bands: so much do water and desert differ
TOLERANCE, TOLERANCE_OF_TEN, SPREAD_OF_TEN = 0.5, 0.25, 0.2
SAMPLE_BYTES = 2 * 2**20
Levels = NDArray[np.float64]


def parse_scale(text: str | float | None) -> Scale:
    """A factor, or "auto". Raises :class:`UsageError` for anything else."""
    if text is None or text == "auto":
        return text  # type: ignore[return-value] # mypy does not narrow a str to a Literal
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number != 0):
        raise UsageError(f"scale is a number such as 1e-4, or auto, found '{text}'")
    return number


def find_factor(trained: Levels, levels: Levels) -> float | None:
    """The factor that brings a scene to the scale of the training scene, where there is one; from the percentiles 2, 50
    and 98 ``(3, B)`` of the bands of both.

    Medians and highest values have to be off by the same of :data:`FACTORS`, or its inverse; a scene that is only
    darker, or has other land cover, is not.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.log10(trained[1:] / levels[1:])  # (2, B)
    ratios = ratios[:, np.isfinite(ratios).all(axis=0) & (trained[1:] > 0).all(axis=0)]
    if not ratios.shape[1] or ratios.shape[1] < trained.shape[1] / 2:
        return None
    middle, high = np.median(ratios, axis=1)
    factors = [sign * math.log10(factor) for factor in FACTORS for sign in (1, -1)]
    nearest = min(factors, key=lambda factor: abs(factor - middle))
    ten = abs(nearest) == 1
    if max(abs(middle - nearest), abs(high - nearest)) > (TOLERANCE_OF_TEN if ten else TOLERANCE):
        return None
    if ten and np.median(np.abs(ratios[0] - middle)) > SPREAD_OF_TEN:
        return None
    return float(f"{10**nearest:.9g}")


def format_factor(factor: float) -> str:
    """``1e4`` for 10,000, ``0.01`` for a hundredth, otherwise all digits."""
    text = f"{factor:.9g}"
    exponent = math.log10(abs(factor))
    return f"1e{exponent:.0f}" if factor > 0 and 2 < abs(exponent) == abs(round(exponent)) else text


def adapt_scene(
    saved: SavedModel, scene: Scene, scale: Scale, *, resample: bool = False, remedy: str = ""
) -> tuple[Scene, float, Fill]:
    """The scene in the scale of the model, the factor, and the fill to leave out, by a sample of the scene.

    ``scale`` multiplies values; "auto" takes the factor that is found. Warns of fill. Raises :class:`UsageError` where
    a factor is found and none is given, with the ``remedy``, and what matching bands raises.
    """
    levels, fill, found = _measure(saved, match_bands(saved.bands, scene, resample))
    factor = find_factor(saved.levels, levels) if saved.levels is not None and levels is not None else None
    where = scene.source or scene.name
    if scale is None and factor is not None and saved.levels is not None and levels is not None:
        raise UsageError(
            f"{where}: its values ({_range(levels)}) are on another scale than those the model was trained on "
            f"({_range(saved.levels)}): "
            + (remedy or "--scale {factor} multiplies them, --scale auto takes the factor that is found").format(
                factor=format_factor(factor)
            )
        )
    if found:
        listed = " or ".join(map(format_value, found))
        warning(
            f"{where}: pixels of the value {listed}, which the file does not declare as no data, are not mapped: "
            f"--nodata {format_value(found[0])} declares it"
        )
    number = 1.0 if scale is None else (factor or 1.0) if scale == "auto" else scale
    if scale == "auto":
        text = f"x {format_factor(number)}, which was found" if factor else "as they are, which is as in training"
        info("scale", f"values {text}")
    elif scale is not None and saved.levels is not None and levels is not None:
        left = find_factor(saved.levels, levels * number)
        if left is not None:
            warning(
                f"values x {format_factor(number)} ({_range(levels * number)}) are on another scale than those the "
                f"model was trained on ({_range(saved.levels)}): {format_factor(number * left)} would bring them there"
            )
    return scene if number == 1 else scale_scene(scene, [number], [0.0]), number, fill


def warn_of_novel_pixels(saved: SavedModel, match: BandMatch) -> None:
    """Warn where most pixels of a sample of the scene, as the model reads it, are unlike all training pixels."""
    sample = take_sample(match.scene, SAMPLE_BYTES)
    cube = sample.read()
    pixels = match.convert(cube)[usable_pixels(cube, sample.nodata)]
    if not len(pixels):
        return
    share = float(np.mean(saved.novelty.distance(saved.reducer.transform(pixels)) > saved.novelty.limits[2]))
    if share > 0.5:
        warning(
            f"{share:.0%} of the scene's pixels, by a sample, are farther from every class than 99.9 % of the training "
            "pixels, so that neither their classes nor their confidence can be trusted: is this scene of the same "
            "sensor, units and processing? --novelty maps the distance"
        )


def _measure(saved: SavedModel, match: BandMatch) -> tuple[Levels | None, Fill, tuple[float, ...]]:
    """The levels ``(3, B)`` of the model's bands in a sample, its fill, and which of it occurs."""
    survey = survey_scene(take_sample(match.scene))
    levels, of_model = survey.levels, saved.fill
    if levels is not None and match.matrix is not None:
        levels = levels @ match.matrix.T
    # a value in any band that was no data in training may be a number here, if the file declares another one
    known = of_model if match.scene.nodata is None else Fill(flat=of_model.flat)
    return levels, survey.fill | known, survey.found if survey.filled else ()


def _range(levels: Any) -> str:
    """The median, and the lowest and highest values of bands, without outliers."""
    low, middle, high = np.nanmin(levels[0]), np.nanmedian(levels[1]), np.nanmax(levels[2])
    return f"{low:.4g} to {high:.4g}, median {middle:.4g}"
