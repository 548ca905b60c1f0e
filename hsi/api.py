"""``hsi.classify``: the flow of the command, called from Python. Nothing is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
