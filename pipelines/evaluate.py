"""``hsi evaluate``: how accurate a map is, by labels that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from hsi.settings import InputSettings
from hsi.workflows.inputs import open_input_labels
from hsi.workflows.outputs import REPORT, split_of_run
from hsi.workflows.outputs import find_confidence as find_map_confidence
from hsi.workflows.run_folder import check_free_file

from .cli_support.completion import Choice
from .cli_support.help import Command
from .cli_support.options import label_options
from .cli_support.results import show_accuracy, show_estimate
from .cli_support.terminal import progress, say, warn
from .reporting import write_evaluation_report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.accuracy.area_estimation import Design
    from hsi.accuracy.metrics import ConfusionMatrix
    from hsi.core.labels import ClassTable, LabelMap
    from hsi.core.scene import Scene

DESIGN = Choice(("simple", "stratified"))
FIGURE = "reliability.png"
ALIKE = 1e-6  # relative difference of the areas of pixels, which a projected grid has by rounding
EPILOG = """\b
Examples:
  hsi evaluate map.tif --labels reference.gpkg --label-field class
  hsi evaluate runs/demo/map.tif --labels truth.tif --out accuracy
  hsi evaluate map.tif --labels points.gpkg --label-field class \\
      --design stratified
"""


@click.command("evaluate", cls=Command, epilog=EPILOG)
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@label_options
@click.option("--design", type=DESIGN, help="How the reference was drawn at random: from the whole map, or by class.")
@click.option(
    "--confidence", type=click.Path(path_type=Path), help="Confidence of MAP, 0 to 1. [default: the file beside it]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for report.html, tables as .json, .csv, .md, .tex, and a figure.",
)
@click.option("--overwrite", is_flag=True, help="Replace these files in that folder.")
def command(
    map_path: Path,
    inputs: InputSettings,
    design: Design | None,
    confidence: Path | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Compare MAP, a class raster, with reference labels: accuracy per class, OA, AA and kappa.

    Classes are matched by name, or by id where one side has no names. Every labelled pixel that the map covers
    counts, so the labels must be ones that the map was not trained on.

    Where the labelled pixels are a random sample of the map, --design estimates the accuracy of all of it and the
    true area of each class, with 95 % intervals.
    """
    from hsi.errors import UsageError

    if inputs.labels is None:
        raise UsageError("give the reference with --labels, for example --labels reference.gpkg --label-field class")
    if out:
        for name in (*(f"accuracy.{suffix}" for suffix in ("json", "csv", "md", "tex")), FIGURE, REPORT):
            check_free_file(out / name, overwrite)
    pair = read_both(map_path, inputs)
    with progress("compare"):
        report = compare(pair) | {"seen": seen_pixels(pair, map_path)}
    if report["seen"]:
        warn(seen_in_words(pair, report["seen"]))
    with progress("calibration"):
        found = find_confidence(pair, map_path, confidence)
        report["calibration"] = None if found is None else calibration(pair, found)
    if design:
        report["estimate"] = estimate(pair, design, report["seen"])
    show_accuracy(report)
    if design:
        show_estimate(report["estimate"])
    if out:
        write(out, report)
        write_evaluation_report(out / REPORT, pair, map_path, found, report)
        say("", str(out / REPORT))
        say("open", f"{out / REPORT} in a browser")


