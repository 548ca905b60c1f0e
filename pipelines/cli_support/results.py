"""What a command shows at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from hsi.accuracy.metrics import OVERALL_METRICS, Metric
from hsi.report.sections import class_metrics, has_training, interval, measured_on, reach
from hsi.report.tables import calibration_in_words, subsets_in_words

from .terminal import (
    add_name_column,
    add_number_columns,
    class_table,
    new_table,
    plain,
    say,
    say_wrapped,
    short_name,
    show,
)

if TYPE_CHECKING:
    from hsi.collection.train import TrainedScenes
    from hsi.experiments.run import ComparisonResult
    from hsi.experiments.summary import Comparison, SplitComparison

SHOWN = ("overall_accuracy", "average_accuracy", "kappa")  # of each held-out scene


def show_accuracy(report: Mapping[str, Any]) -> None:
    """The metrics of the classes, then those of all pixels, what is wrong, the calibration and the audit."""
    counted, trained = measured_on(report).lower(), has_training(report)
    title = f"accuracy on {counted} pixels in percent (PA producer's, UA user's accuracy)"
    counts = ("train", "test") if trained else ("pixels",)
    table = class_table(title, *counts, *(one.short or one.title for _, one in class_metrics()))
    for row in report["classes"]:
        values = [_value(one, row[key]).rstrip("%") for key, one in class_metrics()]
        pixels = [f"{row[name]:,}" for name in (("train", "test") if trained else ("test",))]
        table.add_row(str(row["id"]), short_name(row["name"]), *pixels, *values)
    show(table)
    if report["absent_classes"]:
        say("absent", f"no {counted} pixel, left out of AA: {', '.join(report['absent_classes'])}")
    right: list[str] = []
    wrong: list[str] = []
    for key, one in OVERALL_METRICS.items():
        bounds = f" ({interval(report['intervals'][key])})" if one.with_interval else ""
        (wrong if one.is_error else right).append(f"{one.short or one.title} {_value(one, report[key])}{bounds}")
    say("accuracy", "  ".join(right))
    say("wrong", ", ".join(wrong))
    for line in subsets_in_words(report):
        say_wrapped("", line)
    if report.get("calibration"):
        say("confidence", calibration_in_words(report["calibration"]))
    if report["audit"]:
        say("audit", report["audit"]["in_words"])


def show_scenes(result: TrainedScenes) -> None:
    """A line for each held-out scene, then the accuracy on all of them together and where it is written."""
    if result.accuracy is None:
        return
    table = new_table("accuracy on held-out scenes in percent")
    add_name_column(table, 30, "scene")
    add_number_columns(table, "test", *(OVERALL_METRICS[key].short for key in SHOWN))
    for one in result.scenes:
        values = [_value(OVERALL_METRICS[key], one.report[key]).rstrip("%") for key in SHOWN]
        table.add_row(short_name(one.name), f"{one.confusion.total:,}", *values)
    show(table)
    show_accuracy(result.accuracy)
    for one in result.scenes:
        say_wrapped("audit", f"{one.name}: {one.report['independence']}")
    say("written", f"{result.folder}: tables of all scenes together and of each, and its map")


def show_estimate(estimate: dict[str, Any]) -> None:
    """Accuracy of each class, then its area, and those of the entire map, as estimated from a sample.

    Two tables, because the intervals of both in one leave no room for names within 80 columns.
    """
    unit = {"hectares": "ha", "pixels": "pixels"}[estimate["unit"]]
    title = "estimated for the entire map, with half the 95 % interval, or its ends"
    table, areas = class_table(title, "UA %", "PA %"), class_table(None, f"mapped {unit}", f"estimated {unit}")
    for row in estimate["classes"]:
        shares = [_with_reach(row[key], 100, 1) for key in ("users_accuracy", "producers_accuracy")]
        digits = 1 if row["mapped_area"] < 100 and unit == "ha" else 0
        name = (str(row["id"]), short_name(row["name"]))
        table.add_row(*name, *shares)
        areas.add_row(*name, f"{row['mapped_area']:,.{digits}f}", _with_reach(row["area"], 1, digits))
    show(table)
    show(areas)
    quantity, allocation = (_percent(estimate[f"{kind}_disagreement"]) for kind in ("quantity", "allocation"))
    overall = _with_reach(estimate["overall_accuracy"], 100, 2)
    say("entire map", f"OA {overall} %, wrong by quantity {quantity}, by allocation {allocation}")
    if estimate["pooled"]:
        say("pooled", f"too few reference pixels for strata of their own: {', '.join(estimate['pooled'])}")


def _with_reach(estimate: dict[str, float] | None, scale: float, digits: int) -> str:
    """A number and half of its interval, such as ``88.0 ±7.4``, or the ends: ``100.0 (81.6–100.0)``."""
    if estimate is None:
        return "–"
    text = reach(estimate, lambda value: f"{value * scale:,.{digits}f}")
    value = f"{estimate['value'] * scale:,.{digits}f}"
    return f"{value} ({text.replace(' to ', '–')})" if " to " in text else f"{value} ±{text}"


def _value(one: Metric, value: float | None) -> str:
    """A metric in percent, or as a number."""
    if one.percent:
        return _percent(value)
    return "undefined" if value is None else f"{value:.4f}"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.2%}"


def show_areas(areas: list[dict[str, Any]]) -> None:
    """Pixels, share and hectares of each class of a map."""
    table = class_table(None, "pixels", "share", "hectares", width=40)
    total = sum(row["pixels"] for row in areas) or 1
    for row in areas:
        hectares = "–" if row["hectares"] is None else f"{row['hectares']:,.2f}"
        pixels = (f"{row['pixels']:,}", f"{row['pixels'] / total:.1%}")
        table.add_row(str(row["id"]), short_name(row["name"]), *pixels, hectares)
    show(table)


def show_written(out: Path, vector: Path | None = None) -> None:
    """The paths of all that was written, and what to open."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    say("written", f"{len(files)} files in {out}", *map(str, files))
    if vector:
        say("polygons", str(vector))
    say("open", f"{out / 'report.html'} in a browser, or {out / 'map.tif'} in QGIS")


