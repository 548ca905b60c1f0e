"""A comparison as text: JSON and CSV for programs (fractions), Markdown and LaTeX for people (percent)."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hsi.core.files import write_atomically
from hsi.experiments.notes import (
    METHODS,
    audit_line,
    comparison_notes,
    in_percent,
    machine_texts,
    split_notes,
    split_title,
)
from hsi.experiments.results import MEASURES, FinishedRun
from hsi.experiments.summary import Comparison, RowSummary, SplitComparison, Spread
from hsi.report.sections import DASH, Table, interval
from hsi.report.tables import escape_latex, escape_markdown, latex_tabular, markdown_table

HEADINGS = {"overall_accuracy": "OA (%)", "average_accuracy": "AA (%)", "kappa": "Kappa × 100"}


def main_section(split: SplitComparison) -> Table:
    """A line for each row: accuracies, what others published, time and parameters. What no row has is left out."""
    rows = split.rows
    columns: dict[str, Callable[[RowSummary], str]] = {
        "Row": lambda row: row.name,
        "Runs": lambda row: str(row.runs),
        **{HEADINGS[key]: _accuracy(key) for key in MEASURES},
    }
    if any(row.leak_free for row in rows):
        columns["Leak-free OA (%)"] = lambda row: in_percent(row.leak_free)
    if any(row.published for row in rows):
        columns["Published OA (%)"] = lambda row: row.published.accuracy if row.published else DASH
    for stage in ("train", "total"):
        columns[f"{stage.capitalize()} (s)"] = _seconds(stage)
    columns["Parameters"] = lambda row: DASH if row.parameters is None else f"{row.parameters:,}"
    if any(row.multiply_adds for row in rows):
        columns["Multiply-adds (M/pixel)"] = lambda row: _scaled(row.multiply_adds, 1e6)
        columns["Weights (MB)"] = lambda row: _scaled(row.weight_bytes, 1e6)
        columns["Map (µs/pixel)"] = lambda row: _scaled(row.pixel_seconds.mean if row.pixel_seconds else None, 1e-6)
    cells = tuple(tuple(tell(row) for tell in columns.values()) for row in rows)
    bold = {(i, 2 + j) for i, row in enumerate(rows) for j, key in enumerate(MEASURES) if is_bold(split, key, row.name)}
    return Table(tuple(("", name) for name in columns), "l" + "r" * (len(columns) - 1), cells, frozenset(bold))


def _scaled(value: float | None, unit: float) -> str:
    """Three digits of a number in a unit."""
    return DASH if value is None else f"{float(f'{value / unit:.3g}'):,.12g}"


def _accuracy(key: str) -> Callable[[RowSummary], str]:
    return lambda row: in_percent(row.measures[key])


def _seconds(stage: str) -> Callable[[RowSummary], str]:
    return lambda row: seconds_text(row.seconds[stage])


def seconds_text(found: Spread | None) -> str:
    """Mean seconds, with decimals below ten."""
    return DASH if found is None else f"{found.mean:,.{0 if found.mean >= 10 else 1}f}"


def is_bold(split: SplitComparison, measure: str, row: str) -> bool:
    """Whether a row is best in a measure and the tests support it."""
    ranking = split.ranking(measure)
    return ranking is not None and ranking.supported and ranking.best == row


def interval_section(split: SplitComparison) -> Table:
    """95 % t-intervals of the means over runs."""
    rows = tuple(
        (row.name, *(interval(found.interval) if (found := row.measures[key]) else DASH for key in MEASURES))
        for row in split.rows
    )
    columns = ("95 % interval of the mean", *HEADINGS.values())
    return Table(tuple(("", name) for name in columns), "lrrr", rows)


def class_section(split: SplitComparison) -> Table:
    """Producer's accuracy of each class under each row."""
    names = [row.name for row in split.rows]
    rows = tuple(
        (str(first.id), first.name, *(in_percent(row.classes[i].accuracy) for row in split.rows))
        for i, first in enumerate(split.rows[0].classes)
    )
    columns = (("", "Id"), ("", "Producer's accuracy (%)"), *(("", name) for name in names))
    return Table(columns, "rl" + "r" * len(names), rows)


def to_markdown(comparison: Comparison) -> str:
    """Tables, audit and notes of each split, then the methods and the commands, in GitHub's dialect."""
    parts = [f"# {escape_markdown(comparison.title)}", _about(comparison)]
    for split in comparison.splits:
        parts += [f"## {escape_markdown(split_title(split))}", markdown_table(main_section(split))]
        parts.append("\n".join(f"- {escape_markdown(line)}." for line in (_audit(split), *split_notes(split))))
        parts += [markdown_table(interval_section(split)), markdown_table(class_section(split))]
    published = sources(comparison)
    parts += ["\n".join(f"- {escape_markdown(line)}." for line in published)] if published else []
    parts.append(METHODS)
    parts += [f"- {escape_markdown(line)}." for line in comparison_notes(comparison)]
    commands = [shlex.join(run.record["command"]) for run in comparison.finished]
    parts += ["## Runs", "\n".join(["```", *commands, "```"])]
    return "\n\n".join(parts) + "\n"


