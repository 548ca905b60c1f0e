"""The whole flow, from inputs to a complete run in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.events import info, progress
from hsi.settings import LABEL_INPUTS, SCENE_INPUTS, InputSettings
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import FittedRun, check_windows, fit, given_files, split_labels
from hsi.workflows.html import write_run_report
from hsi.workflows.inputs import Inputs
from hsi.workflows.outputs import areas_of, calibration_of, describe_run, write_report
from hsi.workflows.provenance import StageTimer, hash_inputs
from hsi.workflows.resolve import is_baseline
from hsi.workflows.resume import CheckpointPolicy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.baselines import Predicted
    from hsi.core.labels import LabelMap
    from hsi.inference.map_files import MapSummary
    from hsi.inference.model_file import SavedModel
    from hsi.settings import Settings
    from hsi.splits import Split


@dataclass(frozen=True)
class MappedScene:
    """A scene mapped into a run's folder.

    ``record`` is what ``run.json`` tells of the method, ``trained_on`` the hashes of its inputs, ``bundle`` the model
    to save: None for a baseline.
    """

    settings: Settings
    split: Split
    summary: MapSummary
    record: Mapping[str, Any]
    trained_on: Mapping[str, str]
    bundle: SavedModel | None = None


def map_with_network(
    inputs: Inputs,
    settings: Settings,
    split: Split,
    folder: Path,
    watch: StageTimer,
    probabilities: bool = False,
    keeping: CheckpointPolicy | None = None,
) -> MappedScene:
    """Train a network and write ``map.tif`` and ``confidence.tif``, and ``probabilities.tif`` if these are wanted.

    What can be gone on with is kept where ``keeping`` says.
    """
    from hsi.errors import TrainingError
    from hsi.inference.map_files import MapOptions
    from hsi.workflows.predict import map_inputs

    run = fit(inputs, settings, split, watch, keeping)
    with watch.stage("map"):
        averages = run.settings.mapping.model_dump(include={"symmetries", "blend"})
        options = MapOptions(engine=run.fitted.recipe.engine, probabilities=probabilities, **averages)
        try:
            strips = keeping.work.strips if keeping else None
            names = ("map", "confidence", *(("probabilities",) if probabilities else ()))
            files = {name: folder / f"{name}.tif" for name in names}
            summary = map_inputs(inputs, run.bundle, run.settings.device, files, options, strips)
        except TrainingError:  # what was trained is of no use to go on from
            if keeping:
                keeping.work.discard()
            raise
    return MappedScene(run.settings, split, summary, network_record(run), run.bundle.trained_on, run.bundle)


def network_record(run: FittedRun) -> dict[str, Any]:
    """What ``run.json`` tells of a network."""
    from hsi.models import count_flops, count_parameters

    fitted, model = run.fitted, run.bundle.model
    return {
        "recipe": fitted.recipe.to_dict(),
        "parameters": count_parameters(model),
        "multiply_adds": asdict(count_flops(model)),
        "weight_bytes": sum(tensor.nbytes for tensor in model.state_dict().values()),
        "device": str(next(fitted.model.parameters()).device),
        "reducer": f"{run.bundle.reducer.describe()}; fitted on all valid pixels, labelled or not",
        "calibration": run.temperature.to_dict() if run.temperature else None,
        "kept_epoch": fitted.epoch,
        "resumed_from_step": run.resumed_from,
        "history": [asdict(epoch) for epoch in fitted.history],
    }


def refuse_to_train(settings: Settings) -> None:
    """Raise :class:`UsageError` where ``hsi train`` is asked for a baseline."""
    from hsi.errors import UsageError

    if is_baseline(settings):
        raise UsageError(
            f"{settings.model.name} is a baseline and not saved: a saved scikit-learn model is a pickle, which can "
            f"run code when it is opened: map with hsi classify --model {settings.model.name}, or train a network"
        )


def map_with_baseline(inputs: Inputs, settings: Settings, split: Split, folder: Path, watch: StageTimer) -> MappedScene:
    """Fit a baseline on training pixels and write ``map.tif``, and ``confidence.tif`` where it has probabilities."""
    from hsi.baselines import BASELINES, fit_baseline, predict_scene
    from hsi.preprocessing.reducers import fit_reducer

    scene, labels, valid = inputs.scene, inputs.labels, inputs.survey.valid
    baseline = BASELINES[settings.model.name](settings.seed)
    window = settings.model.window
    assert window is not None, "settled"
    check_windows(settings, scene)
    info("model", f"{baseline.name}: {baseline.title}; --window {window} is for the split and its audit")
    reducer = None
    if baseline.reducer:
        with watch.stage("reduce"), progress("reduce", "rows") as advance:
            reducer = fit_reducer(scene, settings.reducer, valid, advance)
    reduced = reducer.describe() if reducer else f"none: {baseline.sees}, neither reduced nor standardised"
    fitted_on = f"; fitted on all {np.count_nonzero(valid):,} valid pixels, labelled or not" if reducer else ""
    info("reducer", f"{reduced}{fitted_on}")
    info("training", training_pixels(split))
    with watch.stage("train"), progress("train", "fits") as advance:
        fit_baseline(baseline, scene, reducer, valid, split.train, labels.codes(), window, advance)
    info("", baseline.describe())
    with watch.stage("map"), progress("map", "rows") as advance:
        predicted = predict_scene(baseline, scene, reducer, valid, advance)
        summary = write_map(folder, inputs, predicted)
    record = {"recipe": baseline.recipe(), "parameters": None, "device": "cpu", "reducer": f"{reduced}{fitted_on}"}
    trained_on = hash_inputs(scene.source, labels.source, *given_files(settings))
    return MappedScene(settings, split, summary, record, trained_on)


def training_pixels(split: Split) -> str:
    """Which pixels a baseline learns from, in words."""
    trained, validated = np.count_nonzero(split.train), np.count_nonzero(split.validation)
    unused = f"; the {validated:,} validation pixels are not used" if validated else ""
    return f"on the {trained:,} training pixels alone{unused}"


def write_map(folder: Path, inputs: Inputs, predicted: Predicted) -> MapSummary:
    """Write the class map, and the confidence where there is one; returns the pixels of each class."""
    from hsi.core.scene import Block
    from hsi.inference.map_files import map_writer
    from hsi.io.geotiff import class_dtype, nodata_value

    scene, table = inputs.scene, inputs.labels.table
    ids = np.asarray(table.ids, class_dtype(table))[predicted.codes]
    ids[~inputs.survey.valid] = nodata_value(table)
    layers = {"map": ids}
    if predicted.confidence is not None:
        layers["confidence"] = predicted.confidence[None]
    with map_writer({name: folder / f"{name}.tif" for name in layers}, table, scene, in_memory=True) as writer:
        writer.add(Block(0, 0, scene.height, scene.width), layers)
    return writer.summary()


@dataclass(frozen=True)
class Assessed:
    """A scene that is mapped and whose map ``(H, W)`` of class ids was compared with the test pixels."""

    inputs: Inputs
    mapped: MappedScene
    ids: NDArray[Any]
    report: dict[str, Any]


def classify(
    inputs: Inputs,
    settings: Settings,
    keeping: CheckpointPolicy,
    watch: StageTimer,
    command: Sequence[str],
    asked: Mapping[str, Any],
    figures: bool = True,
) -> dict[str, Any]:
    """The whole flow from a split to the complete files of a run; returns the accuracy report.

    ``asked`` is what the record tells of what was asked for, see :func:`asked_for`; without ``figures`` none are drawn.
    """
    folder = keeping.work.files
    assessed = map_and_assess(inputs, settings, folder, watch, keeping=keeping)
    write_run(assessed, folder, watch, command, asked, figures)
    return assessed.report


def map_and_assess(
    inputs: Inputs,
    settings: Settings,
    folder: Path,
    watch: StageTimer,
    probabilities: bool = False,
    keeping: CheckpointPolicy | None = None,
) -> Assessed:
    """Denoise if asked to, split, train, write the map and its confidence (and probabilities) into ``folder``, and
    measure accuracy.

    What can be gone on with is kept where ``keeping`` says.
    Raises :class:`UsageError` for probabilities of a baseline, which keeps only the largest.
    """
    from hsi.errors import UsageError

    if probabilities and is_baseline(settings):
        raise UsageError(f"{settings.model.name} is a baseline, which keeps no probabilities: leave them out")
    inputs = denoise_inputs(inputs, settings, watch, folder)
    split = split_labels(inputs, settings)
    if is_baseline(settings):
        mapped = map_with_baseline(inputs, settings, split, folder, watch)
    else:
        mapped = map_with_network(inputs, settings, split, folder, watch, probabilities, keeping)
    with watch.stage("assess"), progress("assess"):
        layers = mapped.summary.layers
        ids = layers["map"]
        report = assess(inputs.labels, split, ids, mapped.settings) | {"areas": areas_of(mapped.summary)}
        report["calibration"] = calibration_of(ids == inputs.labels.values, split.test, layers.get("confidence"))
    return Assessed(inputs, mapped, ids, report)


def write_run(
    assessed: Assessed,
    folder: Path,
    watch: StageTimer,
    command: Sequence[str],
    asked: Mapping[str, Any] | None = None,
    figures: bool = True,
) -> dict[str, Any]:
    """Write the model, the report and ``run.json`` beside the map; returns what the last one says."""
    from hsi.inference.model_file import save_model

    mapped = assessed.mapped
    with watch.stage("write"):
        if mapped.bundle:
            save_model(folder / "model.safetensors", mapped.bundle)
        spectra = write_report(folder, assessed.inputs, mapped, assessed.report, figures)
    record = describe_run(assessed.inputs, mapped, watch, command)
    if asked is not None:
        record["asked"] = dict(asked)
    with watch.stage("report"):
        write_run_report(folder, assessed.inputs, mapped, assessed.report, record, spectra)
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def asked_for(settings: Settings, options: InputSettings) -> dict[str, Any]:
    """What a run is asked for, as plain values and before anything is settled: enough for ``hsi rerun``."""
    asked = options.model_dump(mode="json")
    return {
        "settings": settings.model_dump(mode="json", exclude_unset=True),
        "scene": {name: value for name, value in asked.items() if name in SCENE_INPUTS},
        "labels": {name: value for name, value in asked.items() if name in LABEL_INPUTS},
    }


def run_name(settings: Settings) -> str:
    """What a run's folder is called when nobody says: model, split (unless random), fold and seed."""
    split = settings.split
    rule = [] if split.rule == "random" else [split.rule]
    fold = [] if split.fold is None else [f"fold{split.fold}"]
    return "-".join([settings.model.name, *rule, *fold, f"seed{settings.seed}"])


def assess(labels: LabelMap, split: Split, ids: NDArray[Any], settings: Settings) -> dict[str, Any]:
    """Accuracy of mapped class ids ``(H, W)`` on test pixels and the leakage audit, as one report."""
    from hsi.accuracy.leakage import audit_split
    from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
    from hsi.core.labels import codes_of

    truth, predicted, test = labels.codes(), codes_of(ids, labels.table), split.test
    confusion = confusion_matrix(truth[test], predicted[test], len(labels.table))
    training = [part.train for part in split.counts(labels).values()]
    report = measure_accuracy(confusion, labels.table, training)
    audit = audit_split(split.train, test, truth, max(settings.model.windows), predicted) if test.any() else None
    return {
        "model": settings.model.name,
        "seed": settings.seed,
        "split": split.rule,
        "split_hash": split.hash,
        "split_notes": [*split.notes, *split.warnings],
        **report,
        "audit": audit.to_dict() if audit else None,
    }
