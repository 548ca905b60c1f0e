"""The tables of an accuracy report: percent with two decimals, a dash where a number is not defined.

A *report* is described in :mod:`hsi.report.tables`, which writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hsi.accuracy.metrics import CLASS_METRICS, OVERALL_METRICS, Metric

Report = Mapping[str, Any]
DASH = "–"
SYMMETRIC = 1e-6  # of the width of an interval


@dataclass(frozen=True)
class Table:
    """A table: ``columns`` as pairs of a group ("" for none) and a heading, an l or an r for each, and rows of text
    that is not escaped. ``bold`` are the places (row, column) of cells that stand out."""

    columns: tuple[tuple[str, str], ...]
    alignment: str
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()

    @property
    def headings(self) -> list[str]:
        """One line of headings: percent are named after their group."""
        return [f"{group} (%)" if group and heading == "%" else heading for group, heading in self.columns]


def class_metrics() -> list[tuple[str, Metric]]:
    """Keys and metrics of classes that tables show."""
    return [(key, one) for key, one in CLASS_METRICS.items() if one.in_tables]


def class_table(report: Report) -> Table:
    """The metrics of each class."""
    trained = has_training(report)
    columns = [("", "Id"), ("", "Class"), *([("", "Training")] if trained else []), ("", measured_on(report))]
    for _, one in class_metrics():
        columns += (
            [(one.title, "%"), (one.title, "95 % interval")] if one.with_interval else [("", _heading(one, " (%)"))]
        )
    rows = []
    for entry in report["classes"]:
        cells = [str(entry["id"]), entry["name"], *([str(entry["train"])] if trained else []), str(entry["test"])]
        for key, one in class_metrics():
            cells += [percent(entry[key]), *([interval(entry[f"{key}_interval"])] if one.with_interval else [])]
        rows.append(tuple(cells))
    return Table(tuple(columns), "rl" + "r" * (len(columns) - 2), tuple(rows))


def has_training(report: Report) -> bool:
    """Whether training pixels of the classes are known, as they are of a run and not of a map that is evaluated."""
    return any(entry["train"] for entry in report["classes"])


def measured_on(report: Report) -> str:
    """The pixels that were counted, for a heading: "Test", "Reference", or "Training" where all of them trained."""
    return str(report.get("measured_on", "test")).capitalize()


def subset_name(name: str) -> str:
    """Such as "without unclassified pixels", from a key of ``subsets`` of a report."""
    return f"{name.replace('_', ' ')} pixels"


def _heading(one: Metric, unit: str = "") -> str:
    """The title of a metric that is shown times 100."""
    return f"{one.title}{unit}" if one.percent else f"{one.title} × 100"


def summary_table(report: Report) -> Table:
    """The metrics of all pixels; those of the map where they were estimated."""
    intervals = report["intervals"]
    rows = [
        (_heading(one), percent(report[key]), interval(intervals[key]) if one.with_interval else "")
        for key, one in OVERALL_METRICS.items()
    ]
    for key, subset in (report.get("subsets") or {}).items():
        bounds = interval(subset["intervals"]["overall_accuracy"])
        named = f"Overall accuracy {subset_name(key)} ({subset['pixels']} pixels)"
        rows.append((named, percent(subset["overall_accuracy"]), bounds))
    if report.get("cross_validation"):
        checked = report["cross_validation"]
        named = f"Cross-validation of the quick classifier, {checked['pixels']} pixels held out"
        rows.append((named, percent(checked["accuracy"]), interval(checked["interval"])))
    if report.get("calibration"):
        rows.append(("Expected calibration error", percent(report["calibration"]["error"]), ""))
    if report.get("estimate"):
        estimate = report["estimate"]
        overall = estimate["overall_accuracy"]
        bounds = interval((overall["low"], overall["high"]))
        rows.append(("Overall accuracy of the map, estimated", percent(overall["value"]), bounds))
        for kind in ("quantity", "allocation"):
            name = f"{kind.capitalize()} disagreement of the map, estimated"
            rows.append((name, percent(estimate[f"{kind}_disagreement"]), ""))
    return Table((("", ""), ("", "%"), ("", "95 % interval")), "lrr", tuple(rows))


def area_table(report: Report) -> Table | None:
    """Pixels and hectares of each class on the map, where the report has them."""
    if not report.get("areas"):
        return None
    rows = tuple(
        (
            str(entry["id"]),
            entry["name"],
            str(entry["pixels"]),
            DASH if entry["hectares"] is None else f"{entry['hectares']:.2f}",
        )
        for entry in report["areas"]
    )
    return Table((("", "Id"), ("", "Class on the map"), ("", "Pixels"), ("", "Hectares")), "rlrr", rows)


def estimate_table(report: Report) -> Table | None:
    """Accuracy and area of each class, estimated for the entire map, where the report has them."""
    estimate = report.get("estimate")
    if not estimate:
        return None
    columns = [("", "Id"), ("", "Class, estimated for the entire map"), ("", "Sample")]
    for name in ("User's accuracy", "Producer's accuracy"):
        columns += [(name, "%"), (name, "± or interval")]
    unit = "ha" if estimate["unit"] == "hectares" else "pixels"
    columns += [("", f"On the map ({unit})"), ("", f"Estimated ({unit})"), ("", "± or interval")]
    rows = tuple(
        (
            str(entry["id"]),
            entry["name"],
            str(entry["sample"]),
            *_with_error(entry["users_accuracy"]),
            *_with_error(entry["producers_accuracy"]),
            area(entry["mapped_area"], unit),
            area(entry["area"]["value"], unit),
            reach(entry["area"], lambda value: area(value, unit)),
        )
        for entry in estimate["classes"]
    )
    return Table(tuple(columns), "rl" + "r" * 8, rows)


def reliability_table(report: Report) -> Table | None:
    """Confidence and accuracy by bins of confidence, where the report has them."""
    if not report.get("calibration"):
        return None
    rows = tuple(
        (
            f"{percent(entry['low'])} to {percent(entry['high'])}",
            str(entry["pixels"]),
            percent(entry["confidence"]),
            percent(entry["accuracy"]),
        )
        for entry in report["calibration"]["bins"]
        if entry["pixels"]
    )
    names = ("Confidence (%)", "Pixels", "Mean confidence (%)", "Right (%)")
    return Table(tuple(("", name) for name in names), "lrrr", rows)


def percent(fraction: float | None) -> str:
    """A fraction in percent."""
    return DASH if fraction is None else f"{fraction * 100:.2f}"


def interval(bounds: Sequence[float] | None) -> str:
    """Two fractions in percent."""
    return DASH if bounds is None else f"{percent(bounds[0])} to {percent(bounds[1])}"


def area(value: float, unit: str) -> str:
    """Hectares with two decimals, pixels without."""
    return f"{value:.2f}" if unit == "ha" else f"{value:.0f}"


def reach(estimate: Mapping[str, float], text: Callable[[float], str]) -> str:
    """Half the width of the 95 % interval of an estimate as ``text`` has it, or its ends where it is not symmetric."""
    below, above = (abs(estimate[end] - estimate["value"]) for end in ("low", "high"))
    if abs(above - below) <= SYMMETRIC * (below + above):
        return text(above)
    return f"{text(estimate['low'])} to {text(estimate['high'])}"


def _with_error(estimate: Mapping[str, float] | None) -> tuple[str, str]:
    return (DASH, DASH) if estimate is None else (percent(estimate["value"]), reach(estimate, percent))


def audit_table(report: Report) -> Table | None:
    """How much test pixels share with training pixels, by the split."""
    audit = report.get("audit")
    if audit is None:
        return None
    window, distance = f"{audit['window']} × {audit['window']}", audit["distance"]
    free = (
        f"{percent(audit['leak_free_accuracy'])} % ({audit['leak_free']} pixels)" if audit["leak_free"] else "none left"
    )
    single = audit["window"] == 1
    windows = (
        (f"Test windows of {window} that contain a training pixel", f"{percent(audit['contains_training'])} %"),
        (f"Test windows of {window} that overlap a training window", f"{percent(audit['overlaps_training'])} %"),
    )
    rows = (
        *((("Window of the method", "none: it classifies single pixels"),) if single else windows),
        (
            "Pixels from a test pixel to the nearest training pixel (Chebyshev): 10, 50 and 90 % have no more than",
            f"{distance['10']}, {distance['50']} and {distance['90']}",
        ),
        (
            "Overall accuracy of the nearest training pixel's class, by position only",
            f"{percent(audit['position_accuracy'])} %",
        ),
        ("Overall accuracy of this map", f"{percent(report['overall_accuracy'])} % ({audit['test']} pixels)"),
        *(
            ()
            if single
            else (("Overall accuracy of this map where test windows share nothing with training windows", free),)
        ),
    )
    return Table((("", ""), ("", "found")), "lr", rows)
