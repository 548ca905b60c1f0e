"""The commands of ``hsi`` as Python functions. Nothing is printed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from hsi.collection.scenes import find_scenes, is_scene_list, is_several
from hsi.collection.train import TrainedScenes
from hsi.collection.train import train_scenes as train_on_scenes
from hsi.core import notebook
from hsi.core.events import Recorder, report_to, reporter_for
from hsi.core.files import Manifest, find_config
from hsi.core.labels import ClassTable, LabelMap
from hsi.core.scene import Scene
from hsi.errors import UsageError
from hsi.inference.model_file import SavedModel
from hsi.io.dataarray import class_attributes, crop_dataarray, is_dataarray, make_dataarray, map_like
from hsi.io.geotiff import nodata_value
from hsi.report.sections import interval, percent
from hsi.settings import (
    InputSettings,
    Settings,
    input_settings,
    load_settings,
)
from hsi.splits import Split
from hsi.workflows.classify import Classified, run_classification, write_outputs
from hsi.workflows.inputs import Inputs, input_files, read_inputs
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import is_baseline
from hsi.workflows.run_folder import run_folder
from hsi.workflows.train import train_model

if TYPE_CHECKING:
    import xarray

    from hsi.workflows.inputs import LabelsLike, SceneLike
    from hsi.workflows.predict import PredictedMap

COMMAND = ("hsi.classify",)  # what run.json names where a command line would be

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
    vector: Path | str | None = None,
    probabilities: bool = False,
    stac: bool = False,
    track: str | None = None,
    progress: bool | Callable[[str, int, int, str], None] | None = None,
    **reading: Any,
) -> Classification:
    """Train on labelled pixels, map the scene and measure accuracy on the pixels left for testing.

    The same as ``hsi classify``: the same inputs and settings give the same map. Nothing is printed.

    Args:
        scene: A file's path, a list of paths of the bands or tiles of one scene, an array ``(H, W, B)``, an
            ``xarray.DataArray``, or a :class:`Scene`.
        labels: A file's path, an array ``(H, W)``, a ``DataArray``, or a :class:`LabelMap`; looked for in the scene's
            file and next to it when left out.
        model: A network or baseline, ``hybridsn-bn`` when left out; ``hsi models`` lists them.
        window: Side of the window around each pixel, odd.
        reducer: ``mnf``, ``pca`` or ``identity``.
        components: Components to keep.
        split: Which pixels train and test: ``random``, ``blocks``, ``polygons``, ``given:FILE``, …; a published
            split, such as ``hong``, is the file that ``hsi fetch`` wrote next to the scene.
        train: Training pixels of each class: ``"10%"`` is a share, ``50`` a number.
        validation: Validation pixels of each class, likewise.
        epochs: Passes over the training pixels.
        seed: Decides split, weights and order.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: Any other settings by the names of ``configs/default.yaml``, such as ``{"training.lr": 1e-3}``.
        config: A YAML file of settings or the name of one that comes with hsi, such as ``hybridsn-paper``; the others
            win over it.
        out: A folder to write the run to; :meth:`Classification.save` can do so later.
        overwrite: Whether an earlier run in ``out`` is replaced.
        vector: A GeoPackage or GeoJSON to write the areas of the map to, as polygons; needs geopandas.
        probabilities: Whether the probability of every class is returned.
        stac: Whether the run in ``out`` has STAC Items of its map and model.
        track: ``tensorboard`` or ``mlflow``: a program to report settings, metrics by epoch and the run to.
        progress: True for a bar for each stage, or a function that is called with the stage, what is done of it, its
            total and a note.
        **reading: How to read scene and labels: ``asset``, ``variable``, ``axes``, ``wavelengths``, ``georef``,
            ``aoi``, ``mask``, ``mask_out``, ``nodata``, ``drop_bands``, ``drop_wavelengths``, ``keep_bad_bands``,
            ``label_variable``, ``background``, ``label_field``, ``label_layer``, ``label_name_field``, ``label_crs``,
            ``classes``, ``all_touched`` and ``align``, as the options of the command.

    Raises:
        UsageError: for settings that make no sense or a name that is not known (its message names what is).
        HsiError: for all else that cannot be: :class:`SceneError`, :class:`LabelError`, :class:`SplitError`,
            :class:`TrainingError` and :class:`OutputError` say what, and what to do.
    """
    given = {name: value for name, value in locals().items() if name in SETTINGS and value is not None}
    wanted = _settings(given, settings or {}, config)
    read = _Reader(scene, labels, reading)
    if probabilities and is_baseline(wanted):
        raise UsageError(f"{wanted.model.name} is a baseline, which gives no probabilities: leave them out")
    if stac and out is None:
        raise UsageError("STAC Items are written next to a map: give out, or leave stac out")
    reporter = reporter_for(progress)
    array: Any = scene if is_dataarray(scene) else None
    with report_to(reporter), TemporaryDirectory(prefix="hsi-") as temporary:
        folder = Path(temporary, "run") if out is None else Path(out)
        classified, timer = run_classification(
            read, wanted, folder, COMMAND, overwrite=overwrite, probabilities=probabilities,
            polygons=None if vector is None else Path(vector),
            checkpoint_seconds=None, complete=out is not None, sources=read.sources, stac=stac,
            track=track,
        )  # fmt: skip
        files = {path.name: path.read_bytes() for path in folder.iterdir()} if out is None else {}
    area = classified.inputs.scene.area
    array = crop_dataarray(array, area.window) if area and array is not None else array
    return Classification(classified, timer, reporter, None if out is None else folder, files, array)


def train(
    scene: SceneLike,
    labels: LabelsLike | None = None,
    *,
    out: Path | str,
    settings: Mapping[str, Any] | None = None,
    config: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    stac: bool = False,
    track: str | None = None,
    progress: bool | Callable[[str, int, int, str], None] | None = None,
    **reading: Any,
) -> SavedModel:
    """Train a network on the labelled pixels of a scene and save it in ``out``, without a map.

    The same as ``hsi train``: all labelled pixels train unless ``settings`` say otherwise. Nothing is printed. Several
    scenes, with a list of as many labels, are trained on as :func:`hsi.train_scenes` does.

    Args:
        scene: A file's path, a list of paths of the bands or tiles of one scene, an array ``(H, W, B)``, an
            ``xarray.DataArray``, or a :class:`Scene`.
        labels: A file's path, an array ``(H, W)``, a ``DataArray``, or a :class:`LabelMap`; looked for in the scene's
            file and next to it when left out.
        out: The model file to write (safetensors).
        settings: Settings by their dotted names, such as ``{"model.name": "hybridsn-se", "split.validation": "10%"}``.
        config: A YAML file of settings, over which ``settings`` win.
        overwrite: Whether a model file of that name is replaced.
        resume: Whether an interrupted training of the same settings is continued.
        stac: Whether a STAC Item of the model is written next to it.
        track: ``tensorboard`` or ``mlflow``: a program to report settings, metrics by epoch and the model to.
        progress: As for :func:`hsi.classify`.
        **reading: How to read scene and labels, as for :func:`hsi.classify`.

    Returns:
        The saved model: the network, its reducer, bands, class table and settings.

    Raises:
        UsageError: for a baseline, which is not saved, and for settings that make no sense.
        HsiError: as for :func:`hsi.classify`; :class:`OutputError` where ``out`` is taken or cannot be written.
    """
    wanted = _settings({}, settings or {}, config)
    if is_scene_list(scene) or is_several(labels):
        if is_baseline(wanted):
            raise UsageError(f"{wanted.model.name} is a baseline and not saved: hsi.train_scenes gives its accuracy")
        how: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "stac": stac, "track": track}
        how["progress"] = progress
        several: Any = scene
        result = train_scenes(several, labels, out=out, settings=settings, config=config, **how, **reading)  # type: ignore[arg-type]
        assert result.saved
        return result.saved
    read = _Reader(scene, labels, reading)
    with report_to(reporter_for(progress)):
        trained, _ = train_model(
            read, wanted, Path(out), overwrite=overwrite, resume=resume, sources=read.sources, stac=stac, track=track
        )
    return trained.saved


def train_scenes(
    scenes: Sequence[SceneLike] | Path | str,
    labels: Sequence[LabelsLike] | None = None,
    *,
    out: Path | str,
    settings: Mapping[str, Any] | None = None,
    config: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    stac: bool = False,
    track: str | None = None,
    progress: bool | Callable[[str, int, int, str], None] | None = None,
    **reading: Any,
) -> TrainedScenes:
    """Train one network on the labelled pixels of several scenes, and measure it on scenes that are held out.

    The same as ``hsi train`` with several scenes. With ``{"split.rule": "scenes:NAME"}`` in ``settings`` the scenes of
    these names test, and with ``kfold-scenes`` each in turn, after which the saved model is trained on all.

    Args:
        scenes: The scenes, each as for :func:`hsi.train`, or the path of a YAML file that lists scenes and labels.
        labels: The labels of each scene; none where a file lists them.
        out: The model file to write (safetensors); the accuracy goes to the folder of its name with ``_accuracy``.
        settings: Settings by their dotted names, such as ``{"split.rule": "kfold-scenes"}``.
        config: A YAML file of settings, over which ``settings`` win.
        overwrite: Whether a model file of that name is replaced.
        resume: Whether an interrupted training of the same settings is continued.
        stac: Whether a STAC Item of the model is written next to it.
        track: ``tensorboard`` or ``mlflow``, where no scene is held out: a program to report to.
        progress: As for :func:`hsi.classify`.
        **reading: How to read all scenes and labels, as for :func:`hsi.classify`.

    Returns:
        The saved model (None for a baseline) and, of held-out scenes, the accuracy of each and of all together.

    Raises:
        UsageError: for settings that make no sense, and for one scene.
        BundleError: for a scene that lacks bands of the first one.
        HsiError: as for :func:`hsi.train`.
    """
    wanted = _settings({}, settings or {}, config)
    options = input_settings({*InputSettings.model_fields} - {"labels"}, **reading)
    listed = [scenes] if isinstance(scenes, (str, Path)) else list(scenes)
    found = find_scenes(listed, list(labels or ()), options)
    if not found:
        raise UsageError("two or more scenes are needed, with labels for each: hsi.train takes one")
    with report_to(reporter_for(progress)):
        how: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "stac": stac, "track": track}
        return train_on_scenes(found, wanted, Path(out), **how)


class _Reader:
    """Reads the inputs of a run, which are in the files ``sources``; raises ``TypeError`` at once for a name that is no
    input setting."""

    def __init__(self, scene: SceneLike, labels: LabelsLike | None, reading: Mapping[str, Any]) -> None:
        self.scene, self.labels = scene, labels
        self.options = input_settings({*InputSettings.model_fields} - {"labels"}, **reading)
        self.sources = input_files(scene, self.options, labels)

    def __call__(self) -> Inputs:
        return read_inputs(self.scene, self.labels, self.options)


def predict(
    model: Path | str,
    scene: SceneLike,
    out: Path | str | None = None,
    *,
    reject: float | str | None = None,
    reject_rate: float | str | None = None,
    probabilities: bool = False,
    novelty: bool = False,
    smooth: str | None = None,
    min_area: str | None = None,
    vector: Path | str | None = None,
    symmetries: bool | None = None,
    blend: bool | None = None,
    engine: str = "auto",
    device: str = "auto",
    max_memory: str | None = None,
    resample_bands: bool = False,
    scale: float | str | None = None,
    asset: str | None = None,
    variable: str | None = None,
    axes: str | None = None,
    wavelengths: Path | str | None = None,
    georef: Path | str | None = None,
    aoi: Path | str | None = None,
    mask: Path | str | None = None,
    mask_out: Path | str | None = None,
    nodata: float | None = None,
    cog: bool = False,
    report: bool = True,
    stac: bool = False,
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
        scene: A file's path, a list of paths of the bands or tiles of one scene, an array ``(H, W, B)``, an
            ``xarray.DataArray``, or a :class:`Scene`.
        out: The GeoTIFF to write the map to.
        reject: ``"accuracy:95%"``: pixels are of the class "unclassified" below the lowest confidence that leaves
            validation pixels of which 95 % are right; or that confidence itself, between 0 and 1, of a model that was
            trained with ``calibrate``.
        reject_rate: Instead, the share of the validation pixels to reject, such as ``"5%"``: the least confident.
        probabilities: Whether to make the probability of every class.
        novelty: Whether to make the distance of each pixel from the training pixels.
        smooth: Majority filter of the map, such as ``majority:3`` for squares of 3 x 3 pixels.
        min_area: Smallest area of a class, such as ``0.5ha``, ``5000m2`` or ``12px``; smaller ones join their largest
            neighbour.
        vector: A GeoPackage or GeoJSON to write the areas of the map to, as polygons with class, hectares and mean
            confidence; needs geopandas.
        symmetries: Whether to average with the scene after a half turn, at twice the cost; as the model's settings
            say when left out.
        blend: Whether to average over neighbours with similar spectra, likewise.
        engine: ``auto``, ``dense`` (the trunk once over a tile) or ``patch`` (each window by itself).
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        max_memory: Most memory to use, such as ``"1GB"``, of each process; half of what is free when left out. Layers
            in memory come on top.
        resample_bands: Whether to interpolate the model's bands where the scene has others.
        scale: What to multiply the scene's values by, such as ``1e-4``, or ``"auto"`` for the factor that is found
            between this scene and the training scene; without it a scene on another scale is refused.
        asset: The asset of a STAC Item that is the cube.
        variable: The array of the scene's file that is the cube.
        axes: The order of the axes of an array or of the scene's file, such as ``BHW``.
        wavelengths: Where the nanometres of the scene's bands are: a table, a scene with them, or a sensor's name.
        georef: A raster to take CRS and transform from.
        aoi: Polygons, or a raster whose non-zero pixels are the area to map; the map is cropped to it.
        mask: A raster of the scene's size whose non-zero pixels are mapped, or polygons.
        mask_out: A raster or polygons of pixels to leave out; ``"qa.tif:bits=3,4"`` are those where a bit is set.
        nodata: Value, as stored, that means "no data" instead of the file's.
        cog: Whether to write cloud-optimised GeoTIFFs.
        report: Whether to write the report, for which the scene is read once more.
        stac: Whether to write a STAC Item, ``map_item.json``, of the map.
        scheduler: Address of a Dask scheduler on whose workers to work, such as ``tcp://host:8786``.
        workers: Number of processes to work in on this machine, instead.
        block_timeout: Seconds without a result after which a strip is sent to another worker, 600 when left out.
        overwrite: Whether to replace a map of that name.
        resume: Whether to resume an interrupted map of that name.
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
    given["vector"] = None if vector is None else Path(vector)
    cluster = ClusterOptions(scheduler, workers, block_timeout)
    named = {field.name: given[field.name] for field in fields(workflow.PredictOptions) if field.name in given}
    names = ("asset", "variable", "axes", "wavelengths", "georef", "aoi", "mask", "mask_out", "nodata")
    reading = input_settings(**{name: given[name] for name in names})
    place, listener = None if out is None else Path(out), reporter_for(progress)
    with report_to(listener):
        options = workflow.PredictOptions(**named, cluster=cluster)
        predicted = workflow.predict(Path(model), scene, place, options, reading, ["hsi.predict"])
    return replace(predicted, warnings=tuple(listener.warnings))


def _settings(given: Mapping[str, Any], others: Mapping[str, Any], config: Path | str | None) -> Settings:
    named = {SETTINGS[name]: value for name, value in given.items()}
    twice = sorted(named.keys() & others.keys())
    if twice:
        raise UsageError(f"{', '.join(twice)}: given by its own name and in settings, too: leave one out")
    return load_settings(find_config(Path(config)) if config is not None else None, {**others, **named})


@dataclass(frozen=True, eq=False)
class Classification:
    """A classified scene.

    ``folder`` is where the run was written, None for one in memory; :meth:`save` writes it later.
    """

    classified: Classified
    timer: StageTimer
    reporter: Recorder
    folder: Path | None
    files: Mapping[str, bytes] = field(default_factory=dict)
    array: xarray.DataArray | None = None

    @property
    def scene(self) -> Scene:
        """The scene, without the bands that were dropped."""
        return self.classified.inputs.scene

    @property
    def labels(self) -> LabelMap:
        """The labels ``(H, W)`` on valid pixels."""
        return self.classified.inputs.labels

    @property
    def classes(self) -> NDArray[Any]:
        """Class ids ``(H, W)``, :attr:`nodata` where no pixel could be used."""
        return self.classified.mapped.layers["map"]

    @property
    def confidence(self) -> NDArray[np.float32] | None:
        """The largest class probability ``(H, W)`` float32, NaN without data; None for baselines without."""
        layers = self.classified.mapped.layers
        return layers["confidence"][0] if "confidence" in layers else None

    @property
    def probabilities(self) -> NDArray[np.float32] | None:
        """Class probabilities ``(H, W, C)`` float32 in the order of :attr:`table`, where they were asked for."""
        layers = self.classified.mapped.layers
        return np.moveaxis(layers["probabilities"], 0, 2) if "probabilities" in layers else None

    @property
    def nodata(self) -> int:
        """The class id of pixels without data."""
        return nodata_value(self.table)

    @property
    def report(self) -> Mapping[str, Any]:
        """What ``accuracy.json`` holds."""
        return self.classified.accuracy

    @property
    def settings(self) -> Settings:
        """The settings of the run, resolved by the model and the scene."""
        return self.classified.model.settings

    @property
    def split(self) -> Split:
        """Training, validation and test pixels."""
        return self.classified.split

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """What the command would have printed: labels and texts."""
        return tuple(self.reporter.messages)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the run."""
        return tuple(self.reporter.warnings)

    @property
    def table(self) -> ClassTable:
        """Ids, names and colours of the classes."""
        return self.labels.table

    @property
    def overall_accuracy(self) -> float | None:
        """The share of the test pixels that the map has right; None without test pixels."""
        return cast("float | None", self.report["overall_accuracy"])

    @property
    def average_accuracy(self) -> float | None:
        """The mean of the producer's accuracies of the classes that have test pixels; None without."""
        return cast("float | None", self.report["average_accuracy"])

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa on the test pixels; None where it is not defined."""
        return cast("float | None", self.report["kappa"])

    def save(self, out: Path | str, *, overwrite: bool = False) -> Path:
        """Write all that ``hsi classify`` leaves in a run's folder; returns the folder.

        Raises :class:`OutputError` where ``out`` is taken (an earlier run is replaced with ``overwrite``) or cannot be
        written. The folder is complete or not there.
        """
        out = Path(out)
        with run_folder(out, overwrite) as work:
            if self.folder is not None:
                for name in Manifest.of_folder(self.folder).files:
                    (work.files / name).parent.mkdir(exist_ok=True)
                    shutil.copyfile(self.folder / name, work.files / name)
            else:
                for name, content in self.files.items():
                    (work.files / name).write_bytes(content)
                write_outputs(work.files, self.classified, self.timer, COMMAND)
        return out

    def to_xarray(self) -> xarray.Dataset:
        """``classes``, ``confidence`` and ``probabilities`` with coordinates, CRS and the classes' names.

        Rows and columns are those of the ``DataArray`` that was classified, else y and x of the scene's place. Raises
        :class:`UsageError` unless xarray and rioxarray are installed.
        """
        named = class_attributes(self.table, self.nodata)
        layers = self._layer(self.classes, "classes", named).to_dataset()
        if self.confidence is not None:
            layers["confidence"] = self._layer(self.confidence, "confidence", {})
        if self.probabilities is not None:
            import xarray as xr

            planes = [self._layer(plane, "probabilities", {}) for plane in np.moveaxis(self.probabilities, 2, 0)]
            layers["probabilities"] = xr.concat(planes, xr.Variable("class", list(self.table.names)))
        return layers

    def _layer(self, values: NDArray[Any], name: str, attributes: dict[str, Any]) -> xarray.DataArray:
        if self.array is not None:
            return map_like(self.array, values, name, **attributes)
        return make_dataarray(values, self.scene.georeference, name, **attributes)

    def __repr__(self) -> str:
        run = f"{self.settings.model.name}, split {self.split.rule}, seed {self.settings.seed}"
        accuracy = f"OA {percent(self.overall_accuracy)} %, AA {percent(self.average_accuracy)} %"
        return f"<Classification of {self.scene.name}: {run}, {accuracy}>"

    def _repr_html_(self) -> str:
        """The accuracies, the classes with their colours, the audit in words, the warnings and a small map."""
        kappa = None if self.kappa is None else f"{self.kappa:.4f}"
        bounds = interval(self.report["intervals"]["overall_accuracy"])
        audit = self.report["audit"]
        rows: list[tuple[str, object]] = [
            (
                "model",
                f"{self.settings.model.name}, {self.settings.model.describe_windows()}, seed {self.settings.seed}",
            ),
            ("split", self.split.rule),
            ("OA %", f"{percent(self.overall_accuracy)} ({bounds})"),
            ("AA %", percent(self.average_accuracy)),
            ("kappa", kappa),
            ("leakage audit", audit["in_words"] if audit else None),
            *(("warning", warning) for warning in self.warnings),
        ]
        cells = [
            (str(c["id"]), c["name"], f"{c['train']:,}", f"{c['test']:,}",
             percent(c["producers_accuracy"]), percent(c["users_accuracy"]))
            for c in self.report["classes"]
        ]  # fmt: skip
        table = notebook.render_classes(("id", "class", "train", "test", "PA %", "UA %"), cells, self.table.colours)
        pixels = notebook.colour_classes(self.classes, self.table.ids, self.table.colours)
        properties = notebook.render_properties(f"Classification of {self.scene.name}", rows)
        return properties + table + notebook.render_picture(pixels, "class map")
