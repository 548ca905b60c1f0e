"""What the commands put into ``report.html``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsi.workflows.outputs import split_of_run
from hsi.workflows.provenance import hash_files, versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
