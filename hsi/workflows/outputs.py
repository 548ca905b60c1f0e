"""What a run leaves in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, progress
from hsi.inference.map_files import MapOptions, MapSummary, layer_files, layer_path
from hsi.io.geotiff import nodata_value, read_classes, write_band, write_class_map
from hsi.report.figures import ClassSpectra, RunFigures, class_spectra, false_colour, ground_of, write_figures
from hsi.report.tables import write_tables
from hsi.workflows.inputs import Inputs
from hsi.workflows.provenance import StageTimer, machine, peak_memory, versions

if TYPE_CHECKING:
    from hsi.workflows.classify import Classified

REPORT, TRUTH = "report.html", "ground_truth.tif"


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
        "settings": settings.model_dump(),
        **classified.model.describe(),
        "versions": versions(),
        "machine": machine(),
        "seed": settings.seed,
        "inputs": {
            "scene": str(scene.source or scene.name),
            "variable": scene.variable,
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
            "zero": survey.zero,
            "masked": survey.masked,
        },
        "split": classified.split.to_dict(labels),
        "seconds": timer.seconds,
        "cpu_seconds": timer.cpu_seconds,
        "peak_memory_bytes": peak_memory(),
    }


def files_below(folder: Path) -> set[str]:
    """Names of the files in a folder and below it, relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def map_files(map_path: Path, options: MapOptions, report: bool) -> dict[str, Path]:
    """All files of a map with these options: its layers by name, "record" and "report"."""
    files = layer_files(map_path, options) | {"record": map_path.with_suffix(".json")}
    return files | ({"report": map_path.with_name(f"{map_path.stem}_{REPORT}")} if report else {})


def find_confidence(map_path: Path) -> Path | None:
    """The confidence that ``hsi predict`` or ``hsi classify`` wrote with a map, unless the map was smoothed since."""
    smooth = read_map_record(map_path).get("smooth")
    layer = layer_path(map_path, "confidence")
    path = layer if layer.is_file() else file_of_run(map_path, "confidence.tif")
    if path and smooth:
        info("confidence", f"not compared: the map was smoothed ({smooth}), which its confidence does not include")
        return None
    return path


def file_of_run(map_path: Path, name: str) -> Path | None:
    """A file of the run of ``hsi classify`` that a map is from; None where there is no such run or file."""
    path = map_path.with_name(name)
    is_run = map_path.name == "map.tif" and map_path.with_name("run.json").is_file()
    return path if is_run and path.is_file() else None


def read_map_record(map_path: Path) -> dict[str, Any]:
    """The record that ``hsi predict`` wrote with a map; empty where there is none."""
    try:
        record = json.loads(map_path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def split_of_run(map_path: Path, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The codes ``shape`` (H, W) of ``split.tif`` of the run that a map is from; None where there is none."""
    path = file_of_run(map_path, "split.tif")
    codes = read_classes(path) if path else None
    return codes if codes is not None and codes.shape == shape else None
