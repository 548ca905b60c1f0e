"""Export a saved model and compare it with its file on a labelled scene: ``hsi export`` and :func:`hsi.export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

from hsi.core import events
from hsi.core.files import find_model
from hsi.errors import UnknownNameError, UsageError
from hsi.exports.check import Check, check_files
from hsi.exports.deepness import DeepnessNetwork
from hsi.exports.model_folder import CONFIG, check_licence, write_model_folder
from hsi.exports.network import (
    SUFFIXES,
    ExportedNetwork,
    Format,
    Scores,
    Shape,
    Values,
    export_network,
    need_onnx,
    quantise,
    run_file,
)
from hsi.exports.sidecar import describe_for_hosts, sidecar_path
from hsi.inference.model_file import SavedModel, load_model, match_scene
from hsi.inference.scene_scale import adapt_scene
from hsi.io.masks import open_masks
from hsi.settings import InputSettings, input_settings
from hsi.workflows.inputs import input_files, open_any_labels, open_any_scene
from hsi.workflows.predict import refuse_band_choices
from hsi.workflows.provenance import hash_inputs
from hsi.workflows.run_folder import check_free, check_free_files, run_folder, unfinished_files

if TYPE_CHECKING:
    from hsi.workflows.inputs import LabelsLike, SceneLike

INT8 = "int8 weights"
REMEDY = "the file takes values of that scale: check it on a scene whose values are multiplied by {factor}"


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model as a file for other programs, or a folder; :func:`hsi.export` returns it.

    ``metadata`` is what the file holds under "hsi": shapes of input and output, window, bands and classes; of a folder
    its ``config.json``. ``sizes`` are the bytes of the file, and of the exact one where weights are 8-bit, by name;
    ``check`` has the accuracy of both and of the model on a labelled scene, where one was given.
    """

    file: Path
    metadata: Mapping[str, Any]
    sizes: Mapping[str, int]
    check: Check | None = None
    warnings: tuple[str, ...] = ()


def export(
    model: Path | str,
    out: Path | str,
    *,
    format: Format,
    input: Shape | None = None,
    values: Values | None = None,
    int8: bool = False,
    licence: str | None = None,
    check: SceneLike | None = None,
    labels: LabelsLike | None = None,
    overwrite: bool = False,
    progress: bool | events.Report | None = None,
    **reading: Any,
) -> ExportedModel:
    """Write a saved model as a file that ONNX Runtime, LibTorch or a plugin of QGIS runs without hsi, or as a folder.

    The same as ``hsi export``. Input is float32, with zeros around the scene and where there is no data: patches
    ``(N, C, window, window)`` give probabilities ``(N, classes)`` of their middle pixels, a tile ``(1, C, h, w)`` gives
    ``(1, classes, h - window + 1, w - window + 1)``; without the averages and the blending of :func:`hsi.predict`. The
    file is compared with the model before it gets its name. Next to an ONNX file lies a JSON file of the same name
    with its task and classes. Nothing is printed.

    ``deepness`` is for the QGIS plugin of that name: tiles of a fixed size that give the probabilities of
    :func:`hsi.predict`, averaged and blended as the model says, and the further class "no data". ``folder`` is the
    layout of model hubs: ``model.safetensors``, ``config.json`` and the model card ``README.md``.

    Args:
        model: A model file, or a folder with ``model.safetensors``, such as that of a run.
        out: The file to write: ``.onnx``, or ``.pt`` for TorchScript; or the folder.
        format: ``onnx``, ``torchscript``, ``deepness`` or ``folder``.
        input: ``patch``, as when left out, for windows one by one, ``tile`` for tiles of any size whose windows share
            the convolutions.
        values: ``bands``, as when left out, with the reduction in the file, or ``components`` that were reduced before.
        int8: ``onnx``: whether weights are 8-bit, for a quarter of the size.
        licence: ``folder``: the licence of the model for its card, such as ``cc-by-4.0``.
        check: A labelled scene to compare file and model on: a file's path, an array ``(H, W, B)``, a ``DataArray``, or
            a :class:`Scene`.
        labels: Its labels ``(H, W)``, as for :func:`hsi.classify`.
        overwrite: Whether to replace a file of that name.
        progress: As for :func:`hsi.classify`.
        **reading: How to read ``check`` and ``labels``, as for :func:`hsi.classify`, but for the choice of bands.

    Raises:
        UsageError: for parameters that make no sense together, a missing package, and a model that no file can hold.
        BundleError: for a file that is no saved model, or whose bands the scene does not have.
        ExportError: for a file with other results than the model.
        OutputError: for a file that is there already or cannot be written.
        HsiError: for a scene or labels that cannot be used.
    """
    options, path = input_settings({*InputSettings.model_fields} - {"labels"}, **reading), Path(out)
    for kind, name, known in (("format", format, Format), ("input", input, Shape), ("values", values, Values)):
        if name is not None and name not in get_args(known):
            raise UnknownNameError(kind, name, get_args(known))
    if int8 and format != "onnx":
        raise UsageError("int8 is done by ONNX Runtime: choose the format onnx, or leave it out")
    if format in ("deepness", "folder"):
        for unused, given in {"input": input, "values": values, "check": check}.items():
            if given is not None:
                raise UsageError(f"{unused} has no effect on the format {format}: leave it out")
    if licence is not None and format != "folder":
        raise UsageError(f"licence is for the card of a folder, and the format is {format}: leave it out")
    check_licence(licence)
    if format in SUFFIXES and path.suffix.lower() != SUFFIXES[format]:
        raise UsageError(f"{path}: a file of {format} ends in {SUFFIXES[format]}")
    if check is None and (labels is not None or options.given):
        raise UsageError("labels and how to read a scene are for check: name a scene there, or leave them out")
    refuse_band_choices(options)
    file = find_model(Path(model))
    if format == "folder":
        return write_folder(file, path, licence, overwrite, progress)
    files = [path] if format == "torchscript" else [path, sidecar_path(path)]
    check_free_files(path, files, overwrite=overwrite, inputs=[file, *input_files(check, options, labels)])
    if format != "torchscript":
        need_onnx()
    saved = load_model(file)
    if saved.denoiser:
        raise UsageError(
            f"{model} cleans its scene with {saved.denoiser.name} first, which no exported file does: map with "
            "'hsi predict', or train it without --denoise"
        )
    shape, content, checked = input or "patch", values or "bands", None
    exported = DeepnessNetwork(saved) if format == "deepness" else ExportedNetwork(saved, shape, content)
    metadata = exported.describe()
    with events.report_to(recorder := events.reporter_for(progress)), TemporaryDirectory() as folder:
        exact = Path(folder, "exact.onnx") if int8 else None
        written = write_files(exported, path, format, metadata, exact, overwrite)
        if format == "deepness" and "resolution" not in exported.properties():
            events.warning("the model has no pixel size in metres: set the plugin's resolution to that of the layer")
        sizes = {name: one.stat().st_size for name, one in written.items()}
        if check is not None:
            runs = {name: run_file(one, format) for name, one in written.items()}
            checked = check_on_scene(exported, saved, runs, check, labels, options)
        elif int8:
            events.warning("8-bit weights cost some accuracy, which a check on a labelled scene measures")
    return ExportedModel(path, metadata, sizes, checked, tuple(recorder.warnings))


