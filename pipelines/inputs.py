"""Open a scene with its labels, look for bad pixels and bands, and say what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .input_options import LabelOptions, SceneOptions
from .terminal import progress, say, warn

if TYPE_CHECKING:
    from hsi.labels import LabelMap
    from hsi.scene import Scene, Survey


@dataclass(frozen=True)
class Inputs:
    """What was read: the scene without its useless bands, its survey, and its labels on valid pixels."""

    scene: Scene
    survey: Survey
    labels: LabelMap
    known_as: str | None


def open_input_scene(path: Path, options: SceneOptions) -> Scene:
    """The scene as the options describe it, with the place that ``--georef`` lends it."""
    from hsi.rasters import read_georeference
    from hsi.readers import open_scene

    scene = open_scene(path, options.variable)
    if options.georef:
        scene = replace(scene, georeference=read_georeference(options.georef, (scene.height, scene.width)))
    return scene


def open_input_labels(scene: Scene, options: LabelOptions) -> LabelMap:
    """The labels of a scene as the options describe them."""
    from hsi.readers import open_labels

    return open_labels(options.labels, scene, options.label_variable, options.background)


def read_inputs(path: Path, scene_options: SceneOptions, label_options: LabelOptions) -> Inputs:
    """Open a scene and its labels, look for bad pixels and bands, and say what was found."""
    from hsi.scene import survey_scene

    scene = open_input_scene(path, scene_options)
    scene, labels, known_as = recognised(scene, open_input_labels(scene, label_options))
    with progress("survey", "rows") as advance:
        survey = survey_scene(scene, advance)
    say_inputs(scene, survey, labels, known_as)
    if survey.useless:
        scene = scene.keep_bands([i for i in range(len(scene.bands)) if i not in survey.useless])
    return Inputs(scene, survey, labels.masked(survey.valid), known_as)


def recognised(scene: Scene, labels: LabelMap) -> tuple[Scene, LabelMap, str | None]:
    """A benchmark scene with its class names and colours, its wavelengths when the file lacks them, and its title.

    It is known by its ground truth, never by the file's name; any other scene comes back as it is, with None.
    """
    from hsi.scenes import recognise

    height, width = labels.values.shape
    facts = recognise((height, width), labels.counts)
    if facts is None:
        return scene, labels, None
    if scene.wavelengths is None and scene.shape == facts.shape:
        scene = replace(scene, wavelengths=facts.wavelengths, fwhm=facts.fwhm)
    return scene, replace(labels, table=facts.table), facts.title


def say_inputs(scene: Scene, survey: Survey, labels: LabelMap, known_as: str | None) -> None:
    """Print what was chosen and what is wrong with it."""
    named = f", variable {scene.variable}" if scene.variable else ""
    height, width, bands = scene.shape
    say("scene", f"{scene.source} ({scene.format}){named}: {height} x {width} pixels, {bands} bands, {scene.dtype}")
    named = f", variable {labels.variable}" if labels.variable else ""
    found = f"{len(labels.table)} classes, {np.count_nonzero(labels.labelled):,} labelled pixels"
    say("labels", f"{labels.source}{named}: {found}{f'; recognised as {known_as}' if known_as else ''}")
    if survey.invalid:
        warn(bad_pixels(survey))
    for kind, dropped in (("hold one value everywhere", survey.constant), ("hold no valid number", survey.dead)):
        if dropped:
            warn(f"{len(dropped)} bands {kind} and are dropped: {ranges([scene.bands[i] + 1 for i in dropped])}")


def bad_pixels(survey: Survey) -> str:
    """How many pixels are left out, and why."""
    kinds = {"NaN or infinite": survey.not_finite, "nodata": survey.nodata, "zero in all bands": survey.zero}
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    total = survey.valid.size
    return f"{survey.invalid:,} of {total:,} pixels ({survey.invalid / total:.1%}) cannot be used: {listed}"


def ranges(numbers: Sequence[int]) -> str:
    """``[1, 2, 3, 7]`` as ``1-3, 7``."""
    known = set(numbers)
    starts = [n for n in numbers if n - 1 not in known]
    ends = [n for n in numbers if n + 1 not in known]
    return ", ".join(f"{a}-{b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True))
