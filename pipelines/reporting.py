"""What the commands put into ``report.html``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.core.events import Advance
from hsi.report.html.provenance import comparison_provenance, map_provenance
from hsi.workflows.html import REPORT, files_below, look_at, spectra_notes
from hsi.workflows.provenance import hash_files, versions

from .beside import split_of_run
from .cli_support.terminal import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsi.core.scene import Scene
    from hsi.experiments.summary import Comparison
    from hsi.inference.map_files import MapSummary
    from hsi.report.html import MapView

    from .evaluate import Pair


def write_map_report(
    path: Path, map_path: Path, scene: Scene, summary: MapSummary, record: Mapping[str, Any], rows: int
) -> None:
    """The report of ``hsi predict``, from the written map and every n-th pixel of the scene.

    At most ``rows`` rows of the scene are in memory at a time.
    """
    from hsi.report.html import Report, write_report_page

    with progress("report", "rows") as advance:
        view = map_view(map_path, scene, summary, rows, advance)
    report = Report(
        title=scene.name,
        kind="Map",
        lead=f"mapped with {record['model']}",
        facts=map_provenance(record),
        view=view,
        areas=record["areas"],
        files=sorted({*files_below(map_path.parent), map_path.with_suffix(".json").name} - {path.name}),
        notes=spectra_notes(view),
    )
    write_report_page(path, report)


def map_view(map_path: Path, scene: Scene, summary: MapSummary, rows: int, advance: Advance) -> MapView:
    """Map, confidence and false colour; class spectra are over the kept pixels of the scene by their mapped class."""
    from hsi.core.labels import codes_of
    from hsi.inference.map_files import layer_path
    from hsi.io.geotiff import nodata_value
    from hsi.report.html import MapView, read_subsampled, sampled_class_spectra, view_step

    shape = (scene.height, scene.width)
    step = view_step(*shape)
    ids = read_subsampled(map_path, shape, step, lambda done, total: advance(done, total, "map"))
    confidence = read_subsampled(
        layer_path(map_path, "confidence"), shape, step, lambda done, total: advance(done, total, "confidence")
    )
    look = look_at(scene, ids != nodata_value(summary.table), step, advance, rows)
    every = look.spectra.step // step
    codes = codes_of(ids[::every, ::every], summary.table)
    of = "the spectra kept here of pixels mapped so"
    classes = sampled_class_spectra(look.spectra, codes, len(summary.table), of)
    return MapView(
        height=scene.height,
        width=scene.width,
        step=step,
        table=summary.table,
        ids=ids,
        pixels=summary.pixels,
        confidence=confidence,
        picture=look.picture,
        georeference=scene.georeference,
        spectra=look.with_classes(classes),
    )


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
