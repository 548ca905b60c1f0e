"""The accuracy of a class map by reference labels: ``hsi evaluate`` and :func:`hsi.evaluate`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.accuracy.area_estimation import DESIGNS, Design, estimate_map
from hsi.accuracy.calibration import measure_calibration
from hsi.accuracy.metrics import ConfusionMatrix, confusion_matrix, measure_accuracy, measure_overall
from hsi.accuracy.sample_checks import ReferencePixels, check_sampling
from hsi.core import events
from hsi.core.georeference import pixel_hectares
from hsi.core.installation import versions
from hsi.core.labels import ClassTable, LabelMap, codes_of, default_table, drop_class, printable_name
from hsi.core.scene import Scene
from hsi.errors import HsiError, LabelError, SceneError, SceneFileError, UnknownNameError, UsageError
from hsi.inference.map_files import UNCLASSIFIED
from hsi.inference.training_pixels import runs_to_mask, text_to_runs
from hsi.io import files_of, open_labels, open_scene
from hsi.io.masks import open_confidence, pixels_in_use
from hsi.io.open import find_reader
from hsi.io.vector_files import is_vector, read_layer
from hsi.report.figures import reliability_figure, write_figure
from hsi.report.html import MapView, Provenance, Report, raster_colours, view_step, write_report_page
from hsi.report.records import MapRecord, RunRecord, read_record
from hsi.report.tables import FORMATS, write_tables
from hsi.settings import LABEL_INPUTS, PIXEL_INPUTS, InputSettings, input_settings
from hsi.splits.split import TRAIN, VALIDATION
from hsi.workflows.inputs import input_files, open_any_labels
from hsi.workflows.outputs import REPORT, file_of_run, find_confidence, split_of_run
from hsi.workflows.provenance import date_now, hash_files
from hsi.workflows.run_folder import check_new_files, new_files
from hsi.workflows.sample import MAP_PIXELS, OF_MAP

if TYPE_CHECKING:
    from hsi.workflows.inputs import LabelsLike

FIGURE = "reliability.png"
EQUAL = 1e-6  # relative difference of the areas of pixels, which a projected grid has by rounding


@dataclass(frozen=True, eq=False)
class MapAccuracy:
    """The accuracy of a map by reference labels; :func:`hsi.evaluate` returns it.

    ``report`` is what ``accuracy.json`` holds: ``overall_accuracy``, ``average_accuracy`` and ``kappa`` (fractions, or
    None), their ``intervals``, a mapping for each of ``classes``, the ``confusion_matrix`` (rows are the reference),
    the ``calibration`` of the confidence, the pixels ``uncovered`` by the map and those ``seen`` in its training
    (``measured_on`` is "training" where all were), the overall metrics of ``subsets`` without these and without
    unclassified pixels, and with a design the ``estimate`` for the map. ``files`` are the paths of what was written,
    the report last.
    """

    report: Mapping[str, Any]
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


def evaluate(
    map: Path | str,
    reference: LabelsLike,
    *,
    design: Design | None = None,
    confidence: Path | str | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    progress: bool | events.Report | None = None,
    command: Sequence[str] = ("hsi.evaluate",),
    **reading: Any,
) -> MapAccuracy:
    """Compare a class map with reference labels: accuracy per class, overall and average accuracy, and kappa.

    The same as ``hsi evaluate``. Classes are matched by name, or by id where one side has no names. Every labelled
    pixel that the map covers counts, so the labels should be ones that the map was not trained on: there is a warning
    of those that were, by the record next to the map, and an accuracy without them. Nothing is printed.

    Args:
        map: A class raster ``(H, W)`` of integers, such as ``map.tif`` of a run.
        reference: A file's path, an array ``(H, W)`` on the map's grid, a ``DataArray``, or a :class:`LabelMap`.
        design: ``simple`` or ``stratified`` where the reference is a random sample of the map, drawn from all of it or
            by class: then accuracy and class areas of the map are estimated, with 95 % intervals (Olofsson et al. 2014,
            doi:10.1016/j.rse.2014.02.015).
        confidence: A raster ``(H, W)`` of the map's confidence, 0 to 1, for its calibration; the one that was written
            with the map when left out.
        out: A folder for ``report.html``, the tables ``accuracy.json``, ``.csv``, ``.md`` and ``.tex``, and with a
            confidence ``reliability.png``.
        overwrite: Whether these files are replaced.
        progress: As for :func:`hsi.classify`.
        command: What the report names as the command that made it.
        **reading: How to read the reference: ``label_variable``, ``background``, ``label_field``, ``label_layer``,
            ``label_name_field``, ``label_crs``, ``classes``, ``all_touched`` and ``align``; and which pixels of the map
            count: ``aoi``, ``mask`` and ``mask_out``.

    Raises:
        UsageError: for a design that is not known, or too few reference pixels of a class for it.
        LabelError: for a map that holds no classes, and for a reference with classes that the map does not have.
        SceneError: for a given confidence that does not fit the map.
        SceneFileError: for a file that is missing or damaged.
        OutputError: for files that are there already or cannot be written.
    """
    options = input_settings((LABEL_INPUTS | PIXEL_INPUTS) - {"labels"}, **reading)
    if design is not None and design not in DESIGNS:
        raise UnknownNameError("design", design, DESIGNS)
    map_path, folder = Path(map), None if out is None else Path(out)
    if folder:
        names = (*(f"accuracy.{suffix}" for suffix in FORMATS), FIGURE, REPORT)
        given = [map_path, Path(confidence) if confidence else None, *input_files(reference, options)]
        check_new_files(folder, "accuracy", names, overwrite=overwrite, inputs=given)
    with events.report_to(recorder := events.reporter_for(progress)):
        pair = read_map_and_reference(map_path, reference, options)
        report = measure_map(pair, map_path)
        probabilities = read_confidence(pair, map_path, confidence)
        report["calibration"] = None if probabilities is None else measure_confidence(pair, probabilities)
        if design:
            doubts = doubt_sample(reference, pair, options, design)
            report["estimate"] = estimate_accuracy(pair, design, report["seen"], doubts)
        files: tuple[Path, ...] = ()
        if folder:
            with new_files(folder, "accuracy", overwrite=overwrite, stale=[FIGURE]) as work:
                drafts = [*write_tables(work.files, report), *write_reliability(work.files, report["calibration"])]
                write_evaluation_report(work.files / REPORT, pair, map_path, probabilities, report, command)
            files = (*(folder / draft.name for draft in drafts), folder / REPORT)
    return MapAccuracy(report, files, tuple(recorder.warnings))


@dataclass(frozen=True, eq=False)
class MapAndReference:
    """A map and its reference on one grid. ``truth`` and ``predicted`` ``(H, W)`` are positions in ``table``, the
    classes of the map; -1 is unlabelled in the one and unclassified in the other. ``where`` names what limits both."""

    mapped: LabelMap
    reference: LabelMap
    grid: Scene
    table: ClassTable
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    where: str = ""

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Labelled pixels ``(H, W)`` that the map covers."""
        return np.asarray((self.truth >= 0) & self.mapped.labelled)

    @cached_property
    def confusion(self) -> ConfusionMatrix:
        """The counted pixels by both."""
        return confusion_matrix(self.truth[self.counted], self.predicted[self.counted], len(self.table))


