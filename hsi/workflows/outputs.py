"""What a run leaves in its folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.events import progress, warning
from hsi.workflows.inputs import Inputs
from hsi.workflows.provenance import StageTimer, machine, peak_memory, versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.core.memory import MemoryPlan
    from hsi.inference.map_files import MapOptions, MapSummary
    from hsi.inference.resume import StripCache
    from hsi.models import WindowNetwork
    from hsi.report.figures import ClassSpectra
    from hsi.workflows.classify import MappedScene
    from hsi.workflows.fit import FittedRun

    Ids = NDArray[Any]


def map_inputs(
    inputs: Inputs, run: FittedRun, path: Path, options: MapOptions, strips: Path | None = None
) -> MapSummary:
    """Map the scene that the model was trained on, all of it, with a progress bar.

    Strips that are done are kept in the folder ``strips``, and taken from there.
    """
    from hsi.core.devices import resolve_device
    from hsi.core.memory import free_memory, resident_memory
    from hsi.inference.predict import map_scene, plan_map
    from hsi.preprocessing.band_matching import BandMatch

    match = BandMatch(inputs.scene, None, "the bands it was trained on")
    plan, partial = plan_map(run.bundle, match, options, resident_memory() + free_memory() // 2), None
    if strips:
        facts = {"weights": hash_weights(run.bundle.model), "temperature": run.bundle.temperature}
        plan, partial = begin_strips(strips, plan, {**facts, "options": vars(options)})
    device = resolve_device(run.settings.device)
    with progress("map", "rows") as advance:
        return map_scene(
            path, run.bundle, match, options, plan,
            usable=inputs.survey.valid, device=device, progress=advance, partial=partial,
        )  # fmt: skip


def begin_strips(strips: Path, plan: MemoryPlan, facts: Mapping[str, Any]) -> tuple[MemoryPlan, StripCache]:
    """Where the strips of a map are kept, and the plan with the map cut as before; what does not fit is begun anew."""
    from hsi.errors import ResumeError
    from hsi.inference.resume import StripCache

    try:
        before = cut_as_before(plan, strips)
        return before, StripCache(strips, {**facts, "rows": before.rows, "tile": before.tile})
    except ResumeError as error:
        warning(f"the map is begun anew: {error}")
        shutil.rmtree(strips, ignore_errors=True)
    return plan, StripCache(strips, {**facts, "rows": plan.rows, "tile": plan.tile})


def cut_as_before(plan: MemoryPlan, strips: Path) -> MemoryPlan:
    """The plan with the strips and tiles of the map that was begun, if there is one. Raises :class:`ResumeError`."""
    from hsi.errors import ResumeError
    from hsi.inference.resume import read_facts

    facts = read_facts(strips)
    if facts is None:
        return plan
    rows, tile = facts.get("rows"), facts.get("tile")
    if not (isinstance(rows, int) and isinstance(tile, int) and rows > 0 and tile > 0):
        raise ResumeError(f"{strips}: does not say how the map begun there is cut")
    return replace(plan, rows=rows, tile=tile)


def hash_weights(model: WindowNetwork) -> str:
    """SHA-256 of a network's weights by their names."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def areas_of(summary: MapSummary) -> list[dict[str, Any]]:
    """Pixels and hectares of each class of a map; hectares are None where the place is not known."""
    hectares = summary.hectares or {}
    names = zip(summary.table.ids, summary.table.names, strict=True)
    return [{"id": i, "name": n, "pixels": summary.pixels[i], "hectares": hectares.get(i)} for i, n in names]


def calibration_of(right: Ids, counted: Ids, confidence: Path) -> dict[str, Any] | None:
    """Whether a confidence raster keeps its word, on the ``counted`` pixels ``(H, W)``; None without it or them."""
    from hsi.accuracy.calibration import measure_calibration
    from hsi.io.geotiff import read_classes

    if not confidence.is_file():
        return None
    found = measure_calibration(read_classes(confidence)[counted], right[counted])
    return found.to_dict() if found else None


def write_report(
    folder: Path, inputs: Inputs, mapped: MappedScene, report: dict[str, Any], figures: bool = True
) -> ClassSpectra:
    """``split.tif``, ``ground_truth.tif``, ``accuracy.*`` and the figures, with progress bars; returns the spectra of
    the training pixels."""
    from hsi.io.geotiff import nodata_value, write_band, write_class_map
    from hsi.report.figures.run import TRUTH, training_spectra
    from hsi.report.tables import write_tables

    scene, labels, split = inputs.scene, inputs.labels, mapped.split
    meaning = "0 not used, 1 training, 2 validation, 3 test"
    write_band(folder / "split.tif", split.codes(), georeference=scene.georeference, description=meaning)
    truth = np.where(labels.labelled, labels.values, nodata_value(labels.table))
    place: dict[str, Any] = {"georeference": scene.georeference, "nodata_mask": None}
    write_class_map(folder / TRUTH, truth, labels.table, **place, description="ground truth")
    write_tables(folder, report)
    with progress("spectra", "rows") as advance:
        spectra = training_spectra(folder, labels.table, scene, advance)
    if figures:
        draw_figures(folder, inputs, mapped, report, spectra)
    return spectra


def draw_figures(
    folder: Path, inputs: Inputs, mapped: MappedScene, report: Mapping[str, Any], spectra: ClassSpectra
) -> None:
    """All figures of a run, from what lies in its folder, with progress bars."""
    from hsi.report.figures import false_colour, write_figures
    from hsi.report.figures.run import figures_of_run

    with progress("picture", "rows") as advance:
        picture = false_colour(inputs.scene, inputs.survey.valid, advance)
    history = mapped.record.get("history", ())
    drawn = figures_of_run(folder, report, title=title_of(inputs), history=history, picture=picture, spectra=spectra)
    with progress("figures", "figures") as advance:
        write_figures(folder / "figures", drawn, progress=advance)


def title_of(inputs: Inputs) -> str:
    """What the figures of a run call its scene."""
    return inputs.known_as or inputs.scene.name


def describe_run(inputs: Inputs, mapped: MappedScene, watch: StageTimer, command: Sequence[str]) -> dict[str, Any]:
    """Everything needed to know what was run, and by which ``command``: ``run.json``."""
    scene, labels, survey = inputs.scene, inputs.labels, inputs.survey
    return {
        "command": list(command),
        "settings": mapped.settings.model_dump(),
        **mapped.record,
        "versions": versions(),
        "machine": machine(),
        "seed": mapped.settings.seed,
        "inputs": {
            "scene": str(scene.source or scene.name),
            "variable": scene.variable,
            "labels": str(labels.source or "an array"),
            "label_variable": labels.variable,
            "sha256": dict(mapped.trained_on),
            "recognised_as": inputs.known_as,
            "title": title_of(inputs),
            "wavelengths_nm": scene.wavelengths and list(scene.wavelengths),
        },
        "bands": inputs.bands.to_dict(),
        "denoising": inputs.denoising.to_dict() if inputs.denoising else None,
        "label_notes": list(labels.notes),
        "pixels": {
            "invalid": survey.invalid,
            "not_finite": survey.not_finite,
            "nodata": survey.nodata,
            "zero": survey.zero,
            "masked": survey.masked,
        },
        "split": mapped.split.to_dict(labels),
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "peak_memory_bytes": peak_memory(),
    }