def write_files(
    exported: ExportedNetwork,
    out: Path,
    form: Format,
    metadata: Mapping[str, Any],
    exact: Path | None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write ``out`` and return the files by name: with a path for the ``exact`` one, ``out`` has 8-bit weights."""
    properties, names = exported.properties(), exported.output_names
    files = unfinished_files(out, resume=None, overwrite=overwrite)
    with events.progress("export", "steps") as advance, files as work:
        part = work.files / out.name
        if form != "torchscript":
            sidecar_path(part).write_text(describe_for_hosts(metadata, names), encoding="utf-8")
        advance(0, 2, "trace")
        difference = export_network(exported, exact or part, form, metadata, properties)
        if exact is None:
            events.info("same", f"as the saved network, to {difference:.1g} in a probability")
            return {form: out}
        advance(1, 2, "int8")
        quantise(exact, part)
    return {form: exact, INT8: out}


def write_folder(
    model: Path, out: Path, licence: str | None, overwrite: bool, progress: bool | events.Report | None
) -> ExportedModel:
    """Write a model as a folder, which appears when it is complete."""
    check_free(out, overwrite, inputs=[model], mark=CONFIG)
    saved = load_model(model)
    with (
        events.report_to(recorder := events.reporter_for(progress)),
        run_folder(out, overwrite, mark=CONFIG) as work,
    ):
        config = write_model_folder(work.files, out.name, model, saved, licence)
        sizes = {path.name: path.stat().st_size for path in sorted(work.files.iterdir())}
        if licence is None:
            events.warning("the model card states no licence: give one before the model is shared")
    return ExportedModel(out, config, sizes, None, tuple(recorder.warnings))


def check_on_scene(
    exported: ExportedNetwork,
    saved: SavedModel,
    runs: Mapping[str, Scores],
    scene: SceneLike,
    labels: LabelsLike | None,
    reading: InputSettings,
) -> Check:
    """Run model and files on the labelled pixels of a scene; warns of labels that trained the model.

    Raises :class:`UsageError` for a scene on another scale than the model was trained on.
    """
    opened = open_any_scene(scene, reading, labels=labels)
    truth = open_any_labels(labels, opened, reading)
    use = open_masks(reading, opened)
    truth = truth if use is None else truth.masked(use)
    opened, _, fill = adapt_scene(saved, opened, None, remedy=REMEDY)
    match = match_scene(saved, opened, fill=fill)
    if set(hash_inputs(truth.source).values()) & set(saved.trained_on.values()):
        events.warning("these labels trained the model: only the differences between files count, not the accuracy")
    with events.progress("check", "rows") as advance:
        return check_files(exported, saved.reducer, runs, match, truth, saved.table.ids, advance)