def read_map_and_reference(map_path: Path, reference: LabelsLike, reading: InputSettings) -> MapAndReference:
    """The map and the reference on its grid."""
    with events.progress("map"):
        mapped = read_map(map_path)
    grid = open_scene(map_path)
    if reading.label_field in OF_MAP:
        events.warning(
            f"label_field {reading.label_field}: 'hsi sample' writes the map's own classes there, so that all would be "
            "right; its field for the reference is 'class'"
        )
    labels = open_any_labels(reference, grid, reading)
    use = pixels_in_use(reading, grid)
    if use is not None:
        mapped, labels = mapped.masked(use), labels.masked(use)
        if not labels.labelled.any():
            raise LabelError(f"{name_of(labels)}: none of its labelled pixels is in the area and masks: label others")
    events.info("map", f"{map_path}: {grid.height} x {grid.width} pixels, {len(mapped.table)} classes")
    labelled = np.count_nonzero(labels.labelled)
    events.info("reference", f"{name_of(labels)}: {len(labels.table)} classes, {labelled:,} labelled pixels")
    table = mapped.table if UNCLASSIFIED in labels.table.names else drop_class(mapped.table, UNCLASSIFIED)
    numbered_here = labels.polygons is not None and reading.label_name_field is None and reading.classes is None
    own_ids = not numbered_here or set(labels.table.names) == set(default_table(labels.table.ids).names)
    truth = np.array([*match_classes(table, labels, own_ids), -1])[codes_of(labels.values, labels.table)]
    truth = np.where(labels.labelled, truth, -1)
    where = " and ".join(f"{name} {getattr(reading, name)}" for name in sorted(PIXEL_INPUTS) if getattr(reading, name))
    return MapAndReference(mapped, labels, grid, table, truth, codes_of(mapped.values, table), where)