def _about(comparison: Comparison) -> str:
    about = comparison.about
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in ("hsi", "torch") if name in about["versions"])
    seeds = ", ".join(map(str, about["seeds"]))
    told = f"{about['date']}, {versions}; {'; '.join(machine_texts(comparison))}; seeds {seeds}"
    return f"`{shlex.join(about['command'])}`\n\n{escape_markdown(told)}."


def _audit(split: SplitComparison) -> str:
    return f"Audit: {audit_line(split)}"


def sources(comparison: Comparison) -> list[str]:
    """Where the published figures are from."""
    rows = {row.name: row.published for split in comparison.splits for row in split.rows if row.published}
    return [f"Published for {name}: {found.accuracy} ({found.source})" for name, found in rows.items()]


def to_latex(comparison: Comparison) -> str:
    """For each split a ``table`` for the booktabs package: rows and intervals, then the classes."""
    lines = ["% needs \\usepackage{booktabs}"]
    for split in comparison.splits:
        about = f"{comparison.title}; {split_title(split)}. {_audit(split)}."
        lines += [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{escape_latex(about)}}}",
            *latex_tabular(main_section(split)),
            *[r"\par\medskip", *latex_tabular(interval_section(split))],
            *[r"\par\medskip", *latex_tabular(class_section(split))],
            *(rf"\par\footnotesize {escape_latex(line)}." for line in (*split_notes(split), *sources(comparison))),
            r"\end{table}",
        ]
    return "\n".join([*lines, *(f"% {line}" for line in comparison_notes(comparison))]) + "\n"


def to_csv(comparison: Comparison) -> str:
    """A line for each run: accuracies as fractions, seconds, audit, and the producer's accuracy of each class.

    Runs that failed have their message under ``failure`` and nothing else. Undefined numbers are empty fields.
    """
    lines = [run_values(run) for run in comparison.finished]
    for failed in comparison.failed:
        lines.append({**_identity(failed.planned), "failure": failed.message})
    fields = dict.fromkeys(name for line in lines for name in line)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _cell(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


def _identity(planned: Any) -> dict[str, Any]:
    seed, fold = planned.replicate
    return {"row": planned.row, "split": planned.split, "seed": seed, "fold": fold}


def run_values(run: FinishedRun) -> dict[str, Any]:
    """What one run came to, flat."""
    classes = {f"{entry['id']} {entry['name']}": entry["producers_accuracy"] for entry in run.report["classes"]}
    audit = {
        name: run.audit.get(name)
        for name in ("position_accuracy", "contains_training", "leak_free", "leak_free_accuracy")
    }
    return {
        **_identity(run.planned),
        **{key: run.report[key] for key in MEASURES},
        **audit,
        "train_seconds": run.seconds["train"],
        "total_seconds": run.seconds["total"],
        "parameters": run.record.get("parameters"),
        "multiply_adds": run.multiply_adds,
        "weight_bytes": run.record.get("weight_bytes"),
        "pixel_seconds": run.pixel_seconds,
        "split_hash": run.report["split_hash"],
        "folder": str(run.folder),
        "failure": None,
        **classes,
    }


def to_json(comparison: Comparison) -> str:
    """Everything, indented."""
    found = {
        "title": comparison.title,
        **comparison.about,
        "machines": list(machine_texts(comparison)),
        "notes": comparison_notes(comparison),
        "splits": [_split_values(split) for split in comparison.splits],
        "runs": [
            {**run_values(run), "settings": run.record["settings"], "command": run.record["command"]}
            for run in comparison.finished
        ],
        "failed": [
            {**_identity(run.planned), "message": run.message, "log": str(run.log)} for run in comparison.failed
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _split_values(split: SplitComparison) -> Mapping[str, Any]:
    within = [{**asdict(one), "better": one.better, "worse": one.worse} for one in split.within]
    rankings = [{**asdict(one), "supported": one.supported} for one in split.rankings]
    told = {"audit": audit_line(split), "notes": split_notes(split)}
    return {**asdict(split), "rankings": rankings, "within": within, **told}


def _plain(value: Any) -> Any:
    """Pydantic models as mappings."""
    return value.model_dump()


FORMATS: dict[str, Callable[[Comparison], str]] = {"json": to_json, "csv": to_csv, "md": to_markdown, "tex": to_latex}


def write_comparison(folder: Path, comparison: Comparison) -> list[Path]:
    """Write ``comparison.json``, ``.csv``, ``.md`` and ``.tex`` in UTF-8, each whole or not at all; they replace older
    ones. Raises :class:`hsi.errors.OutputError` for a folder that cannot be written to."""
    texts = {folder / f"comparison.{suffix}": write(comparison) for suffix, write in FORMATS.items()}
    for path, text in texts.items():
        with write_atomically(path) as part:
            part.write_text(text, encoding="utf-8", newline="")
    return list(texts)
