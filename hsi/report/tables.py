"""Accuracy tables as text: JSON and CSV for programs (fractions), Markdown and LaTeX for people (percent).

A *report* is what :func:`hsi.accuracy.metrics.measure_accuracy` gives, and where known also ``model``,
``split`` (the rule in words), ``split_notes`` (what the split left out or could not do), ``seed``, ``audit``
(``LeakageAudit.to_dict()`` of :mod:`hsi.accuracy.leakage`), ``areas`` (pixels and hectares of the classes on the map),
``calibration`` (of :func:`hsi.accuracy.calibration.measure_calibration`), ``measured_on`` (what the counted pixels are:
test, reference or training), ``subsets`` (the overall metrics without some of the pixels, by name), ``estimate`` (of
:func:`hsi.accuracy.area_estimation.estimate_map`, with ``doubts``, a list of lines) and ``cross_validation`` (of
another classifier on shapes held out: ``accuracy`` and ``interval``, None for too few, ``pixels``, and ``in_words``).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from hsi.accuracy.metrics import CLASS_METRICS, OVERALL_METRICS
from hsi.core.labels import printable_name
from hsi.errors import OutputError
from hsi.report.sections import (
    Report,
    Table,
    area_table,
    audit_table,
    class_table,
    estimate_table,
    measured_on,
    percent,
    reliability_table,
    subset_name,
    summary_table,
)

PIXELS = ("row", "id", "name", "train", "test", "unclassified")
# a class's metrics are between the two where tables show them, and else behind
AMOUNTS = ("value", "low", "high", "pixels", "hectares", "users_low", "users_high")
BOUNDS = {"producers_accuracy": ("low", "high"), "users_accuracy": ("users_low", "users_high")}  # of intervals
LATEX = str.maketrans(
    {
        **{letter: rf"\{letter}" for letter in "{}&%$#_"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
        **{"–": "--", "×": r"$\times$", "±": r"$\pm$"},
        **{"[": "{[}", "*": "{*}"},  # at the start of a row they would belong to the \\ before it
    }
)
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # what a cell that spreadsheets evaluate begins with


def to_json(report: Report) -> str:
    """The report, indented. Raises :class:`ValueError` for NaN or infinity, which JSON does not have."""
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(report: Report) -> str:
    """One row per class, then the numbers for all pixels under ``value``; fractions.

    ``row`` names the kind of a row; ``low`` and ``high`` bound the producer's accuracy or the value, ``users_low`` and
    ``users_high`` the user's accuracy. Rows for the areas on the map, for the calibration and its bins, and for what
    is estimated for the entire map follow where the report has them. A number that is not defined is an empty field.
    Names are as :func:`escape_csv` has them.
    """
    return write_csv(csv_fields(), (*_accuracy_rows(report), *_calibration_rows(report), *_estimate_rows(report)))


def write_csv(fields: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A line with the names of the fields, then one for each row; values of other fields are left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(escape_csv, fields))
    writer.writerows([escape_csv(row.get(field)) for field in fields] for row in rows)
    return text.getvalue()


def escape_csv(value: Any) -> Any:
    """A cell: text on one line, with an apostrophe before what a spreadsheet would take for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_fields() -> list[str]:
    """The columns of the CSV table: metrics of classes that tables show come before the amounts, others after."""
    shown = [key for key, one in CLASS_METRICS.items() if one.in_tables]
    bounds = [name for key, one in CLASS_METRICS.items() if one.with_interval for name in _bounds(key)]
    order = (*PIXELS, *shown, *AMOUNTS, *CLASS_METRICS, "standard_error", "confidence", *bounds)
    return list(dict.fromkeys(order))


def _bounds(key: str) -> tuple[str, str]:
    """The columns of the interval of a class's metric."""
    return BOUNDS.get(key, (f"{key}_low", f"{key}_high"))


