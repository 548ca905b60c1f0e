"""Export a saved model and compare it with its file on a labelled scene: ``hsi export`` and :func:`hsi.export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

from hsi.core.events import info, progress, warning
from hsi.core.files import write_atomically
from hsi.errors import UnknownNameError, UsageError
from hsi.inference.export import (
    SUFFIXES,
    ExportedNetwork,
    Format,
    Shape,
    Values,
    describe_export,
    export_network,
    need_onnx,
    quantise,
    run_file,
)
from hsi.inference.export_check import Check, check_files
from hsi.inference.model_file import SavedModel, load_model
from hsi.io.masks import open_mask
from hsi.preprocessing.band_matching import match_bands
from hsi.settings import InputSettings
from hsi.workflows.inputs import open_any_labels, open_any_scene
from hsi.workflows.predict import refuse_band_choices
from hsi.workflows.provenance import hash_inputs
from hsi.workflows.run_folder import check_free_file

if TYPE_CHECKING:
    from hsi.workflows.inputs import LabelsLike, SceneLike

INT8 = "int8 weights"


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model as a file for other programs; :func:`hsi.export` returns it.

    ``metadata`` is what the file holds under "hsi": shapes of input and output, window, bands and classes. ``sizes``
    are the bytes of the file, and of the exact one where weights are 8-bit, by name; ``check`` has the accuracy of both
    and of the model on a labelled scene, where one was given.
    """

    file: Path
    metadata: Mapping[str, Any]
    sizes: Mapping[str, int]
    check: Check | None = None
    warnings: tuple[str, ...] = ()


def export_model(
    model: Path,
    out: Path,
    form: Format,
    shape: Shape,
    values: Values,
    *,
    int8: bool,
    check: SceneLike | None,
    labels: LabelsLike | None,
    reading: InputSettings,
    overwrite: bool,
) -> ExportedModel:
    """Export a model file; :func:`hsi.export` describes the parameters and what is raised."""
    for kind, name, known in (("format", form, Format), ("input", shape, Shape), ("values", values, Values)):
        if name not in get_args(known):
            raise UnknownNameError(kind, name, get_args(known))
    if int8 and form != "onnx":
        raise UsageError("int8 is done by ONNX Runtime: choose the format onnx, or leave it out")
    if out.suffix.lower() != SUFFIXES[form]:
        raise UsageError(f"{out}: a file of {form} ends in {SUFFIXES[form]}")
    if check is None and (labels is not None or reading.given):
        raise UsageError("labels and how to read a scene are for check: name a scene there, or leave them out")
    refuse_band_choices(reading)
    check_free_file(out, overwrite)
    if form == "onnx":
        need_onnx()
    saved = load_model(model)
    if saved.denoiser:
        raise UsageError(
            f"{model} cleans its scene with {saved.denoiser.name} first, which no exported file does: map with "
            "'hsi predict', or train it without --denoise"
        )
    exported, metadata = ExportedNetwork(saved, shape, values), describe_export(saved, shape, values)
    with TemporaryDirectory() as folder:
        files = write_files(exported, out, form, metadata, Path(folder, "exact.onnx") if int8 else None)
        sizes = {name: path.stat().st_size for name, path in files.items()}
        checked = None
        if check is not None:
            checked = check_on_scene(exported, saved, files, form, check, labels, reading)
    if int8 and check is None:
        warning("8-bit weights cost some accuracy, which a check on a labelled scene measures")
    return ExportedModel(out, metadata, sizes, checked)


def write_files(
    exported: ExportedNetwork, out: Path, form: Format, metadata: Mapping[str, Any], exact: Path | None
) -> dict[str, Path]:
    """Write ``out`` and return the files by name: with a path for the ``exact`` one, ``out`` has 8-bit weights."""
    with progress("export", "steps") as advance, write_atomically(out) as part:
        advance(0, 2, "trace")
        difference = export_network(exported, exact or part, form, metadata)
        if exact is None:
            info("same", f"as the saved network, to {difference:.1g} in a probability")
            return {form: out}
        advance(1, 2, "int8")
        quantise(exact, part)
    return {form: exact, INT8: out}


def check_on_scene(
    exported: ExportedNetwork,
    saved: SavedModel,
    files: Mapping[str, Path],
    form: Format,
    scene: SceneLike,
    labels: LabelsLike | None,
    reading: InputSettings,
) -> Check:
    """Run model and files on the labelled pixels of a scene; warns of labels that trained the model."""
    opened = open_any_scene(scene, reading)
    truth = open_any_labels(labels, opened, reading)
    if reading.mask:
        truth = truth.masked(open_mask(reading.mask, opened))
    match = match_bands(saved.bands, opened)
    if set(hash_inputs(truth.source).values()) & set(saved.trained_on.values()):
        warning("these labels trained the model: the difference between files counts, and not how high the accuracy is")
    runs = {name: run_file(path, form) for name, path in files.items()}
    with progress("check", "rows") as advance:
        return check_files(exported, saved.reducer, runs, match, truth, saved.table.ids, advance)
