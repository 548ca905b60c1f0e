"""``report.html``: what a report shows, and the HTML that shows it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hsi.accuracy.metrics import OVERALL_METRICS, Metric
from hsi.core.colours import RIGHT, TEST, TRAINING, VALIDATION, WRONG, Colour
from hsi.core.files import write_atomically
from hsi.report.html.charts import reliability_chart, share_chart, training_charts
from hsi.report.html.encoding import embedded_json, png_url
from hsi.report.html.map_view import MapView
from hsi.report.sections import Table, area, audit_table, class_metrics, estimate_table, interval, percent
from hsi.report.tables import calibration_in_words, estimate_in_words, notes
from hsi.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).resolve().parent
OWN_SECTIONS = ("audit", "calibration", "estimate")  # have a section of the page, so they need no note
DEFAULTS: dict[str, Any] = {**dict.fromkeys(OWN_SECTIONS), "measured_on": "test", "cross_validation": None}
SCRIPTS = ("fields", "colours", "layers", "viewer", "gestures", "readout", "legend", "spectrum", "controls", "tables",
           "preferences", "main")  # fmt: skip


@dataclass(frozen=True)
class Provenance:
    """How a result was made: ``groups`` of labelled values by heading, the ``command`` as it was typed, seconds by
    stage, SHA-256 by file, the ``date`` in ISO 8601."""

    command: str
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    date: str | None = None


@dataclass(frozen=True)
class PageSection:
    """Tables with captions under a heading, lines of text above them and notes below, and a picture (a PNG's bytes)."""

    heading: str
    lines: tuple[str, ...] = ()
    tables: tuple[tuple[str, Table], ...] = ()
    notes: tuple[str, ...] = ()
    picture: bytes | None = None
    picture_text: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """What a page shows; what is None or empty is left out.

    ``accuracy`` is a report as :mod:`hsi.report.tables` describes it, ``areas`` pixels and hectares of the classes on
    the map, ``history`` one mapping per epoch, ``sections`` further tables. ``files`` are names of files next to the
    page, relative to it; ``lead`` is a line below the title.
    """

    title: str
    kind: str
    lead: str
    provenance: Provenance
    view: MapView | None = None
    accuracy: Mapping[str, Any] | None = None
    areas: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    sections: Sequence[PageSection] = ()
    files: Sequence[str] = ()
    notes: Sequence[str] = ()


def write_report_page(path: Path, report: Report) -> None:
    """Write the page, complete or not at all; raises :class:`hsi.errors.OutputError` when it cannot be written."""
    text = render_report(report)
    with write_atomically(path) as part:
        part.write_text(text, encoding="utf-8", errors="replace")  # a name may hold half of a surrogate pair


def render_report(report: Report) -> str:
    """The page as HTML, which refers to no other resources than the files next to it.

    Text from files is escaped, and the content security policy of the page allows its own script only and no requests.
    """
    constants = {"RIGHT": RIGHT, "WRONG": WRONG, "SPLIT": (None, TRAINING, VALIDATION, TEST)}
    parts = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    script = "\n".join([*parts, *(_static(f"{name}.js") for name in SCRIPTS)])
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    accuracy = report.accuracy and {**DEFAULTS, **report.accuracy}
    page = _environment().get_template("report.html").render(
        report=report,
        view=report.view,
        style=f":root {{ --right: {_channels(RIGHT)}; --wrong: {_channels(WRONG)}; }}\n{_static('report.css')}",
        script=script,
        script_hash=digest,
        data=embedded_json(report.view.to_page()) if report.view else None,
        classes=report.view.classes() if report.view else [],
        accuracy=accuracy,
        notes=notes({**accuracy, **dict.fromkeys(OWN_SECTIONS)}) if accuracy else [],
        audit=audit_table(accuracy) if accuracy else None,
        estimate=estimate_table(accuracy) if accuracy else None,
        class_metrics=class_metrics(),
        overall_metrics=OVERALL_METRICS,
        charts=training_charts(report.history),
        contents=list_contents(report),
        version=__version__,
    )  # fmt: skip
    return page


def list_contents(report: Report) -> list[tuple[str, str]]:
    """Anchor and heading of the sections that the page has."""
    accuracy = report.accuracy or {}
    sections = {
        "map": ("Map", report.view),
        "accuracy": ("Accuracy", accuracy),
        "confusion": ("Confusion matrix", accuracy),
        "audit": ("Leakage audit", accuracy.get("audit")),
        "estimate": ("Entire map", accuracy.get("estimate")),
        "calibration": ("Calibration", accuracy.get("calibration")),
        "training": ("Training", report.history),
        "areas": ("Areas", report.areas),
        "made": ("How it was made", True),
    }
    return [(name, heading) for name, (heading, present) in sections.items() if present]


def _static(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


def _channels(colour: Colour) -> str:
    return " ".join(map(str, colour))


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": percent,
        "measure": _measure,
        "interval": interval,
        "url": lambda name: quote(name.replace("\\", "/")),
        "area": area,
        "rgb": lambda colour: "rgb({}, {}, {})".format(*colour),
    }
    environment.globals |= {
        "reliability_chart": reliability_chart,
        "share_chart": share_chart,
        "calibration_in_words": calibration_in_words,
        "estimate_in_words": estimate_in_words,
        "png_url": png_url,
        "confusion_rows": confusion_rows,
        "column_totals": column_totals,
        "ordinal": ordinal,
    }
    return environment


def _measure(value: float | None, metric: Metric) -> str:
    """A metric in percent, or as a number."""
    return percent(value) if metric.percent or value is None else f"{value:.4f}"


def confusion_rows(accuracy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the confusion matrix: a class of the ground truth, and count and share of the row for each cell."""
    rows = []
    for entry, counts in zip(accuracy["classes"], accuracy["confusion_matrix"], strict=True):
        total = sum(counts) + entry["unclassified"]
        cells = [{"count": count, "share": count / total if total else None} for count in counts]
        missed = {"count": entry["unclassified"], "share": entry["unclassified"] / total if total else None}
        rows.append({"id": entry["id"], "name": entry["name"], "cells": cells, "missed": missed, "total": total})
    return rows


def column_totals(accuracy: Mapping[str, Any]) -> list[int]:
    """Pixels that the map gives to each class, the sums of the confusion matrix's columns."""
    return [sum(column) for column in zip(*accuracy["confusion_matrix"], strict=True)]


def ordinal(count: int) -> str:
    """``2nd``, ``3rd``, ``11th``."""
    teen = 10 < count % 100 < 20
    return f"{count}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(count % 10, 'th')}"
