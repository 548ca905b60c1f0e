"""``report.html`` of a comparison."""

from __future__ import annotations

from pathlib import Path

from hsi.experiments.notes import METHODS, audit_line, comparison_notes, machine_texts, split_notes, split_title
from hsi.experiments.summary import Comparison
from hsi.experiments.tables import class_table, interval_table, main_table, sources
from hsi.report.html import PageSection, Report, write_report_page
from hsi.report.html.provenance import comparison_provenance
from hsi.workflows.outputs import REPORT


def write_comparison_report(path: Path, comparison: Comparison, folder: Path) -> None:
    """Write tables, box plot and a link to every run; ``comparison.png`` lies in the same folder.

    ``folder`` is that of the comparison, where the page will lie.
    """
    splits = [
        PageSection(
            heading=split_title(split.name, split.rule),
            lines=(f"Audit: {audit_line(split)}.",),
            tables=(
                ("Accuracy, time and size", main_table(split, "html")),
                ("Intervals of the means", interval_table(split)),
                ("Producer’s accuracy of each class", class_table(split)),
            ),
            notes=tuple(f"{line}." for line in split_notes(split)),
        )
        for split in comparison.splits
    ]
    notes = tuple(f"{line}." for line in (*sources(comparison), *comparison_notes(comparison)))
    picture = path.with_name("comparison.png").read_bytes()
    heading, text = "Overall accuracy of every run", "Box plot of overall accuracies"
    plot = PageSection(heading, notes=(METHODS, *notes), picture=picture, picture_text=text)
    files = sorted(p.name for p in path.parent.glob("comparison.*"))
    runs = [run.folder / REPORT for run in comparison.finished]
    page = Report(
        title=comparison.title,
        kind="Comparison",
        lead=f"{len(comparison.finished)} runs of {len(comparison.splits[0].rows)} rows",
        provenance=comparison_provenance(comparison.about, machine_texts(comparison)),
        sections=(plot, *splits),
        files=[*files, *(p.relative_to(folder).as_posix() for p in runs if p.is_file())],
    )
    write_report_page(path, page)