@dataclass(frozen=True, eq=False)
class Pair:
    """A map and its reference on one grid. ``truth`` and ``found`` ``(H, W)`` are positions in ``table``, the classes
    of the map; -1 is unlabelled in the one and unclassified in the other."""

    mapped: LabelMap
    reference: LabelMap
    grid: Scene
    table: ClassTable
    truth: NDArray[np.int64]
    found: NDArray[np.int64]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Labelled pixels that the map covers."""
        return np.asarray((self.truth >= 0) & self.mapped.labelled)

    @property
    def uncovered(self) -> int:
        """Labelled pixels where the map has no data."""
        return int(np.count_nonzero((self.truth >= 0) & ~self.mapped.labelled))

    def confusion(self) -> ConfusionMatrix:
        """The counted pixels by both."""
        from hsi.accuracy.metrics import confusion_matrix

        return confusion_matrix(self.truth[self.counted], self.found[self.counted], len(self.table))


def read_both(map_path: Path, options: InputSettings) -> Pair:
    """The map and the reference on its grid."""
    from hsi.core.labels import codes_of, drop_class
    from hsi.inference.map_files import UNCLASSIFIED
    from hsi.io import open_scene

    with progress("map"):
        mapped = read_map(map_path)
    grid = open_scene(map_path)
    reference = open_input_labels(grid, options)
    say("map", f"{map_path}: {grid.height} x {grid.width} pixels, {len(mapped.table)} classes")
    labelled = np.count_nonzero(reference.labelled)
    say("reference", f"{reference.source}: {len(reference.table)} classes, {labelled:,} labelled pixels")
    table = mapped.table if UNCLASSIFIED in reference.table.names else drop_class(mapped.table, UNCLASSIFIED)
    truth = np.array([*class_codes(table, reference), -1])[codes_of(reference.values, reference.table)]
    truth = np.where(reference.labelled, truth, -1)
    pair = Pair(mapped, reference, grid, table, truth, codes_of(mapped.values, table))
    if pair.uncovered:
        warn(f"{pair.uncovered:,} labelled pixels lie where the map has no data and are not counted")
    return pair


def read_map(path: Path) -> LabelMap:
    """A class raster with all classes that it names, those that no pixel has among them.

    Raises :class:`LabelError` for a raster that holds no classes and :class:`SceneFileError` for a damaged one.
    """
    from hsi.core.labels import default_table
    from hsi.errors import LabelError, SceneError
    from hsi.io import open_labels, open_scene
    from hsi.io.open import reader_for

    try:
        mapped = open_labels(path, open_scene(path))
    except (LabelError, SceneError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise LabelError(f"{path}: is no class map, which has one band of whole numbers: {reason}") from error
    reader = reader_for(path)
    names = reader.read_labels(path, reader.arrays(path)[0]).names
    named = {i for i in names if i >= 0 and i != mapped.background}
    known = dict(zip(mapped.table.ids, mapped.table.names, strict=True))
    table = default_table([*{*named, *known}]).renamed({**names, **known})
    return replace(mapped, table=table)


def compare(pair: Pair) -> dict[str, Any]:
    """The accuracy report of a map by the reference labels where the map has data."""
    from hsi.accuracy.metrics import measure_accuracy

    report = measure_accuracy(pair.confusion(), pair.table, [0] * len(pair.table))
    return {
        "model": str(pair.mapped.source),
        "split": f"reference {pair.reference.source}",
        "seed": None,
        **report,
        "uncovered": pair.uncovered,
        "audit": None,
    }


def find_confidence(pair: Pair, map_path: Path, given: Path | None) -> NDArray[Any] | None:
    """The map's confidence ``(H, W)``, NaN where there is none; None without a file of it.

    Raises what is wrong with a confidence that was ``given``; one that merely lies beside the map is left out then.
    """
    from hsi.errors import SceneError, SceneFileError
    from hsi.io.masks import open_confidence

    path = given or find_map_confidence(map_path)
    if path is None:
        return None
    try:
        return open_confidence(path, pair.grid)
    except (SceneError, SceneFileError) as error:
        if given:
            raise
        warn(f"no calibration: {error}")
        return None


def calibration(pair: Pair, confidence: NDArray[Any]) -> dict[str, Any] | None:
    """How far the map's confidence can be trusted, on the pixels that it names; None without one."""
    from hsi.accuracy.calibration import measure_calibration

    named = pair.counted & (pair.found >= 0) & np.isfinite(confidence)
    found = measure_calibration(confidence[named], (pair.found == pair.truth)[named])
    return found.to_dict() if found else None


