"""A run's figures from what lies in its folder, so that they can be drawn again as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import ClassTable, codes_of
from hsi.core.scene import Georeference, Scene
from hsi.errors import SceneFileError, UsageError
from hsi.io.gdal import quiet
from hsi.io.geotiff import nodata_value, read_classes
from hsi.report.figures import ClassSpectra, RunFigures, ground_of
from hsi.report.figures.layout import Image
from hsi.report.figures.spectra import Progress, class_spectra
from hsi.report.records import RunTold
from hsi.splits.split import TEST, TRAIN

TRUTH = "ground_truth.tif"
Report = Mapping[str, Any]


def figures_of_run(
    folder: Path,
    report: Report,
    *,
    title: str,
    history: Any = (),
    picture: Image | None = None,
    spectra: ClassSpectra | None = None,
) -> RunFigures:
    """What can be drawn of the rasters in a run's folder and its accuracy ``report``.

    ``picture`` and ``spectra`` are of the scene, which is not in the folder; see :func:`scene_spectra`. Raises
    :class:`SceneFileError` for rasters that are missing, damaged or not of one size.
    """
    place, _ = _place_and_colours(folder / "map.tif")
    table = table_of(folder, report)
    ids, split = _raster(folder / "map.tif"), _raster(folder / "split.tif")
    truth, confidence = (_raster(folder / name, needed=False) for name in (TRUTH, "confidence.tif"))
    for name, raster in (("split.tif", split), (TRUTH, truth), ("confidence.tif", confidence)):
        if raster is not None and raster.shape != ids.shape:
            raise SceneFileError(f"{folder / name}: is of another size than the map beside it, so the run is damaged")
    return RunFigures(
        title=title,
        table=table,
        ids=ids,
        picture=picture,
        truth=truth,
        tested=split == TEST,
        matrix=np.asarray(report["confusion_matrix"]),
        calibration=report.get("calibration"),
        history=history or (),
        split=split,
        confidence=confidence,
        spectra=spectra,
        ground=ground_of(place, *ids.shape),
    )


def _place_and_colours(path: Path) -> tuple[Georeference | None, dict[int, tuple[int, ...]]]:
    """Where a class map lies, and the colours of its ids."""
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with quiet(), rasterio.open(path, driver="GTiff") as raster:
            crs, transform, colours = raster.crs, raster.transform, raster.colormap(1)
    except (RasterioError, ValueError) as error:
        raise SceneFileError(f"{path}: cannot be read as a class map ({error})") from error
    a, b, c, d, e, f = (float(number) for number in tuple(transform)[:6])
    place = None if transform.is_identity else Georeference(crs.to_wkt() if crs else None, (a, b, c, d, e, f))
    return place, colours


def _raster(path: Path, needed: bool = True) -> Any:
    """The first band ``(H, W)``, or None for a file that is not needed and not there."""
    return read_classes(path) if needed or path.is_file() else None


def has_truth(folder: Path) -> bool:
    """Whether a run kept its ground truth; runs of the first versions of hsi did not."""
    return (folder / TRUTH).is_file()


def table_of(folder: Path, report: Report) -> ClassTable:
    """The classes of a run: ids and names from its accuracy ``report``, colours from its map."""
    _, colours = _place_and_colours(folder / "map.tif")
    ids = tuple(int(entry["id"]) for entry in report["classes"])
    names = tuple(str(entry["name"]) for entry in report["classes"])
    missing = [i for i in ids if i not in colours]
    if missing:
        raise SceneFileError(f"{folder / 'map.tif'}: has no colour for class {missing[0]}, so the run is damaged")
    return ClassTable(ids, names, tuple((colours[i][0], colours[i][1], colours[i][2]) for i in ids))


def usable_pixels_of(folder: Path, table: ClassTable) -> NDArray[np.bool_]:
    """The pixels ``(H, W)`` that the map of a run has a class for: those that the scene has values for."""
    return np.asarray(_raster(folder / "map.tif") != nodata_value(table))


def training_spectra(folder: Path, table: ClassTable, scene: Scene, progress: Progress | None = None) -> ClassSpectra:
    """Spectra of the training pixels of a run, by the ground truth and the split in its folder.

    Raises :class:`SceneFileError` for a run without its ground truth; see :func:`has_truth`.
    """
    truth = _raster(folder / TRUTH, needed=False)
    if truth is None:
        raise UsageError(f"{folder}: has no {TRUTH}, as runs of older versions of hsi: run it anew")
    codes = np.where(_raster(folder / "split.tif") == TRAIN, codes_of(truth, table), -1)
    return class_spectra(scene, codes, len(table), progress)


def scene_of_run(scene: Scene, record: RunTold) -> Scene:
    """An opened scene with the bands and wavelengths that a run of ``record`` (its run.json) used.

    Raises :class:`UsageError` when it does not have these bands.
    """
    kept = [number - 1 for number in record.bands.kept]
    positions = {band: position for position, band in enumerate(scene.bands)}
    if not set(kept) <= positions.keys():
        raise UsageError(f"{scene.source}: has {len(scene.bands)} bands, and the run used others: it is another scene")
    scene = scene.keep_bands([positions[band] for band in kept])
    known = record.inputs.wavelengths_nm
    return replace(scene, wavelengths=known) if known else scene
