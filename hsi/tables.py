"""Accuracy tables as text: JSON and CSV for programs (fractions), Markdown and LaTeX for people (percent).

A *report* is what ``Accuracy.to_dict()`` of :mod:`hsi.metrics` gives, and where known also ``model``, ``split`` (the
rule in words), ``split_notes`` (what the split left out or could not do), ``seed`` and ``audit``
(``LeakageAudit.to_dict()`` of :mod:`hsi.audit`).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hsi.errors import OutputError

Report = Mapping[str, Any]

SUMMARY = {"overall_accuracy": "Overall accuracy", "average_accuracy": "Average accuracy", "kappa": "Kappa × 100"}
HEADINGS = (
    "Id",
    "Class",
    "Training",
    "Test",
    "Producer's accuracy (%)",
    "95 % interval",
    "User's accuracy (%)",
    "F1 (%)",
    "IoU (%)",
)
AREA_HEADINGS = ("Id", "Class on the map", "Pixels", "Hectares")
CSV_FIELDS = (
    "row",
    "id",
    "name",
    "train",
    "test",
    "unclassified",
    "producers_accuracy",
    "users_accuracy",
    "f1",
    "iou",
    "value",
    "low",
    "high",
    "pixels",
    "hectares",
)
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "–": "--",
        "×": r"$\times$",
    }
)


def to_json(report: Report) -> str:
    """The whole report, indented. Raises :class:`ValueError` for NaN or infinity, which JSON does not have."""
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(report: Report) -> str:
    """One row per class, then overall accuracy, average accuracy and kappa under ``value``; fractions.

    ``row`` says which it is; ``low`` and ``high`` bound the producer's accuracy or the overall accuracy. Where the
    report has ``areas``, a row for the area of each class on the map follows. A number that is not defined is an empty
    field. Line breaks in names become spaces, so that a line is a row.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for entry in report["classes"]:
        low, high = entry["producers_accuracy_interval"] or (None, None)
        writer.writerow({"row": "class", **entry, "name": " ".join(entry["name"].split()), "low": low, "high": high})
    low, high = report["intervals"]["overall_accuracy"] or (None, None)
    writer.writerow({"row": "overall_accuracy", "value": report["overall_accuracy"], "low": low, "high": high})
    for name in ("average_accuracy", "kappa"):
        writer.writerow({"row": name, "value": report[name]})
    for entry in report.get("areas", ()):
        writer.writerow({"row": "area", **entry, "name": " ".join(entry["name"].split())})
    return text.getvalue()


