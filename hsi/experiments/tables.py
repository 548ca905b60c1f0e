"""A comparison as text: JSON and CSV for programs (fractions), Markdown and LaTeX for people (percent).

A column is declared once, in :data:`COLUMNS`. The tables in Markdown, LaTeX and ``report.html``, the terminal, and the
runs in CSV and JSON have it where its ``outputs`` say so. To add one is to add an entry, here the mean of a record::

    Column(
        "peak_memory_bytes",
        "Memory (GB)",
        lambda spread: f"{spread.mean / 1e9:.2f}",
        run=lambda run: run.record["peak_memory_bytes"],
    )
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass, is_dataclass
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
from hsi.experiments.spec import PlannedRun
from hsi.experiments.summary import Comparison, RowSummary, SplitComparison, Spread, spread
from hsi.report.sections import DASH, Table, interval
from hsi.report.tables import (
    escape_latex,
    escape_markdown,
    latex_tabular,
    markdown_code,
    markdown_table,
    one_line,
    write_csv,
)

PAGES, TERMINAL, RUNS = ("markdown", "latex", "html"), "terminal", ("csv", "json")
EVERYWHERE = (*PAGES, TERMINAL, *RUNS)
HEADINGS = {"overall_accuracy": "OA (%)", "average_accuracy": "AA (%)", "kappa": "Kappa × 100"}


@dataclass(frozen=True)
class Column:
    """A column of the comparison, in the ``outputs`` that it is named for.

    In CSV and JSON it has the value that ``run`` gives of each run, under its ``key``. In tables it has the value that
    ``row`` gives, or the attribute ``key`` of :class:`RowSummary`, or the :class:`Spread` of the runs, written by
    ``text`` (None is a dash), under its ``title``, or ``short`` on the terminal. It is left out of tables where no row
    has the attribute ``needs``.
    """

    key: str
    title: str = ""
    text: Callable[[Any], str] = str
    run: Callable[[FinishedRun], Any] = lambda run: None
    row: Callable[[RowSummary], Any] | None = None
    outputs: Collection[str] = (*PAGES, *RUNS)
    needs: str = ""
    short: str = ""

    def cell(self, row: RowSummary) -> str:
        """Its text for a row."""
        if self.row:
            value = self.row(row)
        else:
            value = vars(row)[self.key] if self.key in vars(row) else spread(map(self.run, row.finished))
        return DASH if value is None else self.text(value)


def _seconds(spread: Spread) -> str:
    """Mean seconds, with decimals below ten."""
    return f"{spread.mean:,.{0 if spread.mean >= 10 else 1}f}"


def _millions(value: float) -> str:
    """Three digits of a number in millions."""
    return f"{float(f'{value / 1e6:.3g}'):,.12g}"


def _accuracy(key: str) -> Column:
    text, of_run, of_row = in_percent, lambda run: run.report[key], lambda row: row.measures[key]
    return Column(key, HEADINGS[key], text, of_run, of_row, EVERYWHERE, short=MEASURES[key])


def _audit_value(key: str, **more: Any) -> Column:
    return Column(key, run=lambda run: run.audit.get(key), **more)


def _stage(stage: str) -> Column:
    of_run, of_row = lambda run: run.seconds[stage], lambda row: row.seconds[stage]
    return Column(f"{stage}_seconds", f"{stage.capitalize()} (s)", _seconds, of_run, of_row, EVERYWHERE, short=stage)


COLUMNS = (
    Column("row", "Row", row=lambda row: row.name, outputs=(*PAGES, TERMINAL), short="row"),
    Column("runs", "Runs", outputs=PAGES),
    *map(_accuracy, MEASURES),
    _audit_value("position_accuracy", outputs=RUNS),
    _audit_value("contains_training", outputs=RUNS),
    _audit_value("leak_free", outputs=RUNS),
    _audit_value("leak_free_accuracy", title="Leak-free OA (%)", text=in_percent, needs="leak_free"),
    Column("published", "Published OA (%)", lambda published: published.accuracy, outputs=PAGES, needs="published"),
    *map(_stage, ("train", "total")),
    Column(
        "parameters", "Parameters", "{:,}".format, lambda run: run.record.get("parameters"),
        outputs=EVERYWHERE, short="parameters",
    ),
    Column("multiply_adds", "Multiply-adds (M/pixel)", _millions, lambda run: run.multiply_adds, needs="multiply_adds"),
    Column(
        "weight_bytes", "Weights (MB)", _millions, lambda run: run.record.get("weight_bytes"), needs="multiply_adds"
    ),
    Column(
        "pixel_seconds", "Map (µs/pixel)", lambda one: _millions(one.mean * 1e12), lambda run: run.pixel_seconds,
        needs="multiply_adds",
    ),
    Column("split_hash", run=lambda run: run.report["split_hash"], outputs=RUNS),
    Column("folder", run=lambda run: str(run.folder), outputs=RUNS),
)  # fmt: skip


def main_table(split: SplitComparison, output: str) -> Table:
    """A line for each row with the columns of an output; bold is the best of a measure where the tests support it."""
    columns = [
        column
        for column in COLUMNS
        if output in column.outputs and (not column.needs or any(getattr(row, column.needs) for row in split.rows))
    ]
    cells = tuple(tuple(column.cell(row) for column in columns) for row in split.rows)
    best = {one.measure: one.best for one in split.rankings if one.supported}
    names = [row.name for row in split.rows]
    bold = {(names.index(best[one.key]), place) for place, one in enumerate(columns) if one.key in best}
    headings = tuple(("", one.short if output == TERMINAL else one.title) for one in columns)
    return Table(headings, "l" + "r" * (len(columns) - 1), cells, frozenset(bold))


def interval_table(split: SplitComparison) -> Table:
    """95 % t-intervals of the means over runs."""
    measures = [(row.name, [row.measures[key] for key in MEASURES]) for row in split.rows]
    rows = tuple((name, *(interval(one.interval) if one else DASH for one in of_row)) for name, of_row in measures)
    columns = ("95 % interval of the mean", *HEADINGS.values())
    return Table(tuple(("", name) for name in columns), "lrrr", rows)


def class_table(split: SplitComparison) -> Table:
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
        title = escape_markdown(split_title(split.name, split.rule))
        parts += [f"## {title}", markdown_table(main_table(split, "markdown"))]
        parts.append("\n".join(f"- {escape_markdown(line)}." for line in (_audit(split), *split_notes(split))))
        parts += [markdown_table(interval_table(split)), markdown_table(class_table(split))]
    published = sources(comparison)
    parts += ["\n".join(f"- {escape_markdown(line)}." for line in published)] if published else []
    parts.append(METHODS)
    parts += [f"- {escape_markdown(line)}." for line in comparison_notes(comparison)]
    commands = [one_line(shlex.join(run.record["command"])) for run in comparison.finished]
    parts += ["## Runs", "\n".join(["```", *commands, "```"])]
    return "\n\n".join(parts) + "\n"


def _about(comparison: Comparison) -> str:
    about = comparison.about
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in ("hsi", "torch") if name in about["versions"])
    seeds = ", ".join(map(str, about["seeds"]))
    text = f"{about['date']}, {versions}; {'; '.join(machine_texts(comparison))}; seeds {seeds}"
    return f"{markdown_code(shlex.join(about['command']))}\n\n{escape_markdown(text)}."


def _audit(split: SplitComparison) -> str:
    return f"Audit: {audit_line(split)}"


def sources(comparison: Comparison) -> list[str]:
    """Where the published figures are from."""
    rows = {row.name: row.published for split in comparison.splits for row in split.rows if row.published}
    return [f"Published for {name}: {published.accuracy} ({published.source})" for name, published in rows.items()]


def to_latex(comparison: Comparison) -> str:
    """For each split a ``table`` for the booktabs package: rows and intervals, then the classes."""
    lines = ["% needs \\usepackage{booktabs}"]
    for split in comparison.splits:
        about = f"{comparison.title}; {split_title(split.name, split.rule)}. {_audit(split)}."
        lines += [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{escape_latex(about)}}}",
            *latex_tabular(main_table(split, "latex")),
            *[r"\par\medskip", *latex_tabular(interval_table(split))],
            *[r"\par\medskip", *latex_tabular(class_table(split))],
            *(rf"\par\footnotesize {escape_latex(line)}." for line in (*split_notes(split), *sources(comparison))),
            r"\end{table}",
        ]
    return "\n".join([*lines, *(f"% {escape_latex(line)}" for line in comparison_notes(comparison))]) + "\n"


def to_csv(comparison: Comparison) -> str:
    """A line for each run: accuracies as fractions, seconds, audit, and the producer's accuracy of each class.

    Runs that failed have their message under ``failure`` and nothing else. Undefined numbers are empty fields.
    """
    lines = [run_values(run, "csv") for run in comparison.finished]
    for failed in comparison.failed:
        lines.append({**_identity(failed.planned), "failure": failed.message})
    fields = dict.fromkeys(name for line in lines for name in line)
    return write_csv(list(fields), lines)


def _identity(planned: PlannedRun) -> dict[str, Any]:
    seed, fold = planned.replicate
    return {"row": planned.row, "split": planned.split, "seed": seed, "fold": fold}


def run_values(run: FinishedRun, output: str) -> dict[str, Any]:
    """The values of one run: the columns of an output and the producer's accuracies of the classes."""
    columns = {column.key: column.run(run) for column in COLUMNS if output in column.outputs}
    classes = {f"{entry['id']} {entry['name']}": entry["producers_accuracy"] for entry in run.report["classes"]}
    return {**_identity(run.planned), **columns, "failure": None, **classes}