def _accuracy_rows(report: Report) -> Iterator[Mapping[str, Any]]:
    """What was counted, and the areas on the map."""
    for entry in report["classes"]:
        bounds: dict[str, Any] = {}
        for key, one in CLASS_METRICS.items():
            if one.with_interval:
                bounds |= zip(_bounds(key), entry[f"{key}_interval"] or (None, None), strict=True)
        yield {"row": "class", **entry, **bounds}
    for key in OVERALL_METRICS:
        low, high = report["intervals"].get(key) or (None, None)
        yield {"row": key, "value": report[key], "low": low, "high": high}
    checked = report.get("cross_validation")
    if checked:
        low, high = checked["interval"] or (None, None)
        row = {"row": "cross_validation_overall_accuracy", "value": checked["accuracy"], "low": low, "high": high}
        yield row | {"pixels": checked["pixels"]}
    for name, subset in (report.get("subsets") or {}).items():
        for key in OVERALL_METRICS:
            low, high = subset["intervals"].get(key) or (None, None)
            row = {"row": f"{key}_{name}", "value": subset[key], "low": low, "high": high}
            yield row | {"pixels": subset["pixels"]}
    for entry in report.get("areas", ()):
        yield {"row": "area", **entry}


def _calibration_rows(report: Report) -> Iterator[Mapping[str, Any]]:
    """The calibration error, then the accuracy of each bin of confidence."""
    if not report.get("calibration"):
        return
    calibration = report["calibration"]
    total = {"pixels": calibration["pixels"], "confidence": calibration["confidence"]}
    yield {"row": "expected_calibration_error", "value": calibration["error"], **total}
    for entry in calibration["bins"]:
        yield {"row": "reliability", **entry, "value": entry["accuracy"]}


def _estimate_rows(report: Report) -> Iterator[Mapping[str, Any]]:
    """The estimates for the entire map; a row for each number of each class."""
    if not report.get("estimate"):
        return
    estimate = report["estimate"]
    yield {"row": "map_overall_accuracy", "pixels": estimate["sample"], **estimate["overall_accuracy"]}
    for name in ("quantity_disagreement", "allocation_disagreement"):
        yield {"row": f"map_{name}", "value": estimate[name]}
    for entry in estimate["classes"]:
        known = {"id": entry["id"], "name": entry["name"]}
        for name in ("users_accuracy", "producers_accuracy", "share"):
            yield {"row": f"map_{name}", **known, **(entry[name] or {})}
        yield {"row": f"map_{estimate['unit']}", **known, **entry["area"]}


def to_markdown(report: Report) -> str:
    """A table of the classes, one of the summary, one for each further section, notes and the leakage audit, in
    GitHub's dialect."""
    further = (make(report) for make in (area_table, estimate_table, reliability_table))
    tables = [class_table(report), summary_table(report), *(table for table in further if table)]
    listed = "\n".join(f"- {escape_markdown(note)}" for note in notes(report))
    audit = audit_table(report)
    leakage = f"## Leakage audit\n\n{markdown_table(audit)}" if audit else ""
    return "\n\n".join(part for part in (*map(markdown_table, tables), listed, leakage) if part) + "\n"


def to_latex(report: Report) -> str:
    """A ``table`` for the booktabs package: the classes, the summary, areas, estimates and the notes.

    The bins of the calibration are left to the reliability diagram.
    """
    classes, summary = class_table(report), summary_table(report)
    first = next(place for place, (group, _) in enumerate(classes.columns) if group)  # the first accuracy
    before, after = ("",) * (first - 2), ("",) * (len(classes.columns) - first - 2)
    summed = [("", name, *before, value, interval, *after) for name, value, interval in summary.rows]
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        *latex_tabular(classes, [r"\midrule", *map(_latex_row, summed)]),
    ]
    for table in (area_table(report), estimate_table(report)):
        lines += [r"\par\medskip", *latex_tabular(table)] if table else []
    lines += [rf"\par\footnotesize {escape_latex(note)}" for note in notes(report)]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


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
        pixels = measured_on(report).lower()
        lines.append(f"No {pixels} pixels, so not in the average accuracy: {', '.join(report['absent_classes'])}.")
    lines += [f"{line}." for line in subsets_in_words(report)]
    unclassified = sum(entry["unclassified"] for entry in report["classes"])
    if unclassified:
        lines.append(f"Unclassified {measured_on(report).lower()} pixels, counted as wrong: {unclassified}.")
    if report["intervals"]["overall_accuracy"]:
        lines.append("The intervals of accuracies take pixels for independent draws, which neighbours are not.")
    if report.get("calibration"):
        lines.append(f"Confidence: {calibration_in_words(report['calibration'])}.")
    if report.get("estimate"):
        lines += [f"{line}." for line in estimate_in_words(report["estimate"])]
    if report.get("cross_validation"):
        lines.append(f"Cross-validation, not a test of this map: {report['cross_validation']['in_words']}.")
    if report.get("audit") is not None:
        lines.append(f"Leakage audit: {report['audit']['in_words']}.")
    return lines


