"""``report.html`` of a run, and what the reports of maps have in common with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import Advance, progress
from hsi.core.scene import Scene
from hsi.report.figures import ClassSpectra, false_colour
from hsi.report.html import (
    MapView,
    Report,
    Spectra,
    ordinal,
    sample_spectra,
    spectra_step,
    subsample_scene,
    track_reads,
    view_step,
    write_report_page,
)
from hsi.report.html.denoising import denoising_section
from hsi.report.html.provenance import run_provenance
from hsi.workflows.outputs import REPORT, files_below, title_of

if TYPE_CHECKING:
    from hsi.workflows.classify import Classified

TRAINING_PIXELS = "the training pixels"


def write_run_report(
    folder: Path,
    classified: Classified,
    record: Mapping[str, Any],
    training: ClassSpectra,
    picture: NDArray[np.uint8] | None,
) -> None:
    """``report.html`` of ``hsi classify``: the map with its layers, what ``run.json`` will hold, the spectra of the
    ``training`` pixels, and false colour ``(H, W, 3)`` where the figures have it already."""
    inputs, accuracy = classified.inputs, classified.accuracy
    with progress("report", "rows") as advance:
        view = run_view(classified, training, picture, advance)
    report = Report(
        title=title_of(inputs),
        kind="Classification",
        lead=f"{accuracy['model']}, split {accuracy['split']}",
        provenance=run_provenance(record),
        view=view,
        accuracy=accuracy,
        areas=accuracy["areas"],
        history=record.get("history", ()),
        sections=[denoising_section(inputs.denoising, inputs.scene)] if inputs.denoising else (),
        files=sorted({*files_below(folder), "run.json"}),
        notes=spectra_notes(view),
    )
    write_report_page(folder / REPORT, report)


def run_view(
    classified: Classified, training: ClassSpectra, picture: NDArray[np.uint8] | None, advance: Advance
) -> MapView:
    """All layers of a run, every n-th pixel, and the spectra of its ``training`` pixels."""
    inputs, layers = classified.inputs, classified.mapped.layers
    scene, labels = inputs.scene, inputs.labels
    step = view_step(scene.height, scene.width)
    every = (slice(None, None, step), slice(None, None, step))
    usable, known = inputs.survey.valid[every], picture if step == 1 else None
    picture, spectra = sample_scene(scene, usable, step, advance, picture=known)
    return MapView(
        height=scene.height,
        width=scene.width,
        step=step,
        table=labels.table,
        ids=layers["map"][every],
        pixels=classified.mapped.pixels,
        truth=labels.values[every],
        confidence=layers["confidence"][0][every] if "confidence" in layers else None,
        split=classified.split.codes()[every],
        picture=picture,
        georeference=scene.georeference,
        spectra=spectra.with_classes(training, TRAINING_PIXELS),
    )


def sample_scene(
    scene: Scene,
    usable: NDArray[np.bool_],
    step: int,
    advance: Advance,
    rows: int | None = None,
    picture: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint8], Spectra]:
    """False colour ``(h, w, 3)`` of every ``step``-th pixel, unless given, and the spectra that a page can hold.

    ``usable`` is ``(h, w)``.
    """
    if picture is None:
        tracked = track_reads(scene, lambda d, t: advance(d, t, "false colour"))
        picture = false_colour(subsample_scene(tracked, step, rows), usable)
    coarse = spectra_step(scene.height, scene.width, len(scene.bands), step)
    every = coarse // step
    tracked = track_reads(scene, lambda d, t: advance(d, t, "spectra"))
    return picture, sample_spectra(tracked, usable[::every, ::every], coarse, rows)


def spectra_notes(view: MapView) -> list[str]:
    """What a reader has to know of the spectra."""
    spectra = view.spectra
    assert spectra is not None
    pixels = "every pixel" if spectra.step == 1 else f"every {ordinal(spectra.step)} row and column of the scene"
    exact = "as stored" if spectra.exact else "to one part in 65,535 of each band's range"
    trained = spectra.classes_of == TRAINING_PIXELS
    means = "all training pixels" if trained else "the sampled spectra of pixels mapped so"
    return [f"Spectra are those of {pixels}, {exact}; a class's mean and spread are over {means}."]
