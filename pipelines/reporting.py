"""What the commands put into ``report.html``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.report.html.provenance import comparison_provenance
from hsi.workflows.outputs import REPORT, split_of_run
from hsi.workflows.provenance import hash_files, versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.experiments.summary import Comparison
    from hsi.report.html import MapView

    from .evaluate import Pair


def write_evaluation_report(
    path: Path, pair: Pair, map_path: Path, confidence: NDArray[Any] | None, report: Mapping[str, Any]
) -> None:
    """``report.html`` of ``hsi evaluate``: a map against a reference."""
    from hsi.io import files_of
    from hsi.report.html import Provenance, Report, write_report_page

    sources = [source for source in (pair.mapped.source, pair.reference.source) if source]
    hashes = hash_files(file for source in sources for file in files_of(source))
    beside = {p.name for p in path.parent.iterdir() if p.is_file() and p.stem in ("accuracy", "reliability")}
    page = Report(
        title=map_path.name,
        kind="Accuracy of a map",
        lead=f"{report['model']} by {report['split']}",
        facts=Provenance(shlex.join(["hsi", *sys.argv[1:]]), {"Versions": versions()}, {}, hashes),
        view=evaluation_view(pair, map_path, confidence),
        accuracy=report,
        files=sorted(beside),
    )
    write_report_page(path, page)


def evaluation_view(pair: Pair, map_path: Path, confidence: NDArray[Any] | None) -> MapView:
    """The map, the reference and what lies beside the map."""
    from hsi.report.html import MapView, raster_colours, view_step

    height, width = pair.truth.shape
    step = view_step(height, width)
    thin = (slice(None, None, step), slice(None, None, step))
    split = split_of_run(map_path, pair.truth.shape)
    known = np.array([*pair.table.ids, pair.mapped.background])  # -1 is unlabelled
    return MapView(
        height=height,
        width=width,
        step=step,
        table=pair.mapped.table.renamed({}, raster_colours(map_path)),
        ids=pair.mapped.values[thin],
        pixels=pair.mapped.counts,
        truth=known[pair.truth[thin]],
        truth_name="Reference",
        confidence=None if confidence is None else confidence[thin],
        split=None if split is None else split[thin],
        count_all=True,
        georeference=pair.grid.georeference,
    )


def write_comparison_report(path: Path, comparison: Comparison) -> None:
    """``report.html`` of ``hsi compare``: its tables and its box plot, with a link to every run."""
    from hsi.experiments.notes import METHODS, audit_line, comparison_notes, machine_texts, split_notes, split_title
    from hsi.experiments.tables import class_section, interval_section, main_section, sources
    from hsi.report.html import Report, Tables, write_report_page

    splits = [
        Tables(
            heading=split_title(split),
            lines=(f"Audit: {audit_line(split)}.",),
            sections=(
                ("Accuracy, time and size", main_section(split)),
                ("Intervals of the means", interval_section(split)),
                ("Producer’s accuracy of each class", class_section(split)),
            ),
            notes=tuple(f"{line}." for line in split_notes(split)),
        )
        for split in comparison.splits
    ]
    told = tuple(f"{line}." for line in (*sources(comparison), *comparison_notes(comparison)))
    picture = path.with_name("comparison.png").read_bytes()
    plot = Tables("Overall accuracy of every run", (), (), (METHODS, *told), picture, "Box plot of overall accuracies")
    files = sorted(p.name for p in path.parent.glob("comparison.*"))
    runs = [run.folder / REPORT for run in comparison.finished]
    page = Report(
        title=comparison.title,
        kind="Comparison",
        lead=f"{len(comparison.finished)} runs of {len(comparison.splits[0].rows)} rows",
        facts=comparison_provenance(comparison.about, machine_texts(comparison)),
        tables=(plot, *splits),
        files=[*files, *(p.relative_to(path.parent).as_posix() for p in runs if p.is_file())],
    )
    write_report_page(path, page)
