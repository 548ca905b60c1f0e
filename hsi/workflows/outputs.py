"""The files of a run: maps, tables, figures, the report and the record; and what other commands find next to a map."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import Advance, info, progress
from hsi.core.installation import machine, versions
from hsi.core.scene import Scene
from hsi.inference.map_files import MapOptions, MapSummary, layer_files, layer_path
from hsi.io.formats.gdal import address_of
from hsi.io.geotiff import nodata_value, read_classes, write_band, write_class_map
from hsi.report.figures import ClassSpectra, RunFigures, class_spectra, false_colour, ground_of, write_figures
from hsi.report.html import (
    MapView,
    Report,
    Spectra,
    ordinal,
    sample_spectra,
    spectra_step,
    subsample_scene,
    track_reads,
    view_step,
    write_report_page,
)
from hsi.report.html.denoising import denoising_section
from hsi.report.html.provenance import run_provenance
from hsi.report.run_figures import TRUTH
from hsi.report.tables import write_tables
from hsi.stac.document import item_path
from hsi.stac.map_item import write_map_item
from hsi.stac.model_item import write_model_item
from hsi.workflows.inputs import Inputs
from hsi.workflows.provenance import StageTimer, date_now, peak_memory

if TYPE_CHECKING:
    from hsi.workflows.classify import Classified

REPORT = "report.html"


def areas_of(summary: MapSummary) -> list[dict[str, Any]]:
    """Pixels and hectares of each class of a map; hectares are None where the place is not known."""
    hectares = summary.hectares or {}
    names = zip(summary.table.ids, summary.table.names, strict=True)
    return [{"id": i, "name": n, "pixels": summary.pixels[i], "hectares": hectares.get(i)} for i, n in names]


def write_report(
    folder: Path, classified: Classified, figures: bool = True
) -> tuple[ClassSpectra, NDArray[np.uint8] | None]:
    """``split.tif``, ``ground_truth.tif``, ``accuracy.*`` and the figures, with progress bars.

    Returns the spectra of the training pixels and, where figures are drawn, false colour ``(H, W, 3)`` of the scene.
    """
    inputs, split = classified.inputs, classified.split
    scene, labels = inputs.scene, inputs.labels
    meaning = "0 not used, 1 training, 2 validation, 3 test"
    write_band(folder / "split.tif", split.codes(), georeference=scene.georeference, description=meaning)
    truth = np.where(labels.labelled, labels.values, nodata_value(labels.table))
    place: dict[str, Any] = {"georeference": scene.georeference, "nodata_mask": None}
    write_class_map(folder / TRUTH, truth, labels.table, **place, description="ground truth")
    write_tables(folder, classified.accuracy)
    with progress("spectra", "rows") as advance:
        spectra = class_spectra(scene, np.where(split.train, labels.codes(), -1), len(labels.table), advance)
    if not figures:
        return spectra, None
    with progress("picture", "rows") as advance:
        picture = false_colour(scene, inputs.survey.valid, advance)
    layers = classified.mapped.layers
    drawn = RunFigures(
        title=title_of(inputs),
        table=labels.table,
        ids=layers["map"],
        picture=picture,
        truth=truth,
        tested=split.test,
        matrix=np.asarray(classified.accuracy["confusion_matrix"]),
        history=classified.model.describe().get("history") or None,
        calibration=classified.accuracy["calibration"],
        split=split.codes(),
        confidence=layers["confidence"][0] if "confidence" in layers else None,
        spectra=spectra,
        ground=ground_of(scene.georeference, scene.height, scene.width),
    )
    with progress("figures", "figures") as advance:
        write_figures(folder / "figures", drawn.drawings(), progress=advance)
    return spectra, picture


def title_of(inputs: Inputs) -> str:
    """What the figures of a run call its scene."""
    return inputs.known_as or inputs.scene.name


def run_record(classified: Classified, timer: StageTimer, command: Sequence[str]) -> dict[str, Any]:
    """Everything needed to know what was run, and by which ``command``: ``run.json``."""
    inputs, settings = classified.inputs, classified.model.settings
    scene, labels, survey = inputs.scene, inputs.labels, inputs.survey
    return {
        "command": list(command),
        "date": date_now(),
        "settings": settings.model_dump(),
        **classified.model.describe(),
        "versions": versions(),
        "machine": machine(),
        "seed": settings.seed,
        "inputs": {
            "scene": address_of(scene),
            "parts": [str(path) for path in scene.tiles],
            "asset": scene.item and scene.item.asset,
            "variable": scene.variable,
            "axes": scene.axes,
            "window": list(astuple(scene.area.window)) if scene.area else None,
            "crs": scene.georeference.crs if scene.georeference else None,
            "labels": str(labels.source or "an array"),
            "label_variable": labels.variable,
            "sha256": dict(classified.model.trained_on),
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
            "fill": survey.filled,
            "fill_values": list(survey.found),
            "zero": survey.zero,
            "masked": survey.masked,
        },
        "split": classified.split.to_dict(labels),
        **{key: classified.accuracy[key] for key in ("cross_validation",) if key in classified.accuracy},
        "seconds": timer.seconds,
        "cpu_seconds": timer.cpu_seconds,
        "peak_memory_bytes": peak_memory(),
    }


def write_items(folder: Path, place: Path, classified: Classified, created: str) -> None:
    """The STAC Items of the map and of the model of a run, in its ``folder`` that will be ``place``."""
    scene, saved = classified.inputs.scene, classified.model.saved
    model, mapped = folder / "model.safetensors", folder / "map.tif"
    known: dict[str, Any] = {"created": created}
    if saved:
        write_model_item(item_path(model), item_path(place / model.name), model, saved, [scene], **known)
        known["model"] = place / model.name
    layers = {name: folder / f"{name}.tif" for name in ("map", "confidence", "probabilities")}
    files = {name: path for name, path in layers.items() if path.is_file()}
    files |= {"record": folder / "run.json", "report": folder / REPORT}
    write_map_item(item_path(mapped), item_path(place / mapped.name), files, classified.mapped, scene, **known)


def files_below(folder: Path) -> set[str]:
    """Names of the files in a folder and below it, relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def map_files(map_path: Path, options: MapOptions, report: bool, stac: bool = False) -> dict[str, Path]:
    """All files of a map with these options: its layers by name, "record", "item" and "report"."""
    files = layer_files(map_path, options) | {"record": map_path.with_suffix(".json")}
    files |= {"item": item_path(map_path)} if stac else {}
    return files | ({"report": map_path.with_name(f"{map_path.stem}_{REPORT}")} if report else {})