def name_of(reference: LabelMap) -> str:
    """The file of the reference."""
    return str(reference.source or "an array")


def read_map(path: Path) -> LabelMap:
    """A class raster with all classes that it names, those that no pixel has among them.

    Raises :class:`LabelError` for a raster that holds no classes and :class:`SceneFileError` for a damaged one.
    """
    try:
        mapped = open_labels(path, open_scene(path))
    except (LabelError, SceneError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise LabelError(f"{path}: is no class map, which has one band of integers: {reason}") from error
    for note in mapped.notes:
        text, remedy, _ = note.partition(": if ")  # which is a setting of the reference
        events.warning(f"{path}: {text}{': its nodata value decides that' if remedy else ''}")
    reader = find_reader(path)
    names = reader.read_labels(path, reader.arrays(path)[0]).names
    known = dict(zip(mapped.table.ids, mapped.table.names, strict=True))
    ids = {*known, *(i for i in names if i >= 0 and i != mapped.background)}
    table = default_table([*ids]).renamed({**names, **known})
    for name in dict.fromkeys(name for name in table.names if table.names.count(name) > 1):
        same = [i for i, other in zip(table.ids, table.names, strict=True) if other == name]
        events.warning(
            f"{path}: the ids {', '.join(map(str, same))} are all named '{name}': labels of that name are compared "
            f"with {same[0]} alone, and the others count as wrong: give them one id"
        )
    return replace(mapped, table=table)


def match_classes(table: ClassTable, reference: LabelMap, own_ids: bool = True) -> list[int]:
    """For each class of the reference its position in the map's table, by name, whatever the case and the spaces.

    Names that are ids, such as "3" in a text field, are the map's ids. Else, where one side names its classes by
    nothing but their ids, the ids count, unless those of the reference are not its ``own_ids`` but numbers that texts
    have in the order of the alphabet. Raises :class:`LabelError` for a class that the map does not have.
    """

    def keys(names: Sequence[str]) -> list[str]:
        return [" ".join(printable_name(name).split()).casefold() for name in names]

    def is_numbered(table: ClassTable) -> bool:
        return all(name in (f"class {i}", str(i)) for i, name in zip(table.ids, table.names, strict=True))

    theirs = reference.table
    known, wanted = keys(table.names), keys(theirs.names)
    if set(wanted) <= set(known):
        return [known.index(name) for name in wanted]
    if not own_ids and set(wanted) <= {str(i) for i in table.ids}:
        return [table.ids.index(int(name)) for name in wanted]
    if own_ids and (is_numbered(table) or is_numbered(theirs)) and set(theirs.ids) <= set(table.ids):
        return [table.ids.index(i) for i in theirs.ids]
    unknown = [name for name, key in zip(theirs.names, wanted, strict=True) if key not in known]
    raise LabelError(
        f"{name_of(reference)}: the map has no class {', '.join(unknown[:5])}; it has {', '.join(table.names)}"
    )


def measure_map(pair: MapAndReference, map_path: Path) -> dict[str, Any]:
    """The accuracy report of a map by the reference labels where the map has data.

    Warns of labels outside of it and of those that trained or validated the map.
    """
    uncovered = int(np.count_nonzero((pair.truth >= 0) & ~pair.mapped.labelled))
    if uncovered:
        events.warning(f"{uncovered:,} labelled pixels lie where the map has no data and are not counted")
    with events.progress("compare"):
        measures = measure_accuracy(pair.confusion, pair.table, [None] * len(pair.table))
    training = read_training(map_path, pair)
    used = np.zeros_like(pair.counted) if training.pixels is None else pair.counted & training.pixels
    seen, total = int(np.count_nonzero(used)), int(np.count_nonzero(pair.counted))
    if seen:
        events.warning(describe_training_pixels(pair, seen))
    elif training.pixels is None and is_trained_on(pair.reference, training):
        events.warning(
            f"{name_of(pair.reference)}: the model of this map was trained with this file; which pixels of the map "
            "that concerns is not recorded, so the accuracy may be one of training: evaluate with other labels"
        )
    elif not training.recorded:
        events.info("training", f"not recorded next to {map_path}: whether these labels trained it is not checked")
    parts = {"without_training": ~used if 0 < seen < total else None}
    parts["without_unclassified"] = pair.predicted >= 0 if np.any(pair.predicted[pair.counted] < 0) else None
    return {
        "model": str(pair.mapped.source),
        "split": f"reference {name_of(pair.reference)}{f' in {pair.where}' if pair.where else ''}",
        "seed": None,
        **measures,
        "uncovered": uncovered,
        "audit": None,
        "seen": seen,
        "measured_on": "training" if 0 < seen == total else "reference",
        "subsets": {name: measure_part(pair, part) for name, part in parts.items() if part is not None},
    }


def measure_part(pair: MapAndReference, part: NDArray[np.bool_]) -> dict[str, Any]:
    """The overall metrics of the counted pixels in ``part`` ``(H, W)``, and their number."""
    where = pair.counted & part
    confusion = confusion_matrix(pair.truth[where], pair.predicted[where], len(pair.table))
    return {"pixels": confusion.total, **measure_overall(confusion)}


@dataclass(frozen=True, eq=False)
class MapTraining:
    """What the files next to a map say of its training: the ``pixels`` ``(H, W)`` that trained or validated it, None
    where that is not known, and the SHA-256 of the files that its model was trained on; whether there is a record."""

    pixels: NDArray[np.bool_] | None
    sha256: frozenset[str]
    recorded: bool


def read_training(map_path: Path, pair: MapAndReference) -> MapTraining:
    """The training of a map of ``hsi classify`` or ``hsi predict``; a map of another program has no record of it."""
    shape, pixels, sha256 = (pair.grid.height, pair.grid.width), None, dict[str, str]()
    if run := file_of_run(map_path, "run.json"):
        codes = split_of_run(map_path, shape)
        pixels = None if codes is None else np.isin(codes, (TRAIN, VALIDATION))
        with suppress(HsiError):
            sha256 = read_record(run, RunRecord).inputs.sha256
        return MapTraining(pixels, frozenset(sha256.values()), recorded=True)
    recorded = False
    with suppress(HsiError, ValueError):
        record = read_record(map_path.with_suffix(".json"), MapRecord)
        sha256, seen, recorded = record.trained_on, record.training_pixels, True
        pixels = runs_to_mask(text_to_runs(seen.runs, shape), shape) if seen else None
    return MapTraining(pixels, frozenset(sha256.values()), recorded)


def is_trained_on(reference: LabelMap, training: MapTraining) -> bool:
    """Whether the file of the reference is one of those that the model was trained on."""
    source = reference.source
    if not training.sha256 or source is None or not source.is_file():
        return False
    return not training.sha256.isdisjoint(hash_files([source]).values())


def describe_training_pixels(pair: MapAndReference, seen: int) -> str:
    """What it means that a map was made with some of the pixels that it is compared with."""
    total = np.count_nonzero(pair.counted)
    if seen == total:
        return (
            f"all {total:,} labelled pixels trained or validated this map: this is its training accuracy and no test: "
            "evaluate with labels that the model has not seen"
        )
    return (
        f"{seen:,} of the {total:,} labelled pixels trained or validated this map, which flatters it: the accuracy "
        "without them is given, too"
    )


def read_confidence(pair: MapAndReference, map_path: Path, given: Path | str | None) -> NDArray[np.float32] | None:
    """The map's confidence ``(H, W)``, NaN where there is none; None without a file of it.

    Raises what is wrong with a confidence that was ``given``; the one next to the map is left out with a warning.
    """
    path = find_confidence(map_path) if given is None else Path(given)
    if path is None:
        return None
    try:
        with events.progress("calibration"):
            return open_confidence(path, pair.grid)
    except (SceneError, SceneFileError) as error:
        if given is not None:
            raise
        events.warning(f"no calibration: {error}")
        return None


def measure_confidence(pair: MapAndReference, confidence: NDArray[np.float32]) -> dict[str, Any] | None:
    """How far the map's confidence ``(H, W)`` can be trusted, on the pixels that it names; None without such pixels."""
    named = pair.counted & (pair.predicted >= 0) & np.isfinite(confidence)
    return measure_calibration(confidence[named], (pair.predicted == pair.truth)[named])


def doubt_sample(reference: LabelsLike, pair: MapAndReference, reading: InputSettings, design: Design) -> list[str]:
    """What it means that points of ``hsi sample`` were drawn in another part of the map, or of a ``stratified`` design
    by the classes of another map; nothing for any other reference."""
    if not isinstance(reference, (str, Path)) or not is_vector(Path(reference)):
        return []
    own = InputSettings(
        label_layer=reading.label_layer, label_crs=reading.label_crs, label_field=OF_MAP[0], background=-1
    )
    sizes: list[int] = []
    try:
        drawn = open_labels(reference, pair.grid, own)
        with suppress(UsageError, ValueError, OverflowError):  # samples of earlier versions have no such field
            layer = read_layer(Path(reference), own.model_copy(update={"label_field": MAP_PIXELS}), pair.grid)
            sizes = [int(size) for size in layer.frame[MAP_PIXELS].dropna().unique()]
    except HsiError:  # it is none
        return []
    known = pair.counted & drawn.labelled
    others = int(np.count_nonzero(drawn.values[known] != pair.mapped.values[known]))
    if others and design == "stratified":
        return [
            f"{others:,} of {np.count_nonzero(known):,} points were drawn from another class than the map has there "
            f"(field {OF_MAP[0]}), so they are a sample by the classes of another map, and the estimates are not "
            "valid: draw one of this map"
        ]
    names = dict(zip(pair.mapped.table.ids, pair.mapped.table.names, strict=True))
    pixels = sum(count for i, count in pair.mapped.counts.items() if names[i] != UNCLASSIFIED)
    if {*sizes} <= {pixels}:
        return []
    return [
        f"the points were drawn from {sizes[0]:,} pixels (field {MAP_PIXELS}), and these estimates are for "
        f"{pixels:,}: give the aoi, mask and mask_out that 'hsi sample' had, and the map that it had"
    ]


def estimate_accuracy(
    pair: MapAndReference, design: Design, seen: int, known_doubts: Sequence[str] = ()
) -> dict[str, Any]:
    """Accuracy and areas of all of the map from a random sample of it; warns of ``known_doubts`` that it is one, and of
    others."""
    classes = len(pair.table)
    strata = np.where(pair.mapped.labelled, np.where(pair.predicted < 0, classes, pair.predicted), -1)
    unclassified = int(np.count_nonzero(strata == classes))
    left_out = []
    if unclassified and not (strata[pair.counted] == classes).any():
        share = unclassified / np.count_nonzero(pair.mapped.labelled)
        left_out = [
            f"none of the {unclassified:,} unclassified pixels ({share:.1%} of the map) is in the reference, so the "
            "estimates are for the classified pixels only"
        ]
        strata = np.where(strata == classes, -1, strata)
    pixels = ReferencePixels(strata, pair.counted, (*pair.table.names, "unclassified"), pair.reference.polygons)
    hectares = pixel_hectares(pair.grid.georeference, pair.grid.height, pair.grid.width)
    equal = hectares is not None and np.ptp(hectares) <= EQUAL * hectares.max()
    area = float(hectares.mean()) if hectares is not None and equal else None
    estimate = estimate_map(pair.confusion.square, pixels.in_map, pair.table, design, area)
    doubts = [*left_out, *known_doubts, *check_sampling(pixels, design)]
    for doubt in doubts:
        events.warning(f"design {design}: {doubt}")
    if seen:
        doubts.insert(0, describe_training_pixels(pair, seen))
    return estimate | {"doubts": doubts}


def write_reliability(folder: Path, calibration: Mapping[str, Any] | None) -> list[Path]:
    """Draw the figure of a calibration, where there is one."""
    if not calibration:
        return []
    write_figure(folder / FIGURE, reliability_figure(calibration))
    return [folder / FIGURE]


def write_evaluation_report(
    path: Path,
    pair: MapAndReference,
    map_path: Path,
    confidence: NDArray[np.float32] | None,
    report: Mapping[str, Any],
    command: Sequence[str],
) -> None:
    """``report.html`` of an evaluation: the map, the reference, and the confidence and split next to the map."""
    sources = [source for source in (pair.mapped.source, pair.reference.source) if source]
    hashes = hash_files(file for source in sources for file in files_of(source))
    height, width = pair.truth.shape
    step = view_step(height, width)
    thin = (slice(None, None, step), slice(None, None, step))
    split = split_of_run(map_path, pair.truth.shape)
    ids = np.array([*pair.table.ids, pair.mapped.background])  # -1 is unlabelled
    view = MapView(
        height=height,
        width=width,
        step=step,
        table=pair.mapped.table.renamed({}, raster_colours(map_path)),
        ids=pair.mapped.values[thin],
        pixels=pair.mapped.counts,
        truth=ids[pair.truth[thin]],
        truth_name="Reference",
        confidence=None if confidence is None else confidence[thin],
        split=None if split is None else split[thin],
        count_all=True,
        georeference=pair.grid.georeference,
    )
    page = Report(
        title=map_path.name,
        kind="Accuracy of a map",
        lead=f"{report['model']} by {report['split']}",
        provenance=Provenance(shlex.join(command), {"Versions": versions()}, {}, hashes, date_now()),
        view=view,
        accuracy=report,
        files=sorted(
            file.name for file in path.parent.iterdir() if file.is_file() and file.stem in ("accuracy", "reliability")
        ),
    )
    write_report_page(path, page)