def seen_pixels(pair: Pair, map_path: Path) -> int:
    """Counted pixels that trained or validated the run of ``hsi classify`` that the map is from."""
    from hsi.splits.split import TRAIN, VALIDATION

    codes = split_of_run(map_path, pair.truth.shape)
    return 0 if codes is None else int(np.count_nonzero(pair.counted & np.isin(codes, (TRAIN, VALIDATION))))


def seen_in_words(pair: Pair, seen: int) -> str:
    """What it means that a map was made with some of the pixels that it is compared with."""
    total = np.count_nonzero(pair.counted)
    return f"{seen:,} of the {total:,} labelled pixels trained or validated this map, which flatters it: leave them out"


def estimate(pair: Pair, design: Design, seen: int) -> dict[str, Any]:
    """Accuracy and areas of the whole map from a random sample of it; doubts that it is one are warned of."""
    from hsi.accuracy.area_estimation import estimate_map
    from hsi.accuracy.sample_checks import ReferencePixels, check_sampling
    from hsi.core.georeference import pixel_hectares

    classes = len(pair.table)
    strata = np.where(pair.mapped.labelled, np.where(pair.found < 0, classes, pair.found), -1)
    pixels = ReferencePixels(strata, pair.counted, (*pair.table.names, "unclassified"), pair.reference.polygons)
    found = estimate_map(pair.confusion().square, pixels.in_map, pair.table, design)
    doubts = check_sampling(pixels, design)
    for doubt in doubts:
        warn(f"--design {design}: {doubt}")
    if seen:
        doubts.insert(0, seen_in_words(pair, seen))
    hectares = pixel_hectares(pair.grid.georeference, pair.grid.height, pair.grid.width)
    alike = hectares is not None and np.ptp(hectares) <= ALIKE * hectares.max()
    return found.to_dict(float(hectares.mean()) if hectares is not None and alike else None) | {"doubts": doubts}


def write(out: Path, report: dict[str, Any]) -> None:
    """The tables and, with a calibration, its figure."""
    from hsi.report.figures import reliability_figure, write_figure
    from hsi.report.tables import write_tables

    paths = write_tables(out, report)
    if report["calibration"]:
        paths.append(out / FIGURE)
        write_figure(out / FIGURE, reliability_figure(report["calibration"]))
    else:
        (out / FIGURE).unlink(missing_ok=True)  # of an evaluation that is replaced
    for i, path in enumerate(paths):
        say("" if i else "written", str(path))
    say("open", f"{out / 'accuracy.md'}{f', or look at {paths[-1]}' if report['calibration'] else ''}")


def class_codes(table: ClassTable, reference: LabelMap) -> list[int]:
    """For each class of the reference its position in the map's table, by name, whatever the case and the spaces.

    Where one side names its classes by nothing but their ids, the ids count. Raises :class:`LabelError` for a class
    that the map does not know.
    """
    from hsi.errors import LabelError
    from hsi.io.geotiff import printable_name

    def key(name: str) -> str:
        return " ".join(printable_name(name).split()).casefold()

    theirs = reference.table
    ours = [key(name) for name in table.names]
    wanted = [key(name) for name in theirs.names]
    if set(wanted) <= set(ours):
        return [ours.index(name) for name in wanted]
    if (only_numbered(table) or only_numbered(theirs)) and set(theirs.ids) <= set(table.ids):
        return [table.ids.index(i) for i in theirs.ids]
    strange = [name for name, asked in zip(theirs.names, wanted, strict=True) if asked not in ours]
    raise LabelError(
        f"{reference.source}: the map has no class {', '.join(strange[:5])}; it has {', '.join(table.names)}"
    )


def only_numbered(table: ClassTable) -> bool:
    """Whether the names say no more than the ids."""
    return all(name in (f"class {i}", str(i)) for i, name in zip(table.ids, table.names, strict=True))
