"""Scenes and labels as a run uses them: opened, surveyed, without useless bands, and split."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsi import io
from hsi.core.events import info, progress, warning
from hsi.core.labels import LabelMap, decode_one_hot, label_map
from hsi.core.scene import Block, PixelSurvey, Scene, scene_from_array, survey_scene, take_sample
from hsi.errors import HsiError, LabelError, SceneError, SplitError, UsageError
from hsi.fill import NO_FILL, Fill, ends_with_alpha, format_value
from hsi.io.axes import find_axes, parse_axes
from hsi.io.benchmark_scenes import recognise_scene, scene_facts, scene_names
from hsi.io.class_files import apply_class_file
from hsi.io.dataarray import is_dataarray, labels_from_dataarray, scene_from_dataarray
from hsi.io.formats._checks import has_swapped_bytes
from hsi.io.formats._product import find_product
from hsi.io.formats.gdal import is_remote
from hsi.io.geotiff import read_georeference
from hsi.io.label_checks import note_fill_values
from hsi.io.masks import apply_area, mask_file, open_masks, open_split, open_split_classes, split_files
from hsi.io.open import open_classes
from hsi.io.reader import arrange_axes, check_file, is_store
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
from hsi.preprocessing.mosaic import SAME_WAVELENGTH
from hsi.preprocessing.reducers import find_reducer
from hsi.preprocessing.stack import common_name, join_scenes, list_band_files
from hsi.settings import SECOND_WINDOW, USUAL_WINDOW, InputSettings, Settings, input_settings
from hsi.splits import Split, choose_rule, make_split, split_request

if TYPE_CHECKING:
    import xarray

    SceneLike = str | Path | Sequence[str | Path] | ArrayLike | Scene | xarray.DataArray
    LabelsLike = str | Path | ArrayLike | LabelMap | xarray.DataArray

CHECKED_BYTES = 2 * 2**20  # of the sample in which an alpha band or the wrong byte order shows


@dataclass(frozen=True)
class Inputs:
    """What was read: the scene without its useless bands, its survey, and its labels on valid pixels.

    ``masks`` are the files of masks and of the area of interest, ``classes`` is that of classes. Where the scene was
    denoised, ``denoising`` tells how. ``levels`` are those of the survey for the scene's bands, before, and ``fill`` is
    what means "no data" although the file does not say so. ``parts`` are the inputs of each of several scenes that lie
    below each other in ``scene``, at the places in ``labels.scenes``; empty for one scene.
    """

    scene: Scene
    survey: PixelSurvey
    labels: LabelMap
    known_as: str | None
    file_bands: int
    bands: BandSelection
    denoising: DenoisingResult | None = None
    masks: tuple[Path, ...] = ()
    levels: NDArray[np.float64] | None = None
    fill: Fill = NO_FILL
    classes: Path | None = None
    parts: tuple[Inputs, ...] = ()

    @property
    def band_list(self) -> BandList:
        """The bands that a model is trained on; of several scenes they are counted in the file of the first."""
        scene = self.parts[0].scene if self.parts else self.scene
        return BandList(scene.bands, self.file_bands, scene.wavelengths, scene.fwhm)

    def scenes(self) -> list[tuple[Inputs, Block]]:
        """The inputs of each scene, and its place in the rasters of all of them."""
        if self.parts:
            return list(zip(self.parts, (place.block for place in self.labels.scenes), strict=True))
        return [(self, self.scene.extent)]


def open_scene(
    scene: SceneLike,
    *,
    asset: str | None = None,
    variable: str | None = None,
    axes: str | None = None,
    georef: Path | str | None = None,
    aoi: Path | str | None = None,
    nodata: float | None = None,
    wavelengths: Sequence[float] | Path | str | None = None,
) -> Scene:
    """A cube ``(H, W, B)`` as a :class:`Scene`: a file, an array, a ``DataArray`` (axes in any order) or a scene.

    ``asset`` names one of a STAC Item's assets, ``variable`` one of several cubes in a file, ``axes`` is the order of
    the axes of an array or file, such as ``BHW`` where bands come first, ``georef`` a raster that lies where the scene
    lies, ``aoi`` polygons or a raster of the area to crop the scene to, ``nodata`` the value, as stored, that means
    "no data" instead of the file's, and ``wavelengths`` the nanometres of the bands where the scene does not say them,
    or what they are read from: a table, a scene, or a sensor's name. Several paths are one scene: single bands of it,
    or tiles. Raises :class:`SceneFileError` for a file that is missing, damaged or of no known format,
    :class:`SceneError` for what is no cube of real numbers, and :class:`UsageError` for a wrong ``asset`` or
    ``variable``, for wavelengths of another number than the bands, for an ``asset`` or ``variable`` of what is no file,
    and where nothing says which axis of a file holds the bands.
    """
    options = input_settings(asset=asset, variable=variable, axes=axes, georef=georef, aoi=aoi, nodata=nodata)
    if isinstance(wavelengths, (str, Path)):
        return open_any_scene(scene, options.model_copy(update={"wavelengths": Path(wavelengths)}))
    return open_any_scene(scene, options, wavelengths)


def open_any_scene(
    scene: SceneLike,
    options: InputSettings,
    wavelengths: Sequence[float] | None = None,
    labels: LabelsLike | None = None,
) -> Scene:
    """:func:`open_scene` with all settings of a scene; the size of its ``labels`` tells bands from rows.

    Several paths, or a folder of bands, are one scene: a stack where each file has one band, else a mosaic of tiles.
    """
    labels = options.labels if labels is None else labels
    size = Path(labels) if isinstance(labels, (str, Path)) else _size_of_labels(labels)
    if paths := _paths_of(scene):
        parts = [io.open_scene(path, options.variable, options.axes, size, options.asset) for path in paths]
        opened = _join_parts(parts, options)
    elif options.asset is not None:
        raise UsageError(f"asset='{options.asset}' names a part of a STAC Item, and this scene is no file's path")
    elif options.variable is not None:
        raise UsageError(f"variable='{options.variable}' names a cube in a file, and this scene is no file's path")
    elif isinstance(scene, Scene) or is_dataarray(scene):
        if options.axes is not None:
            raise UsageError(f"axes='{options.axes}' is for arrays and files, and this scene has names for its axes")
        known: Any = scene
        opened = scene if isinstance(scene, Scene) else scene_from_dataarray(known)
    else:
        opened = _scene_of_array(_fill_masked(scene), options.axes, _size_of_labels(labels))
    if options.georef:
        check_file(options.georef)
        opened = replace(opened, georeference=read_georeference(options.georef, (opened.height, opened.width)))
    elif opened.unplaced:
        warning(
            f"{opened.source or opened.name}: is not georeferenced: it has {opened.unplaced}; --georef takes the place "
            "from a raster of the same pixels"
        )
    if options.nodata is not None and not paths:
        opened = opened.declare_nodata(options.nodata)
    opened = _with_wavelengths(opened, options, wavelengths)
    return apply_area(options.aoi, opened) if options.aoi else opened


def _with_wavelengths(scene: Scene, options: InputSettings, given: Sequence[float] | None) -> Scene:
    """The scene with the wavelengths that are given, or with those that the settings name."""
    if given is not None:
        if len(given) != len(scene.bands):
            raise UsageError(f"{len(given)} wavelengths are given for {len(scene.bands)} bands: one for each")
        return replace(scene, wavelengths=tuple(float(value) for value in given))
    if options.wavelengths is None:
        return scene
    wavelengths, fwhm = io.open_wavelengths(options.wavelengths)
    if len(wavelengths) != len(scene.bands):
        raise UsageError(
            f"{options.wavelengths}: has the wavelengths of {len(wavelengths)} bands, and "
            f"{scene.source or scene.name} has {len(scene.bands)}: give those of this scene, one for each band"
        )
    info("wavelengths", f"{min(wavelengths):g} to {max(wavelengths):g} nm, from {options.wavelengths}")
    if scene.wavelengths and (far := np.abs(np.subtract(scene.wavelengths, wavelengths)).max()) > SAME_WAVELENGTH:
        warning(
            f"{scene.source or scene.name}: its own wavelengths, up to {far:.4g} nm away from those of "
            f"{options.wavelengths}, are not used"
        )
    return replace(scene, wavelengths=wavelengths, fwhm=fwhm)


def _paths_of(scene: SceneLike) -> list[Path]:
    """The files that are one scene: of a folder without a product its bands; empty for a scene in memory."""
    many = isinstance(scene, (list, tuple)) and scene and all(isinstance(path, (str, Path)) for path in scene)
    given: Any = scene if many else [scene] if isinstance(scene, (str, Path)) else []
    paths = [Path(path) for path in given]
    folder = paths[0] if len(paths) == 1 and not is_remote(paths[0]) and paths[0].is_dir() else None
    if folder is None or is_store(folder) or find_product(folder) != folder:
        return paths
    return list_band_files(folder) or paths


def name_scene(paths: Sequence[Path]) -> str:
    """A name for the scene in one or several files, such as for the folder of a run."""
    return paths[0].stem if len(paths) == 1 else common_name([path.stem for path in paths])


def _join_parts(parts: Sequence[Scene], options: InputSettings) -> Scene:
    """The files of a scene as one, with the given nodata value."""
    if options.georef and len(parts) > 1 and any(len(part.bands) > 1 for part in parts):
        where = parts[0].source or parts[0].name
        raise UsageError(f"georef={options.georef} is the place of one file: leave it out, or give {where} alone")
    if options.nodata is not None:
        parts = [part.declare_nodata(options.nodata) for part in parts]
    return join_scenes(parts)


def _scene_of_array(cube: NDArray[Any], axes: str | None, labels: tuple[int, int] | None) -> Scene:
    """An array in memory as a scene: ``(H, W, B)``, unless ``axes`` or the size of its labels say otherwise."""
    if cube.ndim != 3:
        return scene_from_array(cube)  # raises
    found = find_axes(cube.shape, planes=[{labels} if labels else ()], usual="HWB")
    order = parse_axes(axes) if axes else found.order if found else "HWB"
    form = "array" if order == "HWB" else f"array, axes {order}"
    return scene_from_array(arrange_axes(cube, order), axes=order, format=form)


def _fill_masked(array: Any) -> NDArray[Any]:
    """An array as such; a masked one, as rasterio reads it, with NaN where it is masked."""
    if not isinstance(array, np.ma.MaskedArray):
        return np.asanyarray(array)
    if not np.ma.is_masked(array):
        return np.asarray(array.data)
    return np.asarray(np.ma.filled(array.astype(np.result_type(array.dtype, np.float32)), np.nan))


def _size_of_labels(labels: Any) -> tuple[int, int] | None:
    """Rows and columns of labels in memory; None for others."""
    if labels is None or isinstance(labels, (str, Path)) or is_dataarray(labels):
        return None
    shape = labels.values.shape if isinstance(labels, LabelMap) else np.shape(labels)
    return (shape[0], shape[1]) if len(shape) == 2 else None


def open_labels(
    labels: LabelsLike | None,
    like: Scene,
    *,
    variable: str | None = None,
    background: int | None = None,
    field: str | None = None,
    layer: str | None = None,
    name_field: str | None = None,
    crs: str | None = None,
    classes: Path | str | None = None,
    all_touched: bool = False,
    align: bool = False,
) -> LabelMap:
    """Labels ``(H, W)`` of the scene ``like``: a class raster, polygons, an array, a ``DataArray``, or a label map.

    Without ``labels`` they are looked for in the scene's own file and next to it. ``background`` is what means
    unlabelled: 0, or what the file says. ``classes`` is a file of their ids, names and colours: a QML or SLD style, a
    CSV table, an earlier map or a saved model. ``variable`` and ``align`` are for rasters; ``field``, ``layer``,
    ``name_field``, ``crs`` and ``all_touched`` for polygons and points (see :func:`hsi.io.open_labels`). Raises
    :class:`LabelError` for labels that are missing or do not fit the scene, :class:`SceneFileError` for a damaged file
    and :class:`UsageError` for an option that has no meaning for these labels.
    """
    of_files = {"label_variable": variable, "label_field": field, "label_layer": layer, "label_name_field": name_field}
    of_files["label_crs"] = crs
    common = {"background": background, "classes": classes, "all_touched": all_touched, "align": align}
    options = input_settings(**of_files, **common)
    return open_any_labels(labels, like, options)


def open_any_labels(
    labels: LabelsLike | None, scene: Scene, options: InputSettings, like: xarray.DataArray | None = None
) -> LabelMap:
    """:func:`open_labels` with its settings together; ``like`` is the ``DataArray`` that the scene is from.

    Notes of the file's reader are reported as warnings.
    """
    if labels is None or isinstance(labels, (str, Path)):
        with progress("labels"):
            read = io.open_labels(labels, scene, options)
        if labels is not None and (read.source, read.variable) == (scene.source, scene.variable):
            raise UsageError(
                f"{labels}: given as the scene and as its labels: give the image first, --labels LABELS then"
            )
        _report_notes(read.notes)
        return read.within(scene.area.inside) if scene.area else read
    options.check_in_memory()
    background = options.background
    if isinstance(labels, LabelMap):
        read = labels
        if background not in (None, read.background):
            raise UsageError(f"background={background}, and these labels have {read.background} already: leave it out")
    else:
        array: Any = labels
        grid = scene if like is None else like
        values = labels_from_dataarray(array, grid) if is_dataarray(array) else _fill_masked(array)
        if values.ndim == 3 and values.shape[:2] == (scene.height, scene.width) and values.dtype.kind in "iufb":
            values, note = decode_one_hot(values, "labels")
            warning(f"labels: {note}")
        read = label_map(values, background=background or 0)
        for note in note_fill_values(read, {}, background):
            warning(f"labels: {note}")
    if scene.area and read.values.shape == (scene.area.full.height, scene.area.full.width):
        read = read.within(scene.area.inside, scene.area.window)
    if read.values.shape != (scene.height, scene.width):
        shapes = f"the labels are {read.values.shape}, the scene {scene.name} is {(scene.height, scene.width)} pixels"
        raise LabelError(f"labels: {shapes}: give the labels of this scene")
    read = read.within(scene.area.inside) if scene.area else read
    if options.classes is None:
        return read
    named = apply_class_file(read, open_classes(options.classes))
    _report_notes(named.notes[len(read.notes) :])
    return named


def _report_notes(notes: Sequence[str]) -> None:
    for note in notes:
        warning(f"labels: {note}")


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
    mask = open_masks(options, scene)
    if scene.format.startswith("ENVI"):
        stored = scene if scene.stored is None else scene.stored
        if has_swapped_bytes(take_sample(stored, CHECKED_BYTES).read()):
            warning(
                f"{scene.source or scene.name}: its values are like noise, and are not with their bytes swapped: "
                "check 'byte order' in the header, 0 is little-endian and 1 big-endian"
            )
    if scene.dtype.kind == "u" and ends_with_alpha(take_sample(scene, CHECKED_BYTES).read()):
        number = scene.bands[-1] + 1
        warning(
            f"{scene.source or scene.name}: band {number} has only 0 and {np.iinfo(scene.dtype).max}, and all pixels "
            "with 0 are equal in the others, as in an alpha band that is not declared: "
            f"--drop-bands {number} leaves it out"
        )
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


def read_inputs(scene: SceneLike, labels: LabelsLike | None, options: InputSettings) -> Inputs:
    """Open a scene and its labels, look for bad pixels and bands, and report what was found.

    Raises :class:`SceneError` when no pixel can be used and :class:`LabelError` when no labelled one can.
    """
    opened = open_any_scene(scene, options, labels=labels)
    like: Any = scene if is_dataarray(scene) else None
    return prepare_inputs(opened, open_any_labels(labels, opened, options, like), options)


def prepare_inputs(scene: Scene, labels: LabelMap, options: InputSettings) -> Inputs:
    """Look for bad pixels and bands of an open scene, and say what was found; raises as :func:`read_inputs` does."""
    file_bands, where = len(scene.bands), scene.source or scene.name
    scene, labels, known_as = recognised(scene, labels, options)
    bands = choose_input_bands(scene, options)
    say_inputs(scene, labels, known_as)
    bands, survey = survey_bands(scene, bands, options)
    say_dropped(bands, survey)
    if options.nodata and not survey.nodata + survey.filled + survey.not_finite:
        warning(
            f"{where}: no pixel has the value {format_value(options.nodata)} of --nodata: check it, or leave it out"
        )
    check_usable(survey, where)
    scene = bands.apply(scene).exclude_fill(survey.fill)
    labels = labels.masked(survey.valid)
    if not labels.labelled.any():
        raise LabelError(
            f"{labels.source or 'labels'}: none of its labelled pixels can be used in {where}: label others"
        )
    fill = survey.found_fill | Fill(() if options.nodata is None else (options.nodata,))
    more: dict[str, Any] = {"masks": mask_files(options), "levels": survey.useful_levels, "fill": fill}
    return Inputs(scene, survey, labels, known_as, file_bands, bands, classes=options.classes, **more)


def recognised(scene: Scene, labels: LabelMap, options: InputSettings) -> tuple[Scene, LabelMap, str | None]:
    """A benchmark scene with its class names and colours, its wavelengths when the file lacks them, and its title.

    It is known by its ground truth, never by the file's name; any other scene comes back as it is, with None. Names and
    colours of a class file stay. Where the scene is cropped, the ground truth of all of it decides.
    """
    full, known = scene.area.full if scene.area else scene, _labels_before_cropping(scene, labels, options)
    facts = recognise_scene((full.height, full.width), known.counts) if known else None
    if facts is None:
        return scene, labels, None
    if scene.wavelengths is None and full.shape == facts.shape:
        scene = replace(scene, wavelengths=facts.wavelengths, fwhm=facts.fwhm)
    table = facts.table
    if scene.area:  # with the classes in the area alone
        table = labels.table.renamed(
            dict(zip(table.ids, table.names, strict=True)), dict(zip(table.ids, table.colours, strict=True))
        )
    return scene, labels if options.classes else replace(labels, table=table), facts.title


def _labels_before_cropping(scene: Scene, labels: LabelMap, options: InputSettings) -> LabelMap | None:
    """The labels of all of a cropped scene, from their file; None where it is not of the size of a benchmark scene."""
    if scene.area is None:
        return labels
    if labels.source is None:
        return None
    full = scene.area.full
    if (full.height, full.width) not in {scene_facts(name).shape[:2] for name in scene_names()}:
        return None
    with suppress(HsiError):
        return io.open_labels(None if labels.source == full.source else labels.source, full, options)
    return None


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
    zero = f"hidden by the {survey.hiding} or zero in all bands" if survey.hiding else "zero in all bands"
    kinds = {"NaN or infinite": survey.not_finite, "nodata": survey.nodata, zero: survey.zero}
    kinds["masked"] = survey.masked
    kinds[f"of the value {' or '.join(map(format_value, survey.found))}"] = survey.filled
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    total = survey.valid.size
    text = f"{survey.invalid:,} of {total:,} pixels ({survey.invalid / total:.1%}) cannot be used: {listed}"
    if survey.filled:
        text += f", which the file does not declare as no data: --nodata {format_value(survey.found[0])} does"
    return text


def estimate_memory(scene: Scene, settings: Settings) -> dict[str, int]:
    """Bytes that a scene takes in several forms, by their description: with the reducer and the windows of the
    settings, or the usual ones where these are open."""
    (height, width, bands), reducer = scene.shape, find_reducer(settings.reducer)
    usual = getattr(reducer, "usual_components", bands)  # identity takes all bands
    components = min(settings.reducer.components or usual, bands)
    windows = settings.model.windows or (USUAL_WINDOW, SECOND_WINDOW)
    reduced, sides = height * width * components * 4, " and ".join(f"{side} x {side}" for side in windows)
    return {
        "as a cube of float64 (it is read in blocks)": height * width * bands * 8,
        f"as {components} components of float32 ({reducer.name})": reduced,
        f"if the {sides} windows of every pixel were cut out (hsi does not)": reduced * sum(n**2 for n in windows),
    }


def complete_labels(inputs: Inputs, settings: Settings) -> Inputs:
    """The inputs with the classes that a given split has for pixels without a label, which is reported.

    Raises :class:`SplitError` where the split has another class than the labels.
    """
    given, labels = settings.split.given, inputs.labels
    classes = open_split_classes(given, inputs.scene) if given else None
    if classes is None:
        return inputs
    present = (classes > 0) & inputs.survey.valid
    wrong = present & np.where(labels.labelled, labels.values != classes, ~np.isin(classes, labels.table.ids))
    if wrong.any():
        raise SplitError(
            f"{given}: {np.count_nonzero(wrong):,} of its pixels have another class in "
            f"{labels.source or 'the labels'}: give the labels that the split is of"
        )
    added = present & ~labels.labelled
    if not added.any():
        return inputs
    info("labels", f"{given}: {np.count_nonzero(added):,} more pixels, to which the split alone gives a class")
    return replace(inputs, labels=replace(labels, values=np.where(added, classes, labels.values).astype(np.int32)))


def split_labels(inputs: Inputs, settings: Settings) -> Split:
    """Make the split and say its sizes, what it left out and its warnings."""
    wanted = settings.split
    given = open_split(wanted.given, inputs.scene) if wanted.given else None
    split = make_split(
        inputs.labels, split_request(settings), rule=wanted.rule or choose_rule(inputs.labels)[0], given=given
    )
    sizes = {"training": split.train, "validation": split.validation, "test": split.test}
    listed = ", ".join(f"{int(mask.sum()):,} {name}" for name, mask in sizes.items() if mask.any())
    seed = "" if split.seed is None else f", seed {split.seed}"
    info("split", f"{split.rule}{seed}: {listed} pixels")
    for note in split.notes:
        info("", note)
    for text in split.warnings:
        warning(text)
    return split


def mask_files(options: InputSettings) -> tuple[Path, ...]:
    """The files of the masks and of the area of interest."""
    return tuple(mask_file(path)[0] for path in (options.aoi, options.mask, options.mask_out) if path)


def input_files(scene: object, reading: InputSettings, labels: object = None) -> list[Path]:
    """The files that are named as scene, labels and in the settings of how to read them."""
    scenes = scene if isinstance(scene, (list, tuple)) else [scene]
    named = [*scenes, labels, *(getattr(reading, name) for name in InputSettings.model_fields)]
    paths = (Path(one) for one in (*scenes, labels) if isinstance(one, str))
    return [*(one for one in named if isinstance(one, Path)), *paths, *mask_files(reading)]


def given_files(settings: Settings) -> tuple[Path, ...]:
    """The files that a given split is in; none for any other split."""
    return split_files(settings.split.given) if settings.split.given else ()