def find_confidence(map_path: Path) -> Path | None:
    """The confidence that ``hsi predict`` or ``hsi classify`` wrote with a map, unless the map was smoothed since."""
    layer, run, smooth = layer_path(map_path, "confidence"), file_of_run(map_path, "run.json"), None
    path = layer if layer.is_file() else file_of_run(map_path, "confidence.tif")
    # a map of another program has no record
    with suppress(OSError, ValueError, RecursionError, AttributeError, LookupError, TypeError):
        record = json.loads((run or map_path.with_suffix(".json")).read_text(encoding="utf-8"))
        record = record["settings"]["mapping"] if run else record
        smooth = record.get("smooth") or record.get("min_area")
    if path and smooth:
        info("confidence", f"not compared: the map was smoothed ({smooth}), which its confidence does not include")
        return None
    return path


def file_of_run(map_path: Path, name: str) -> Path | None:
    """A file of the run of ``hsi classify`` that a map is from; None where there is no such run or file."""
    path = map_path.with_name(name)
    is_run = map_path.name == "map.tif" and map_path.with_name("run.json").is_file()
    return path if is_run and path.is_file() else None


def split_of_run(map_path: Path, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The codes ``shape`` (H, W) of ``split.tif`` of the run that a map is from; None where there is none."""
    path = file_of_run(map_path, "split.tif")
    codes = read_classes(path) if path else None
    return codes if codes is not None and codes.shape == shape else None


TRAINING_PIXELS = "the training pixels"


def write_run_report(
    folder: Path,
    classified: Classified,
    record: Mapping[str, Any],
    training: ClassSpectra,
    picture: NDArray[np.uint8] | None,
) -> None:
    """``report.html`` of ``hsi classify``: the map with its layers, what ``run.json`` will hold, the spectra of the
    ``training`` pixels, and false colour ``(H, W, 3)`` where the figures have it already."""
    inputs, accuracy = classified.inputs, classified.accuracy
    with progress("report", "rows") as advance:
        view = run_view(classified, training, picture, advance)
    report = Report(
        title=title_of(inputs),
        kind="Classification",
        lead=f"{accuracy['model']}, split {accuracy['split']}",
        provenance=run_provenance(record),
        view=view,
        accuracy=accuracy,
        areas=accuracy["areas"],
        history=record.get("history", ()),
        sections=[denoising_section(inputs.denoising, inputs.scene)] if inputs.denoising else (),
        files=sorted({*files_below(folder), "run.json"}),
        notes=spectra_notes(view),
    )
    write_report_page(folder / REPORT, report)


def run_view(
    classified: Classified, training: ClassSpectra, picture: NDArray[np.uint8] | None, advance: Advance
) -> MapView:
    """All layers of a run, every n-th pixel, and the spectra of its ``training`` pixels."""
    inputs, layers = classified.inputs, classified.mapped.layers
    scene, labels = inputs.scene, inputs.labels
    step = view_step(scene.height, scene.width)
    every = (slice(None, None, step), slice(None, None, step))
    usable, known = inputs.survey.valid[every], picture if step == 1 else None
    picture, spectra = sample_scene(scene, usable, step, advance, picture=known)
    return MapView(
        height=scene.height,
        width=scene.width,
        step=step,
        table=labels.table,
        ids=layers["map"][every],
        pixels=classified.mapped.pixels,
        truth=labels.values[every],
        confidence=layers["confidence"][0][every] if "confidence" in layers else None,
        split=classified.split.codes()[every],
        picture=picture,
        georeference=scene.georeference,
        spectra=spectra.with_classes(training, TRAINING_PIXELS),
    )


def sample_scene(
    scene: Scene,
    usable: NDArray[np.bool_],
    step: int,
    advance: Advance,
    rows: int | None = None,
    picture: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint8], Spectra]:
    """False colour ``(h, w, 3)`` of every ``step``-th pixel, unless given, and the spectra that a page can hold.

    ``usable`` is ``(h, w)``.
    """
    if picture is None:
        tracked = track_reads(scene, lambda d, t: advance(d, t, "false colour"))
        picture = false_colour(subsample_scene(tracked, step, rows), usable)
    coarse = spectra_step(scene.height, scene.width, len(scene.bands), step)
    every = coarse // step
    tracked = track_reads(scene, lambda d, t: advance(d, t, "spectra"))
    return picture, sample_spectra(tracked, usable[::every, ::every], coarse, rows)


def spectra_notes(view: MapView) -> list[str]:
    """What a reader has to know of the spectra."""
    spectra = view.spectra
    assert spectra is not None
    pixels = "every pixel" if spectra.step == 1 else f"every {ordinal(spectra.step)} row and column of the scene"
    exact = "as stored" if spectra.exact else "to one part in 65,535 of each band's range"
    trained = spectra.classes_of == TRAINING_PIXELS
    means = "all training pixels" if trained else "the sampled spectra of pixels mapped so"
    return [f"Spectra are those of {pixels}, {exact}; a class's mean and spread are over {means}."]