def subsets_in_words(report: Report) -> list[str]:
    """What an accuracy is worth that training or unclassified pixels have a part in, a line each."""
    total, lines = sum(entry["test"] for entry in report["classes"]), []
    if report.get("measured_on") == "training":
        lines.append(f"All {total:,} labelled pixels trained or validated this map: a training accuracy and no test")
    for name, subset in (report.get("subsets") or {}).items():
        share = f"{subset['pixels']:,} of {total:,} pixels"
        lines.append(f"{subset_name(name).capitalize()}, OA is {percent(subset['overall_accuracy'])} % on {share}")
    return lines


def calibration_in_words(calibration: Mapping[str, Any]) -> str:
    """How confidence and accuracy compare, in one line."""
    mean, right, error = (percent(calibration[name]) for name in ("confidence", "accuracy", "error"))
    return f"mean {mean} %, right {right} %, expected calibration error {error} %"


def estimate_in_words(estimate: Mapping[str, Any]) -> list[str]:
    """The assumptions of the estimates for the entire map, a line each."""
    kind = {
        "simple": "a simple random sample of the map, stratified afterwards by its classes",
        "stratified": "a random sample drawn within each class of the map",
    }[estimate["design"]]
    lines = [
        f"Estimates for the entire map take its {estimate['sample']} reference pixels for {kind}, as was stated "
        "(Olofsson et al. 2014); ± is half a 95 % interval; where the sample of a class is all right or all "
        "wrong, the interval is made of Wilson intervals"
    ]
    if estimate["pooled"]:
        lines.append(f"Too few in the sample, so pooled in one stratum: {', '.join(estimate['pooled'])}")
    return lines + [f"Doubt about the sample: {doubt}" for doubt in estimate.get("doubts", ())]


def escape_markdown(text: str) -> str:
    """Text for a Markdown table cell: one line, without markup."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]~|>#])", r"\\\1", escaped)


def escape_latex(text: str) -> str:
    """Text for LaTeX: one line, every special character spelled out."""
    return one_line(text).translate(LATEX)


def one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    return " ".join(printable_name(text).split())


def markdown_code(text: str) -> str:
    """Text as code within a line of Markdown, whatever backticks it holds."""
    text = one_line(text)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def markdown_table(table: Table) -> str:
    """A table in GitHub's dialect."""
    rule = ["---:" if side == "r" else ":---" for side in table.alignment]
    headings = [escape_markdown(heading) for heading in table.headings]
    cells = _emphasised(table, escape_markdown, "**{}**")
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rule, *cells))


def latex_tabular(table: Table, more: Sequence[str] = ()) -> list[str]:
    """A tabular with a line of groups above the headings where there are some, and ``more`` lines at its end."""
    groups, rules, first = [], [], 1
    for group, members in groupby(table.columns, key=lambda column: column[0]):
        width = len(list(members))
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(group)}}}" if group else "& " * (width - 1))
        rules += [rf"\cmidrule(lr){{{first}-{first + width - 1}}}"] if group else []
        first += width
    return [
        rf"\begin{{tabular}}{{{table.alignment}}}",
        r"\toprule",
        *([" & ".join(groups) + r" \\", " ".join(rules)] if rules else []),
        _latex_row([heading for _, heading in table.columns]),
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in _emphasised(table, escape_latex, r"\textbf{{{}}}")),
        *more,
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _latex_row(cells: Sequence[str]) -> str:
    """A row of cells that are not escaped yet."""
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def _emphasised(table: Table, escape: Callable[[str], str], how: str) -> list[list[str]]:
    """The escaped cells of a table, bold ones in the template ``how``."""
    return [
        [how.format(escape(cell)) if (i, j) in table.bold else escape(cell) for j, cell in enumerate(row)]
        for i, row in enumerate(table.rows)
    ]
