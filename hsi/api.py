"""``hsi.classify`` and ``hsi.predict``: the workflows of the commands, called from Python. Nothing is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.classification import COMMAND, Classification
from hsi.core.events import Recorder, report_to, reporter_for
from hsi.errors import UsageError
from hsi.io.dataarray import is_dataarray
from hsi.settings import InputSettings, Settings, input_settings, load_settings
from hsi.workflows.classify import Assessed, map_and_assess, write_run
from hsi.workflows.fit import check_names
from hsi.workflows.inputs import prepare_inputs
from hsi.workflows.open_any import open_any_labels, open_any_scene
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import resolve_settings
from hsi.workflows.run_folder import check_free, run_folder

if TYPE_CHECKING:
    from hsi.workflows.open_any import LabelsLike, SceneLike
    from hsi.workflows.predict import PredictedMap

SETTINGS = {
    "model": "model.name",
    "window": "model.window",
    "reducer": "reducer.name",
    "components": "reducer.components",
    "split": "split.rule",
    "train": "split.train",
    "validation": "split.validation",
    "epochs": "training.epochs",
    "seed": "seed",
    "device": "device",
}


def classify(
    scene: SceneLike,
    labels: LabelsLike | None = None,
    *,
    model: str | None = None,
    window: int | None = None,
    reducer: str | None = None,
    components: int | None = None,
    split: str | None = None,
    train: str | int | None = None,
    validation: str | int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Mapping[str, Any] | None = None,
    config: Path | str | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    probabilities: bool = False,
    progress: bool | Callable[[str, int, int, str], None] | None = None,
    **reading: Any,
) -> Classification:
    """Train on labelled pixels, map the whole scene and measure accuracy on the pixels left for testing.

    The same as ``hsi classify``: the same inputs and settings give the same map. Nothing is printed.

    Args:
        scene: A file's path, an array ``(H, W, B)``, an ``xarray.DataArray``, or a :class:`Scene`.
        labels: A file's path, an array ``(H, W)``, a ``DataArray``, or a :class:`LabelMap`; looked for in the scene's
            file and beside it when left out.
        model: A network or baseline, ``hybridsn-bn`` when left out; ``hsi models`` lists them.
        window: Side of the window around each pixel, odd.
        reducer: ``mnf``, ``pca`` or ``identity``.
        components: Components to keep.
        split: Which pixels train and test: ``random``, ``blocks``, ``polygons``, ``given:FILE``, …
        train: Training pixels of each class: ``"10%"`` is a share, ``50`` a number.
        validation: Validation pixels of each class, likewise.
        epochs: Passes over the training pixels.
        seed: Decides split, weights and order.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: Any other settings by the names of ``configs/default.yaml``, such as ``{"training.lr": 1e-3}``.
        config: A YAML file of settings, over which the others win.
        out: A folder to write the run to; :meth:`Classification.save` can do so later.
        overwrite: Whether an earlier run in ``out`` is replaced.
        probabilities: Whether the probability of every class is kept.
        progress: True for a bar for each stage, or a function that is called with the stage, what is done of it, its
            total and a note.
        **reading: How to read scene and labels: ``variable``, ``georef``, ``mask``, ``drop_bands``,
            ``drop_wavelengths``, ``keep_bad_bands``, ``label_variable``, ``background``, ``label_field``,
            ``label_layer``, ``all_touched`` and ``align``, as the options of the command.

    Raises:
        UsageError: for settings that make no sense or a name that is not known (its message names what is).
        HsiError: for all else that cannot be: :class:`SceneError`, :class:`LabelError`, :class:`SplitError`,
            :class:`TrainingError` and :class:`OutputError` say what, and what to do.
    """
    given = {name: value for name, value in locals().items() if name in SETTINGS and value is not None}
    wanted = _settings(given, settings or {}, config)
    options = _input_settings(reading)
    listener, watch = reporter_for(progress), StageTimer()
    with report_to(listener):
        if out is not None:
            check_free(Path(out), overwrite)
        wanted = resolve_settings(wanted)
        check_names(wanted)
        with watch.stage("read"):
            opened = open_any_scene(scene, options)
            array: Any = scene if is_dataarray(scene) else None
            found = open_any_labels(labels, opened, options, array)
            inputs = prepare_inputs(opened, found, options)
        if out is not None:
            with run_folder(Path(out), overwrite) as work:
                assessed = map_and_assess(inputs, wanted, work.files, watch, probabilities)
                write_run(assessed, work.files, watch, COMMAND)
            return _result(assessed, Path(out), watch, listener, array, folder=Path(out))
        with TemporaryDirectory(prefix="hsi-") as name:
            assessed = map_and_assess(inputs, wanted, Path(name), watch, probabilities)
            return _result(assessed, Path(name), watch, listener, array)


def _settings(given: Mapping[str, Any], others: Mapping[str, Any], config: Path | str | None) -> Settings:
    named = {SETTINGS[name]: value for name, value in given.items()}
    twice = sorted(named.keys() & others.keys())
    if twice:
        raise UsageError(f"{', '.join(twice)}: given by its own name and in settings, too: leave one out")
    return load_settings(Path(config) if config is not None else None, {**others, **named})


def _input_settings(reading: Mapping[str, Any]) -> InputSettings:
    known = [name for name in InputSettings.model_fields if name != "labels"]
    for name in reading:
        if name not in known:
            raise TypeError(f"classify() got an unexpected keyword argument '{name}': known: {', '.join(known)}")
    return input_settings(**reading)


def _result(
    assessed: Assessed, place: Path, watch: StageTimer, listener: Recorder, array: Any, folder: Path | None = None
) -> Classification:
    """The result of a run whose files are in ``place``; ``folder`` is where they stay."""
    from hsi.io.geotiff import nodata_value

    inputs, mapped = assessed.inputs, assessed.mapped
    layers = mapped.summary.layers
    confidence, probabilities = layers.get("confidence"), layers.get("probabilities")
    files = {} if folder else {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    return Classification(
        scene=inputs.scene,
        labels=inputs.labels,
        classes=assessed.ids,
        confidence=None if confidence is None else confidence[0],
        probabilities=None if probabilities is None else np.moveaxis(probabilities, 0, 2),
        nodata=nodata_value(inputs.labels.table),
        report=assessed.report,
        settings=mapped.settings,
        split=mapped.split,
        said=tuple(listener.said),
        warnings=tuple(listener.warned),
        folder=folder,
        assessed=assessed,
        watch=watch,
        files=files,
        array=array,
    )


def predict(
    model: Path | str,
    scene: SceneLike,
    out: Path | str | None = None,
    *,
    reject: float | None = None,
    probabilities: bool = False,
    novelty: bool = False,
    smooth: str | None = None,
    symmetries: bool | None = None,
    blend: bool | None = None,
    engine: str = "auto",
    device: str = "auto",
    max_memory: str | None = None,
    resample_bands: bool = False,
    variable: str | None = None,
    georef: Path | str | None = None,
    mask: Path | str | None = None,
    cog: bool = False,
    report: bool = True,
    scheduler: str | None = None,
    workers: int | None = None,
    block_timeout: float | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool | Callable[[str, int, int, str], None] | None = None,
) -> PredictedMap:
    """Map a scene with a saved model.

    The same as ``hsi predict``: the same model, scene and options give the same files. Nothing is printed.

    With ``out``, ``map.tif``, the scene is read, mapped and written by strips, whatever its size: class ids in
    ``map.tif``, the largest class probability in ``map_confidence.tif`` (float32, NaN without data), where asked for
    ``map_probabilities.tif`` (float32, one band each class) and ``map_novelty.tif`` (float32), the record ``map.json``
    and the report ``map_report.html``. Without ``out`` nothing is written and all layers are in memory.

    Args:
        model: A file that ``hsi train``, ``hsi classify`` or :meth:`HybridSNClassifier.save` wrote.
        scene: A file's path, an array ``(H, W, B)``, an ``xarray.DataArray``, or a :class:`Scene`.
        out: The GeoTIFF to write the map to.
        reject: Confidence, between 0 and 1, below which a pixel is of the class "unclassified".
        probabilities: Whether to make the probability of every class.
        novelty: Whether to make the distance of each pixel from the training pixels.
        smooth: Majority filter of the map, such as ``majority:3`` for squares of 3 x 3 pixels.
        symmetries: Whether to average over the square's eight symmetries, at eight times the cost; as the model's
            settings say when left out.
        blend: Whether to average over neighbours with similar spectra, likewise.
        engine: ``auto``, ``dense`` (the trunk once over a tile) or ``patch`` (each window by itself).
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        max_memory: Most memory to use, such as ``"1GB"``, of each process; half of what is free when left out. Layers
            in memory come on top.
        resample_bands: Whether to interpolate the model's bands where the scene has others.
        variable: The array of the scene's file that is the cube.
        georef: A raster to take CRS and transform from.
        mask: A raster of the scene's size; only its non-zero pixels are mapped.
        cog: Whether to write cloud-optimised GeoTIFFs.
        report: Whether to write the report, for which the scene is read once more.
        scheduler: Address of a Dask scheduler on whose workers to work, such as ``tcp://host:8786``.
        workers: Number of processes to work in on this machine, instead.
        block_timeout: Seconds without a result after which a strip is sent to another worker, 600 when left out.
        overwrite: Whether to replace a map of that name.
        resume: Whether to go on with an interrupted map of that name.
        progress: True for a bar for each stage, or a function that is called with the stage, what is done of it, its
            total and a note.

    Raises:
        UsageError: for options that make no sense, or of which one rules out another.
        BundleError: for a file that is no saved model, or whose bands the scene does not have.
        SceneError: for a scene that cannot be read or has no cube.
        OutputError: for a map that is there already or cannot be written.
        ResumeError: for an interrupted map that was begun with another model, scene or options.
        ClusterError: for a scheduler that does not answer or is lost.
    """
    from hsi.cluster.client import ClusterOptions
    from hsi.workflows import predict as workflow

    given = dict(locals())
    cluster = ClusterOptions(scheduler, workers, block_timeout)
    named = {field.name: given[field.name] for field in fields(workflow.PredictOptions) if field.name in given}
    reading = input_settings(variable=variable, georef=georef, mask=mask)
    place, listener = None if out is None else Path(out), reporter_for(progress)
    with report_to(listener):
        options = workflow.PredictOptions(**named, cluster=cluster)
        predicted = workflow.predict(Path(model), scene, place, options, reading, ["hsi.predict"])
    return replace(predicted, warnings=tuple(listener.warned))
