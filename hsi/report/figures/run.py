"""The figures of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import ClassTable, codes_of
from hsi.core.scene import Georeference, Scene
from hsi.errors import SceneFileError, UsageError
from hsi.io.geotiff import gdal_env, nodata_value, read_classes
from hsi.report.figures.charts import confusion_figure, reliability_figure, training_curves_figure
from hsi.report.figures.layout import Image
from hsi.report.figures.maps import (
    class_map_figure,
    confidence_figure,
    difference_figure,
    false_colour_figure,
    split_figure,
    truth_and_map_figure,
)
from hsi.report.figures.scale_bar import Ground, ground_of
from hsi.report.figures.spectra import ClassSpectra, Progress, class_spectra, spectra_figure
from hsi.report.figures.style import write_figure
from hsi.report.records import RunRecord
from hsi.splits.split import TEST, TRAIN

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RUN_FIGURES = {
    "map": "the class map with a legend",
    "false_colour": "three bands of the scene",
    "ground_truth": "the labels",
    "truth_and_map": "the labels beside the map",
    "difference": "test pixels that are right and wrong",
    "split": "pixels that train, validate and test",
    "confidence": "the largest class probability",
    "spectra": "mean spectra of the classes' training pixels",
    "confusion_matrix": "test pixels by class and mapped class",
    "reliability": "accuracy against confidence",
    "training_curves": "loss, accuracy and learning rate",
}
COMPARISON_FIGURES = {
    "comparison": "overall accuracy of every run",
    "pareto": "accuracy against what networks cost",
}


Draw = Callable[[], "Figure"]
FigureProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RunFigures:
    """What the figures of a run are drawn from; what is None is not drawn.

    ``ids`` and ``truth`` are class ids ``(H, W)``, ``tested`` the ``(H, W)`` bool mask of the pixels that count,
    ``matrix`` the confusion matrix in the order of ``table``, ``calibration`` is for :func:`reliability_figure`,
    ``split`` the codes of the split ``(H, W)``, ``confidence`` ``(H, W)`` from 0 to 1 with NaN where there is no data.
    With ``ground`` maps have a scale bar and a north arrow.
    """

    title: str
    table: ClassTable
    ids: NDArray[Any]
    picture: Image | None
    truth: NDArray[Any] | None = None
    tested: NDArray[np.bool_] | None = None
    matrix: NDArray[np.integer[Any]] | None = None
    history: Sequence[Mapping[str, Any]] = field(default=())
    calibration: Mapping[str, Any] | None = None
    split: NDArray[Any] | None = None
    confidence: NDArray[Any] | None = None
    spectra: ClassSpectra | None = None
    ground: Ground | None = None


def drawings(run: RunFigures) -> dict[str, Draw]:
    """How each figure of a run that can be drawn is drawn, by its name, in the order of :data:`RUN_FIGURES`."""
    found = {**_maps(run), **_charts(run)}
    return {name: found[name] for name in RUN_FIGURES if name in found}


def _maps(run: RunFigures) -> dict[str, Draw]:
    truth, tested, title, ground = run.truth, run.tested, run.title, run.ground
    picture, split, confidence = run.picture, run.split, run.confidence
    found: dict[str, Draw] = {"map": lambda: class_map_figure(run.ids, run.table, f"{title}: map", ground=ground)}
    if picture is not None:
        found["false_colour"] = lambda: false_colour_figure(picture, f"{title}: false colour", ground)
    if truth is not None:
        named = f"{title}: ground truth"
        found["ground_truth"] = lambda: class_map_figure(truth, run.table, named, "not labelled", ground)
        found["truth_and_map"] = lambda: truth_and_map_figure(truth, run.ids, run.table, title, ground)
        if tested is not None:
            told = f"{title}: right and wrong"
            found["difference"] = lambda: difference_figure(run.ids, truth, tested, told, ground)
    if split is not None:
        found["split"] = lambda: split_figure(split, f"{title}: split", ground)
    if confidence is not None:
        found["confidence"] = lambda: confidence_figure(confidence, f"{title}: confidence", ground)
    return found


def _charts(run: RunFigures) -> dict[str, Draw]:
    matrix, calibration, spectra = run.matrix, run.calibration, run.spectra
    found: dict[str, Draw] = {}
    if spectra is not None and spectra.pixels.any():
        found["spectra"] = lambda: spectra_figure(spectra, run.table, run.title)
    if matrix is not None:
        found["confusion_matrix"] = lambda: confusion_figure(matrix, run.table.names)
    if calibration is not None:
        found["reliability"] = lambda: reliability_figure(calibration)
    if run.history:
        found["training_curves"] = lambda: training_curves_figure(run.history)
    return found


def write_figures(
    folder: Path,
    run: RunFigures,
    *,
    kind: str = "png",
    only: Collection[str] | None = None,
    progress: FigureProgress = lambda done, total, name: None,
) -> list[Path]:
    """Write the figures of a run into ``folder`` as ``kind`` (png, pdf or svg) and say which: those of
    :data:`RUN_FIGURES` that can be drawn, or the ones among them that are named in ``only``.

    ``progress(done, total, name)`` is called before each. Raises :class:`hsi.errors.OutputError` when one cannot be
    written.
    """
    wanted = {name: draw for name, draw in drawings(run).items() if only is None or name in only}
    paths = []
    for done, (name, draw) in enumerate(wanted.items()):
        progress(done, len(wanted), name)
        path = Path(folder) / f"{name}.{kind}"
        write_figure(path, draw())
        paths.append(path)
    return paths


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
        with gdal_env(), rasterio.open(path, driver="GTiff") as raster:
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


def scene_of_run(scene: Scene, record: RunRecord) -> Scene:
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
