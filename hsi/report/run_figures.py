"""The figures of a finished run, drawn from the files in its folder and from its scene."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from hsi.core.events import progress, warning
from hsi.core.files import hash_files
from hsi.core.georeference import georeference_of
from hsi.core.labels import ClassTable, codes_of
from hsi.core.scene import Block, Georeference, Scene, crop_scene
from hsi.errors import HsiError, SceneFileError, UsageError
from hsi.io import files_of, open_scene
from hsi.io.formats.gdal import is_remote
from hsi.io.geotiff import gdal_env, nodata_value, read_classes
from hsi.preprocessing.stack import join_scenes
from hsi.report.figures import RunFigures, class_spectra, false_colour, ground_of
from hsi.report.records import AccuracyRecord, RunRecord, read_record
from hsi.splits.split import TEST, TRAIN

TRUTH = "ground_truth.tif"
OF_SCENE = ("false_colour", "spectra")  # figures of the scene itself, which is not in the folder of a run


def read_run_figures(folder: Path, names: Collection[str] = ()) -> RunFigures:
    """What the figures of a run are drawn from; its scene is read only for ``names`` that need it, or for all figures.

    A scene that is missing or has changed is an error for figures that are named, and else a warning. Raises
    :class:`SceneFileError` for files of the run that are missing, damaged or do not fit each other, and
    :class:`UsageError` for a scene that is not the one of the run.
    """
    record = read_record(folder / "run.json", RunRecord)
    report = read_record(folder / "accuracy.json", AccuracyRecord).model_dump()
    ids, place, colours = _read_map(folder / "map.tif")
    layers = {"split.tif": read_classes(folder / "split.tif")}
    layers |= {name: read_classes(folder / name) for name in (TRUTH, "confidence.tif") if (folder / name).is_file()}
    for name, layer in layers.items():
        if layer.shape != ids.shape:
            raise SceneFileError(f"{folder / name}: is of another size than the map next to it, so the run is damaged")
    split, truth = layers["split.tif"], layers.get(TRUTH)
    table = _class_table(folder / "map.tif", report, colours)
    figures = RunFigures(
        title=record.inputs.title or record.inputs.recognised_as or Path(record.inputs.scene).stem,
        table=table,
        ids=ids,
        truth=truth,
        tested=split == TEST,
        matrix=np.asarray(report["confusion_matrix"]),
        calibration=report["calibration"],
        history=[epoch.model_dump() for epoch in record.history or ()] or None,
        split=split,
        confidence=layers.get("confidence.tif"),
        ground=ground_of(place, *ids.shape),
    )
    wanted = [name for name in OF_SCENE if not names or name in names]
    try:
        scene = _open_scene_of(folder, record, ids.shape) if wanted else None
    except HsiError as error:
        if names:
            raise
        warning(f"without {' and '.join(wanted)}: {error}")
        return figures
    if scene and "false_colour" in wanted:
        with progress("picture", "rows") as advance:
            figures = replace(figures, picture=false_colour(scene, ids != nodata_value(table), advance))
    if scene and "spectra" in wanted and truth is not None:
        with progress("spectra", "rows") as advance:
            codes = np.where(split == TRAIN, codes_of(truth, table), -1)
            figures = replace(figures, spectra=class_spectra(scene, codes, len(table), advance))
    return figures


def _read_map(path: Path) -> tuple[NDArray[Any], Georeference | None, dict[int, tuple[int, ...]]]:
    """Class ids ``(H, W)``, their place and the colours of the classes."""
    try:
        with gdal_env(), rasterio.open(path, driver="GTiff") as raster:
            return raster.read(1), georeference_of(raster), raster.colormap(1)
    except (RasterioError, ValueError) as error:
        raise SceneFileError(f"{path}: cannot be read as a class map ({error})") from error


def _class_table(path: Path, report: Mapping[str, Any], colours: Mapping[int, tuple[int, ...]]) -> ClassTable:
    """The classes of a run: ids and names from its accuracy ``report``, ``colours`` from its map."""
    ids = tuple(entry["id"] for entry in report["classes"])
    missing = [i for i in ids if i not in colours]
    if missing:
        raise SceneFileError(f"{path}: has no colour for class {missing[0]}, so the run is damaged")
    rgb = tuple((colours[i][0], colours[i][1], colours[i][2]) for i in ids)
    return ClassTable(ids, tuple(entry["name"] for entry in report["classes"]), rgb)


def _open_scene_of(folder: Path, record: RunRecord, size: tuple[int, ...]) -> Scene:
    """The scene of a run, of the ``size`` of its map, with the bands and wavelengths that the run used."""
    if record.denoising:
        raise UsageError(
            f"{folder}: the run denoised its scene, which is not stored: its folder figures has those it drew"
        )
    paths = [Path(name) for name in record.inputs.parts or (record.inputs.scene,)]
    for path in paths:
        if is_remote(path):
            continue
        if not path.exists():
            raise UsageError(f"{path}: the scene of {folder} is not there any more (as seen from {Path.cwd()})")
        hashes = hash_files(files_of(path))
        if any(record.inputs.sha256.get(name) != value for name, value in hashes.items()):
            raise UsageError(f"{path}: has changed since {folder} was made from it, so it cannot be drawn for that run")
    how: dict[str, Any] = {"axes": record.inputs.axes, "asset": record.inputs.asset}
    scene = join_scenes([open_scene(path, record.inputs.variable, **how) for path in paths])
    positions = {band: position for position, band in enumerate(scene.bands)}
    used = [number - 1 for number in record.bands.used]
    if not set(used) <= positions.keys():
        raise UsageError(f"{scene.source}: has {len(scene.bands)} bands, and the run used others: it is another scene")
    scene = scene.keep_bands([positions[band] for band in used])
    if record.inputs.window:
        window = Block(*record.inputs.window)
        if window.row + window.height <= scene.height and window.column + window.width <= scene.width:
            scene = crop_scene(scene, window)
    if (scene.height, scene.width) != size:
        raise UsageError(f"{paths[0]}: is of another size than the map in {folder}, so it cannot be drawn for that run")
    wavelengths = record.inputs.wavelengths_nm
    return replace(scene, wavelengths=wavelengths) if wavelengths else scene