def show_plan(result: ComparisonResult) -> None:
    """A line for each run with whether it is finished."""
    for run in result.runs:
        say("finished" if run in result.finished else "to run", str(run.folder))
    count, finished = len(result.runs), len(result.finished)
    say("runs", f"{count}: {finished} finished, {count - finished} to run")


def show_comparison(comparison: Comparison, files: Sequence[Path]) -> None:
    """A table for each split with what holds, then the notes and the files, the report last."""
    from hsi.experiments.notes import audit_line, comparison_notes, split_notes
    from hsi.experiments.tables import sources

    for split in comparison.splits:
        show_split(split)
        say("audit", audit_line(split))
        say("tests", *split_notes(split))
    for line in (*sources(comparison), *comparison_notes(comparison)):
        say("note", line)
    say("written", *map(str, files))
    say("open", f"{files[-1]} in a browser, or look at {files[-1].with_name('comparison.png')}")


def show_split(split: SplitComparison) -> None:
    """Accuracies, seconds and parameters of each row within 80 columns."""
    from hsi.experiments.notes import split_title
    from hsi.experiments.tables import main_table

    columns, title = main_table(split, "terminal"), split_title(split.name, split.rule)
    table = new_table(f"{escape(plain(title))}\nmean ± standard deviation in percent, seconds")
    add_name_column(table, 22, columns.headings[0])
    add_number_columns(table, *columns.headings[1:])
    for i, (name, *texts) in enumerate(columns.rows):
        styles = ["bold" if (i, j) in columns.bold else "none" for j in range(1, len(texts) + 1)]
        cells = [f"[{style}]{text.replace(' ', '')}[/]" for style, text in zip(styles, texts, strict=True)]
        table.add_row(short_name(name), *cells)
    show(table)
