"""What a run leaves in its folder, and what it shows at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from .inputs import Inputs
from .plain import plain
from .record import Stopwatch, machine, peak_memory, versions
from .terminal import new_table, progress, say, stdout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.mapping import MapOptions, MapSummary

    from .fitting import Run
    from .mapped import Mapped

    Ids = NDArray[Any]


def map_inputs(inputs: Inputs, run: Run, path: Path, options: MapOptions) -> MapSummary:
    """Map the scene that the model was trained on, all of it, with a progress bar."""
    from hsi.devices import resolve_device
    from hsi.mapping import plan_map, write_map
    from hsi.matching import BandMatch
    from hsi.memory import free_memory, resident_memory

    match = BandMatch(inputs.scene, None, "the bands it was trained on")
    plan = plan_map(run.bundle, match, options, resident_memory() + free_memory() // 2)
    device = resolve_device(run.settings.device)
    with progress("map", "rows") as advance:
        return write_map(
            path, run.bundle, match, options, plan, usable=inputs.survey.valid, device=device, progress=advance
        )


def areas_of(summary: MapSummary) -> list[dict[str, Any]]:
    """Pixels and hectares of each class of a map; hectares are None where the place is not known."""
    hectares = summary.hectares or {}
    names = zip(summary.table.ids, summary.table.names, strict=True)
    return [{"id": i, "name": n, "pixels": summary.pixels[i], "hectares": hectares.get(i)} for i, n in names]


def calibration_of(right: Ids, counted: Ids, confidence: Path) -> dict[str, Any] | None:
    """Whether a confidence raster keeps its word, on the ``counted`` pixels ``(H, W)``; None without it or them."""
    from hsi.calibration import measure_calibration
    from hsi.rasters import read_classes

    if not confidence.is_file():
        return None
    found = measure_calibration(read_classes(confidence)[counted], right[counted])
    return found.to_dict() if found else None


def write_report(folder: Path, inputs: Inputs, mapped: Mapped, ids: Ids, report: dict[str, Any]) -> None:
    """``split.tif``, ``accuracy.*`` and the figures."""
    from hsi.figures import RunFigures, false_colour, write_figures
    from hsi.rasters import write_band
    from hsi.tables import write_tables

    scene, labels, split = inputs.scene, inputs.labels, mapped.split
    meaning = "0 not used, 1 training, 2 validation, 3 test"
    write_band(folder / "split.tif", split.codes(), georeference=scene.georeference, description=meaning)
    write_tables(folder, report)
    figures = RunFigures(
        title=inputs.known_as or scene.name,
        table=labels.table,
        ids=np.where(inputs.survey.valid, ids, labels.background),
        picture=false_colour(scene, inputs.survey.valid),
        truth=labels.values,
        tested=split.test,
        matrix=np.asarray(report["confusion_matrix"]),
        calibration=report.get("calibration"),
        history=mapped.record.get("history", ()),
    )
    write_figures(folder / "figures", figures)


def describe_run(inputs: Inputs, mapped: Mapped, watch: Stopwatch) -> dict[str, Any]:
    """Everything needed to know what was run: ``run.json``."""
    scene, labels, survey = inputs.scene, inputs.labels, inputs.survey
    return {
        "command": ["hsi", *sys.argv[1:]],
        "settings": mapped.settings.model_dump(),
        **mapped.record,
        "versions": versions(),
        "machine": machine(),
        "seed": mapped.settings.seed,
        "inputs": {
            "scene": str(scene.source),
            "variable": scene.variable,
            "labels": str(labels.source),
            "label_variable": labels.variable,
            "sha256": dict(mapped.trained_on),
            "recognised_as": inputs.known_as,
        },
        "bands": inputs.bands.to_dict(),
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
        "peak_memory_bytes": peak_memory(),
    }


def show_accuracy(report: dict[str, Any]) -> None:
    """The per-class table, then OA with its interval, AA, kappa, what is wrong, the calibration and the audit."""
    from hsi.sections import interval
    from hsi.tables import calibration_in_words

    table = new_table("accuracy on test pixels in percent (PA producer's, UA user's accuracy)")
    table.add_column("id", justify="right")
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=26)
    for heading in ("train", "test", "PA", "UA", "F1", "IoU"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["classes"]:
        shares = [_percent(row[key]).rstrip("%") for key in ("producers_accuracy", "users_accuracy", "f1", "iou")]
        table.add_row(str(row["id"]), escape(plain(row["name"])), f"{row['train']:,}", f"{row['test']:,}", *shares)
    stdout.print(table)
    if report["absent_classes"]:
        say("absent", f"no test pixel, left out of AA: {', '.join(report['absent_classes'])}")
    kappa = "undefined" if report["kappa"] is None else f"{report['kappa']:.4f}"
    overall, bounds = _percent(report["overall_accuracy"]), interval(report["intervals"]["overall_accuracy"])
    say("accuracy", f"OA {overall} ({bounds})  AA {_percent(report['average_accuracy'])}  kappa {kappa}")
    quantity, allocation = (_percent(report[f"{kind}_disagreement"]) for kind in ("quantity", "allocation"))
    say("wrong", f"by quantity {quantity}, by allocation {allocation}")
    if report.get("calibration"):
        say("confidence", calibration_in_words(report["calibration"]))
    if report["audit"]:
        say("audit", report["audit"]["in_words"])


def show_estimate(estimate: dict[str, Any]) -> None:
    """Accuracy and area of each class and of the whole map, as estimated from a sample."""
    unit = {"hectares": "ha", "pixels": "pixels"}[estimate["unit"]]
    table = new_table("estimated for the whole map, with half the 95 % interval")
    table.add_column("id", justify="right")
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=30)
    for heading in ("UA %", "PA %", f"mapped {unit}", f"estimated {unit}"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in estimate["classes"]:
        shares = [_with_reach(row[key], 100, 1) for key in ("users_accuracy", "producers_accuracy")]
        digits = 1 if row["mapped_area"] < 100 and unit == "ha" else 0
        areas = (f"{row['mapped_area']:,.{digits}f}", _with_reach(row["area"], 1, digits))
        table.add_row(str(row["id"]), escape(plain(row["name"])), *shares, *areas)
    stdout.print(table)
    quantity, allocation = (_percent(estimate[f"{kind}_disagreement"]) for kind in ("quantity", "allocation"))
    overall = _with_reach(estimate["overall_accuracy"], 100, 2)
    say("whole map", f"OA {overall} %, wrong by quantity {quantity}, by allocation {allocation}")
    if estimate["pooled"]:
        say("pooled", f"too few reference pixels to stand alone: {', '.join(estimate['pooled'])}")


def _with_reach(estimate: dict[str, float] | None, scale: float, digits: int) -> str:
    """A number and half of its interval, such as ``88.0 ±7.4``."""
    from hsi.sections import reach

    if estimate is None:
        return "–"
    return f"{estimate['value'] * scale:,.{digits}f} ±{reach(estimate) * scale:,.{digits}f}"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.2%}"


def check_free_file(path: Path, overwrite: bool) -> None:
    """Raise :class:`OutputError` unless a file may be written to ``path``."""
    from hsi.errors import OutputError

    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give --out the name of a file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already: choose another --out, or replace it with --overwrite")
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: cannot be written: {folder} is no folder to write into: choose another --out")


def show_areas(areas: list[dict[str, Any]]) -> None:
    """Pixels, share and hectares of each class of a map."""
    table = new_table()
    table.add_column("id", justify="right")
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=40)
    for heading in ("pixels", "share", "hectares"):
        table.add_column(heading, justify="right")
    total = sum(row["pixels"] for row in areas) or 1
    for row in areas:
        hectares = "–" if row["hectares"] is None else f"{row['hectares']:,.2f}"
        pixels = (f"{row['pixels']:,}", f"{row['pixels'] / total:.1%}")
        table.add_row(str(row["id"]), escape(plain(row["name"])), *pixels, hectares)
    stdout.print(table)


def show_written(out: Path) -> None:
    """The paths of all that was written, and what to open."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    say("written", f"{len(files)} files in {out}")
    for path in files:
        say("", str(path))
    say("open", f"{out / 'map.tif'} in QGIS, or look at {out / 'figures' / 'map.png'}")
