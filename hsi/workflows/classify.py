"""From a scene and labels to a complete run folder: the flow of ``hsi classify``, ``hsi rerun`` and
:func:`hsi.classify`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsi.accuracy.calibration import measure_calibration
from hsi.accuracy.leakage import audit_split
from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
from hsi.core.events import progress
from hsi.core.files import MODEL_FILE
from hsi.core.labels import LabelMap, codes_of
from hsi.inference.map_files import MapSummary
from hsi.inference.map_polygons import check_polygon_file, write_polygons
from hsi.inference.model_file import save_model
from hsi.inference.predict import sieve_map
from hsi.inference.smoothing import min_area_pixels, parse_min_area
from hsi.io.benchmark_scenes import locate_split
from hsi.settings import LABEL_INPUTS, SCENE_INPUTS, InputSettings, Settings
from hsi.splits import Split
from hsi.tracking.tracker import tracked
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import Classifier, fit, repeatable
from hsi.workflows.inputs import Inputs, complete_labels, given_files, split_labels
from hsi.workflows.outputs import areas_of, run_record, write_items, write_report, write_run_report
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import check_names, report_settings, resolve_settings, resolve_split_rule
from hsi.workflows.resume import CHECKPOINT_SECONDS, CheckpointPolicy
from hsi.workflows.run_folder import check_free, check_free_files, run_folder


@dataclass(frozen=True, eq=False)
class Classified:
    """A classified scene: what was read, its split, the fitted classifier, the map with its layers in memory,
    and the accuracy report."""

    inputs: Inputs
    split: Split
    model: Classifier
    mapped: MapSummary
    accuracy: dict[str, Any]


def classify(
    inputs: Inputs,
    settings: Settings,
    folder: Path,
    timer: StageTimer,
    checkpoints: CheckpointPolicy | None = None,
    probabilities: bool = False,
) -> Classified:
    """Denoise, split, fit, map into ``folder`` and measure accuracy on the test pixels.

    ``map.tif``, ``confidence.tif`` and, where asked for, ``probabilities.tif`` are written as the scene is mapped. With
    ``checkpoints`` an interrupted training or map is continued. ``settings`` are resolved (:func:`resolve_settings`).
    """
    scene, least = inputs.scene, settings.mapping.min_area
    pixels = min_area_pixels(least, scene.georeference, scene.height, scene.width) if least else 1
    settings = resolve_split_rule(settings, inputs.labels)
    inputs = denoise_inputs(inputs, settings, timer, folder)
    split = split_labels(inputs, settings)
    model = fit(inputs, settings, split, timer, checkpoints)
    with timer.stage("map"):
        mapped = model.map_scene(inputs, folder, probabilities, checkpoints)
        if pixels > 1:
            mapped = sieve_map(folder / "map.tif", pixels, scene, mapped)
    with timer.stage("assess"), progress("assess"):
        accuracy = assess(inputs.labels, split, mapped, model.settings, model.window)
    return Classified(inputs, split, model, mapped, accuracy)


def assess(labels: LabelMap, split: Split, mapped: MapSummary, settings: Settings, window: int) -> dict[str, Any]:
    """Accuracy of a map on test pixels, its calibration and the leakage audit for ``window``, as one report."""
    ids, test = mapped.layers["map"], split.test
    truth, predicted = labels.codes(), codes_of(ids, labels.table)
    confusion = confusion_matrix(truth[test], predicted[test], len(labels.table))
    training = [part.train for part in split.counts(labels).values()]
    audit = audit_split(split.train, test, truth, window, predicted) if test.any() else None
    calibration = None
    if "confidence" in mapped.layers and not settings.mapping.min_area:  # else it is not that of the mapped class
        calibration = measure_calibration(mapped.layers["confidence"][0][test], (ids == labels.values)[test])
    return {
        "model": settings.model.name,
        "seed": settings.seed,
        "split": split.rule,
        "split_hash": split.hash,
        "split_notes": [*split.notes, *split.warnings],
        **measure_accuracy(confusion, labels.table, training),
        "audit": audit.to_dict() if audit else None,
        "areas": areas_of(mapped),
        "calibration": calibration,
    }


def write_outputs(
    folder: Path,
    classified: Classified,
    timer: StageTimer,
    command: Sequence[str],
    asked: Mapping[str, Any] | None = None,
    figures: bool = True,
    stac: Path | None = None,
) -> None:
    """Write the model, tables, figures, report and ``run.json`` next to the map.

    ``command`` and ``asked`` (:func:`requested`) go into ``run.json``; without ``figures`` none are drawn. STAC Items
    are written where ``stac`` is given, the folder that ``folder`` will be.
    """
    model = classified.model
    with timer.stage("write"):
        if model.saved:
            save_model(folder / MODEL_FILE, model.saved)
        drawn = write_report(folder, classified, figures)
    record = run_record(classified, timer, command)
    if asked is not None:
        record["asked"] = dict(asked)
    if stac:
        write_items(folder, stac, classified, record["date"])
    with timer.stage("report"):
        write_run_report(folder, classified, record, *drawn)
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def run_classification(
    read: Callable[[], Inputs],
    settings: Settings,
    out: Path,
    command: Sequence[str],
    *,
    asked: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    figures: bool = True,
    polygons: Path | None = None,
    probabilities: bool = False,
    complete: bool = True,
    checkpoint_seconds: float | None = CHECKPOINT_SECONDS,
    sources: Sequence[Path | None] = (),
    stac: bool = False,
    track: str | None = None,
    assess_more: Callable[[Inputs], Mapping[str, Any]] | None = None,
) -> tuple[Classified, StageTimer]:
    """Classify what ``read`` returns and write a complete run to the folder ``out``, which appears when it is done.

    The areas of the map also go to the vector file ``polygons``. With ``stac`` the run has STAC Items.
    The run is also reported to the program ``track`` (:mod:`hsi.tracking`). ``assess_more`` gives further entries of
    the accuracy report, see :mod:`hsi.report.tables`.
    Unless it is to be ``complete``, only the map is written (:func:`write_outputs` writes the rest). With
    ``checkpoint_seconds`` None nothing is stored to resume from. Raises :class:`UsageError` for settings that make
    no sense, before anything is read, :class:`OutputError` where ``out`` is taken or would replace one of the
    ``sources`` that are read, and what the stages raise.
    """
    settings = locate_split(settings, sources)
    given = [*sources, *given_files(settings)]
    check_free(out, overwrite, resume, given)
    if polygons:
        check_free_files(polygons, [polygons], overwrite=overwrite, inputs=given, option="vector")
        check_polygon_file(polygons)
    if settings.mapping.min_area:
        parse_min_area(settings.mapping.min_area)
    timer = StageTimer()
    with timer.stage("import"):
        settings = resolve_settings(settings)
        check_names(settings)
    report_settings(settings)
    with tracked(track, out.name, settings) as run:
        with timer.stage("read"):
            inputs = complete_labels(read(), settings)
        with run_folder(out, overwrite, resume) as work, repeatable(settings):
            checkpoints = None if checkpoint_seconds is None else CheckpointPolicy(work, checkpoint_seconds)
            classified = classify(inputs, settings, work.files, timer, checkpoints, probabilities)
            if assess_more is not None:
                with timer.stage("assess"), progress("assess"):
                    classified.accuracy.update(assess_more(classified.inputs))
            if complete:
                write_outputs(work.files, classified, timer, command, asked, figures, out if stac else None)
        if run:
            run.complete(classified.model.settings, classified.accuracy, out if complete else None)
    if polygons:
        layers = classified.mapped.layers
        confidence = layers["confidence"][0] if "confidence" in layers else None
        place = classified.inputs.scene.georeference
        write_polygons(polygons, layers["map"], classified.mapped.table, place, confidence, overwrite)
    return classified, timer


def requested(settings: Settings, options: InputSettings) -> dict[str, Any]:
    """What a run is asked for, as plain values and before anything is resolved: enough for ``hsi rerun``."""
    values = options.model_dump(mode="json")
    return {
        "settings": settings.model_dump(mode="json", exclude_unset=True),
        "scene": {name: value for name, value in values.items() if name in SCENE_INPUTS},
        "labels": {name: value for name, value in values.items() if name in LABEL_INPUTS},
    }


def run_name(settings: Settings) -> str:
    """The default name of a run's folder: model, split (unless random), fold and seed."""
    split = settings.split
    rule = [] if split.rule in (None, "random") else [split.rule]
    fold = [] if split.fold is None else [f"fold{split.fold}"]
    return "-".join([settings.model.name, *rule, *fold, f"seed{settings.seed}"])
