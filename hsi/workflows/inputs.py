"""Scenes and labels as a run uses them: opened, surveyed, without useless bands, and split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hsi.core.events import info, progress, warning
from hsi.core.labels import LabelMap
from hsi.core.scene import PixelSurvey, Scene, survey_scene
from hsi.errors import LabelError, SceneError
from hsi.io import open_labels, open_scene
from hsi.io.benchmark_scenes import recognise
from hsi.io.geotiff import read_georeference
from hsi.io.masks import open_mask, open_split, split_files
from hsi.io.reader import check_file
from hsi.preprocessing.band_matching import BandList
from hsi.preprocessing.bands import (
    CONSTANT,
    DEAD,
    BandSelection,
    format_ranges,
    parse_bands,
    parse_wavelengths,
    select_bands,
)
from hsi.preprocessing.denoisers.denoiser import DenoisingResult
from hsi.settings import InputSettings, Settings
from hsi.splits import Split, make_split, split_request


@dataclass(frozen=True)
class Inputs:
    """What was read: the scene without its useless bands, its survey, and its labels on valid pixels.

    Where the scene was denoised, ``denoising`` tells how.
    """

    scene: Scene
    survey: PixelSurvey
    labels: LabelMap
    known_as: str | None
    file_bands: int
    bands: BandSelection
    denoising: DenoisingResult | None = None

    @property
    def band_list(self) -> BandList:
        """The bands that a model is trained on."""
        return BandList(self.scene.bands, self.file_bands, self.scene.wavelengths, self.scene.fwhm)


def open_input_scene(scene: Path | Scene, options: InputSettings) -> Scene:
    """The scene (opened, where it is a path) with the place that ``--georef`` lends it."""
    if isinstance(scene, Path):
        scene = open_scene(scene, options.variable)
    if options.georef:
        check_file(options.georef)
        scene = replace(scene, georeference=read_georeference(options.georef, (scene.height, scene.width)))
    return scene


def choose_input_bands(scene: Scene, options: InputSettings) -> BandSelection:
    """The bands that are neither dropped by the options nor marked bad in the file."""
    return select_bands(
        scene,
        drop_bands=parse_bands(options.drop_bands) if options.drop_bands else (),
        drop_wavelengths=parse_wavelengths(options.drop_wavelengths) if options.drop_wavelengths else (),
        keep_bad=options.keep_bad_bands,
    )


def survey_input(scene: Scene, options: InputSettings) -> PixelSurvey:
    """One pass over the scene's pixels, those outside ``--mask`` left out."""
    mask = open_mask(options.mask, scene) if options.mask else None
    with progress("survey", "rows") as advance:
        return survey_scene(scene, advance, mask)


def survey_bands(scene: Scene, bands: BandSelection, options: InputSettings) -> tuple[BandSelection, PixelSurvey]:
    """The bands without those that turn out to be useless, and the survey of the scene's pixels in all of them."""
    chosen = bands.apply(scene)
    survey = survey_input(chosen, options)
    return bands.without_useless(chosen, survey), survey


def check_usable(survey: PixelSurvey, where: Path | str) -> None:
    """Raise :class:`SceneError` for a scene none of whose pixels can be used."""
    if not survey.valid.any():
        raise SceneError(f"{where}: no pixel can be used, expected numbers in every band: give another file")


def open_input_labels(scene: Scene, options: InputSettings) -> LabelMap:
    """The labels of a scene as the options describe them; what their reader noted is printed as warnings."""
    with progress("labels"):
        labels = open_labels(options.labels, scene, options)
    for note in labels.notes:
        warning(f"labels: {note}")
    return labels


def read_inputs(path: Path, options: InputSettings) -> Inputs:
    """Open a scene and its labels, look for bad pixels and bands, and say what was found.

    Raises :class:`SceneError` when no pixel can be used and :class:`LabelError` when no labelled one can.
    """
    scene = open_input_scene(path, options)
    return prepare_inputs(scene, open_input_labels(scene, options), options)