def to_json(comparison: Comparison) -> str:
    """Everything, indented."""
    values = {
        "title": comparison.title,
        **comparison.about,
        "machines": list(machine_texts(comparison)),
        "notes": comparison_notes(comparison),
        "splits": [_split_values(split) for split in comparison.splits],
        "runs": [
            {**run_values(run, "json"), "settings": run.record["settings"], "command": run.record["command"]}
            for run in comparison.finished
        ],
        "failed": [
            {**_identity(run.planned), "message": run.message, "log": str(run.log)} for run in comparison.failed
        ],
    }
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _split_values(split: SplitComparison) -> dict[str, Any]:
    within = [{**vars(one), "better": one.better, "worse": one.worse} for one in split.within]
    rankings = [{**vars(one), "supported": one.supported} for one in split.rankings]
    notes = {"audit": audit_line(split), "notes": split_notes(split)}
    return {**vars(split), "rankings": rankings, "within": within, **notes}


def _plain(value: Any) -> Any:
    """Dataclasses, without the runs of a row, and pydantic models as mappings."""
    if is_dataclass(value):
        return {name: field for name, field in vars(value).items() if name != "finished"}
    return value.model_dump()


FORMATS: dict[str, Callable[[Comparison], str]] = {"json": to_json, "csv": to_csv, "md": to_markdown, "tex": to_latex}


def write_comparison(folder: Path, comparison: Comparison) -> list[Path]:
    """Write ``comparison.json``, ``.csv``, ``.md`` and ``.tex`` in UTF-8, each completely or not at all; they
    replace older ones. Raises :class:`hsi.errors.OutputError` for a folder that cannot be written to."""
    texts = {folder / f"comparison.{suffix}": write(comparison) for suffix, write in FORMATS.items()}
    for path, text in texts.items():
        with write_atomically(path) as part:
            part.write_text(text, encoding="utf-8", newline="")
    return list(texts)