def to_markdown(report: Report) -> str:
    """A table of the classes, one of the summary, the leakage audit and the notes, in GitHub's dialect."""
    classes = [[escape_markdown(cell) for cell in row] for row in _class_rows(report)]
    summary = [[escape_markdown(cell) for cell in row] for row in _summary_rows(report)]
    areas = [[escape_markdown(cell) for cell in row] for row in _area_rows(report)]
    parts = [
        _markdown_table(HEADINGS, classes, "rl" + "r" * 7),
        _markdown_table(("", "%", "95 % interval"), summary, "lrr"),
        _markdown_table(AREA_HEADINGS, areas, "rlrr") if areas else "",
        "\n".join(f"- {escape_markdown(note)}" for note in notes(report)),
        _markdown_audit(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_audit(report: Report) -> str:
    """The section on leakage, when the report has an audit."""
    audit = report.get("audit")
    if audit is None:
        return ""
    window, distance = f"{audit['window']} × {audit['window']}", audit["distance"]
    free = (
        f"{_percent(audit['leak_free_accuracy'])} % ({audit['leak_free']} pixels)"
        if audit["leak_free"]
        else "none left"
    )
    rows = (
        (f"Test windows of {window} that contain a training pixel", f"{_percent(audit['contains_training'])} %"),
        (f"Test windows of {window} that overlap a training window", f"{_percent(audit['overlaps_training'])} %"),
        (
            "Pixels from a test pixel to the nearest training pixel (Chebyshev): 10, 50 and 90 % have no more than",
            f"{distance['10']}, {distance['50']} and {distance['90']}",
        ),
        (
            "Overall accuracy of the nearest training pixel's class, by position only",
            f"{_percent(audit['position_accuracy'])} %",
        ),
        ("Overall accuracy of this map", f"{_percent(report['overall_accuracy'])} % ({audit['test']} pixels)"),
        ("Overall accuracy of this map where test windows share nothing with training windows", free),
    )
    return "## Leakage audit\n\n" + _markdown_table(("", "found"), rows, "lr")


def to_latex(report: Report) -> str:
    """A ``table`` for the booktabs package: the classes, the summary and the notes."""
    columns = len(HEADINGS)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{rl{'r' * (columns - 2)}}}",
        r"\toprule",
        _latex_row(HEADINGS),
        r"\midrule",
        *(_latex_row(row) for row in _class_rows(report)),
        r"\midrule",
        *(
            _latex_row(("", name, "", "", value, interval, "", "", ""))
            for name, value, interval in _summary_rows(report)
        ),
        r"\bottomrule",
        r"\end{tabular}",
        *_latex_areas(report),
        *(rf"\par\footnotesize {escape_latex(note)}" for note in notes(report)),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_areas(report: Report) -> list[str]:
    """A second tabular for the areas of the classes on the map, when the report has them."""
    rows = _area_rows(report)
    if not rows:
        return []
    body = [_latex_row(AREA_HEADINGS), r"\midrule", *(_latex_row(row) for row in rows)]
    return [r"\par\medskip", r"\begin{tabular}{rlrr}", r"\toprule", *body, r"\bottomrule", r"\end{tabular}"]


FORMATS: dict[str, Callable[[Report], str]] = {"json": to_json, "csv": to_csv, "md": to_markdown, "tex": to_latex}


def write_tables(folder: Path, report: Report) -> list[Path]:
    """Write ``accuracy.json``, ``.csv``, ``.md`` and ``.tex`` in UTF-8, replacing older ones; the folder is made.

    Nothing is written unless all four can be made. Raises :class:`OutputError` when the folder cannot be written to.
    """
    texts = {folder / f"accuracy.{suffix}": write(report) for suffix, write in FORMATS.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(
            f"{folder}: the accuracy tables cannot be written ({error}); choose another folder"
        ) from error
    return list(texts)


def notes(report: Report) -> list[str]:
    """What a reader has to know about the numbers, one line each."""
    lines = [
        f"{name.capitalize()}: {report[name]}." for name in ("model", "split", "seed") if report.get(name) is not None
    ]
    lines += [f"Split: {note}." for note in report.get("split_notes", ())]
    if report["absent_classes"]:
        lines.append(f"No test pixels, so not in the average accuracy: {', '.join(report['absent_classes'])}.")
    unclassified = sum(entry["unclassified"] for entry in report["classes"])
    if unclassified:
        lines.append(f"Unclassified test pixels, counted as wrong: {unclassified}.")
    if report.get("audit") is not None:
        lines.append(f"Leakage audit: {report['audit']['in_words']}.")
    return lines


def escape_markdown(text: str) -> str:
    """Text for a Markdown table cell: one line, without markup."""
    one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]~|>#])", r"\\\1", one_line)


def escape_latex(text: str) -> str:
    """Text for LaTeX: one line, every special character spelled out."""
    return " ".join(text.split()).translate(LATEX)


def _class_rows(report: Report) -> list[tuple[str, ...]]:
    """The cells of the classes under :data:`HEADINGS`, not escaped."""
    return [
        (
            str(entry["id"]),
            entry["name"],
            str(entry["train"]),
            str(entry["test"]),
            _percent(entry["producers_accuracy"]),
            _interval(entry["producers_accuracy_interval"]),
            _percent(entry["users_accuracy"]),
            _percent(entry["f1"]),
            _percent(entry["iou"]),
        )
        for entry in report["classes"]
    ]


def _area_rows(report: Report) -> list[tuple[str, str, str, str]]:
    """The cells of the areas under :data:`AREA_HEADINGS`, not escaped; a dash where the place is not known."""
    return [
        (
            str(entry["id"]),
            entry["name"],
            str(entry["pixels"]),
            "–" if entry["hectares"] is None else f"{entry['hectares']:.2f}",
        )
        for entry in report.get("areas", ())
    ]


def _summary_rows(report: Report) -> list[tuple[str, str, str]]:
    """Name, value and interval of overall accuracy, average accuracy and kappa, not escaped."""
    return [
        (title, _percent(report[name]), _interval(report["intervals"][name]) if name in report["intervals"] else "")
        for name, title in SUMMARY.items()
    ]


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], alignment: str) -> str:
    """Rows of escaped cells; ``alignment`` has an l or an r for each column."""
    rule = ["---:" if side == "r" else ":---" for side in alignment]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rule, *rows))


def _latex_row(cells: Sequence[str]) -> str:
    """A row of cells that are not escaped yet."""
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction * 100:.2f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "–" if bounds is None else f"{_percent(bounds[0])} to {_percent(bounds[1])}"