def prepare_inputs(scene: Scene, labels: LabelMap, options: InputSettings) -> Inputs:
    """Look for bad pixels and bands of an open scene, and say what was found; raises as :func:`read_inputs` does."""
    file_bands, where = len(scene.bands), scene.source or scene.name
    scene, labels, known_as = recognised(scene, labels)
    bands = choose_input_bands(scene, options)
    say_inputs(scene, labels, known_as)
    bands, survey = survey_bands(scene, bands, options)
    say_dropped(bands, survey)
    check_usable(survey, where)
    scene = bands.apply(scene)
    labels = labels.masked(survey.valid)
    if not labels.labelled.any():
        raise LabelError(
            f"{labels.source or 'labels'}: none of its labelled pixels can be used in {where}: label others"
        )
    return Inputs(scene, survey, labels, known_as, file_bands, bands)


def recognised(scene: Scene, labels: LabelMap) -> tuple[Scene, LabelMap, str | None]:
    """A benchmark scene with its class names and colours, its wavelengths when the file lacks them, and its title.

    It is known by its ground truth, never by the file's name; any other scene comes back as it is, with None.
    """
    height, width = labels.values.shape
    facts = recognise((height, width), labels.counts)
    if facts is None:
        return scene, labels, None
    if scene.wavelengths is None and scene.shape == facts.shape:
        scene = replace(scene, wavelengths=facts.wavelengths, fwhm=facts.fwhm)
    return scene, replace(labels, table=facts.table), facts.title


def say_inputs(scene: Scene, labels: LabelMap, known_as: str | None) -> None:
    """Print what was chosen."""
    named = f", variable {scene.variable}" if scene.variable else ""
    height, width, bands = scene.shape
    source = f"{scene.source or scene.name} ({scene.format}){named}"
    info("scene", f"{source}: {height} x {width} pixels, {bands} bands, {scene.dtype}")
    named = f", variable {labels.variable}" if labels.variable else ""
    found = f"{len(labels.table)} classes, {np.count_nonzero(labels.labelled):,} labelled pixels"
    info("labels", f"{labels.source or 'an array'}{named}: {found}{f'; recognised as {known_as}' if known_as else ''}")


def say_dropped(bands: BandSelection, survey: PixelSurvey) -> None:
    """Print which bands are dropped and why, a line for each reason, and which pixels cannot be used."""
    unasked = {CONSTANT: "hold one value everywhere", DEAD: "hold no valid number"}
    if survey.invalid:
        warning(bad_pixels(survey))
    for reason, numbers in bands.to_dict()["dropped"].items():
        if reason in unasked:
            warning(f"{len(numbers)} bands {unasked[reason]} and are dropped: {format_ranges(numbers)}")
        else:
            info("dropped", f"{len(numbers)} bands {reason}: {format_ranges(numbers)}")


def bad_pixels(survey: PixelSurvey) -> str:
    """How many pixels are left out, and why."""
    kinds = {"NaN or infinite": survey.not_finite, "nodata": survey.nodata, "zero in all bands": survey.zero}
    kinds["outside the mask"] = survey.masked
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    total = survey.valid.size
    return f"{survey.invalid:,} of {total:,} pixels ({survey.invalid / total:.1%}) cannot be used: {listed}"


def split_labels(inputs: Inputs, settings: Settings) -> Split:
    """Make the split and say its sizes, what it left out and its warnings."""
    wanted = settings.split
    given = open_split(wanted.given, inputs.scene) if wanted.given else None
    split = make_split(inputs.labels, split_request(settings), rule=wanted.rule, given=given)
    sizes = {"training": split.train, "validation": split.validation, "test": split.test}
    listed = ", ".join(f"{int(mask.sum()):,} {name}" for name, mask in sizes.items() if mask.any())
    seed = "" if split.seed is None else f", seed {split.seed}"
    info("split", f"{split.rule}{seed}: {listed} pixels")
    for note in split.notes:
        info("", note)
    for text in split.warnings:
        warning(text)
    return split


def given_files(settings: Settings) -> tuple[Path, ...]:
    """The files that a given split is in; none for any other split."""
    return split_files(settings.split.given) if settings.split.given else ()
