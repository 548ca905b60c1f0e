"""``report.html`` of a run, and what the reports of maps have in common with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import Advance, progress
from hsi.core.scene import Scene
from hsi.report import figures
from hsi.report.figures import false_colour
from hsi.report.html import (
    ClassSpectra,
    MapView,
    Report,
    Spectra,
    classes_as_told,
    follow,
    ordinal,
    sample_spectra,
    spectra_step,
    subsample_scene,
    view_step,
    write_report_page,
)
from hsi.report.html.denoising import denoising_tables
from hsi.report.html.provenance import run_provenance
from hsi.workflows.outputs import REPORT, files_below, title_of

if TYPE_CHECKING:
    from hsi.workflows.classify import Classified

TRAINING_PIXELS = "the training pixels"


def write_run_report(
    folder: Path,
    classified: Classified,
    record: Mapping[str, Any],
    training: figures.ClassSpectra,
    picture: NDArray[np.uint8] | None,
) -> None:
    """``report.html`` of ``hsi classify``: the map with its layers, what ``run.json`` will hold, the spectra of the
    ``training`` pixels, and false colour ``(H, W, 3)`` where the figures have it already."""
    inputs, accuracy = classified.inputs, classified.accuracy
    with progress("report", "rows") as advance:
        view = run_view(classified, classes_as_told(training, TRAINING_PIXELS), picture, advance)
    report = Report(
        title=title_of(inputs),
        kind="Classification",
        lead=f"{accuracy['model']}, split {accuracy['split']}",
        facts=run_provenance(record),
        view=view,
        accuracy=accuracy,
        areas=accuracy["areas"],
        history=record.get("history", ()),
        tables=[denoising_tables(inputs.denoising, inputs.scene)] if inputs.denoising else (),
        files=sorted({*files_below(folder), "run.json"}),
        notes=spectra_notes(view),
    )
    write_report_page(folder / REPORT, report)


def run_view(
    classified: Classified, classes: ClassSpectra, picture: NDArray[np.uint8] | None, advance: Advance
) -> MapView:
    """All layers of a run, every n-th pixel, and the spectra of its ``classes``."""
    inputs, layers = classified.inputs, classified.mapped.layers
    scene, labels = inputs.scene, inputs.labels
    step = view_step(scene.height, scene.width)
    thin = (slice(None, None, step), slice(None, None, step))
    look = look_at(scene, inputs.survey.valid[thin], step, advance, picture=picture if step == 1 else None)
    return MapView(
        height=scene.height,
        width=scene.width,
        step=step,
        table=labels.table,
        ids=layers["map"][thin],
        pixels=classified.mapped.pixels,
        truth=labels.values[thin],
        confidence=layers["confidence"][0][thin] if "confidence" in layers else None,
        split=classified.split.codes()[thin],
        picture=look.picture,
        georeference=scene.georeference,
        spectra=look.with_classes(classes),
    )


@dataclass(frozen=True, eq=False)
class Look:
    """Every n-th pixel of a scene: a picture ``(h, w, 3)`` and, of fewer pixels, spectra."""

    picture: NDArray[np.uint8]
    spectra: Spectra

    def with_classes(self, classes: ClassSpectra) -> Spectra:
        """The spectra with those of the classes."""
        return replace(self.spectra, classes=classes)


def look_at(
    scene: Scene,
    usable: NDArray[np.bool_],
    step: int,
    advance: Advance,
    rows: int | None = None,
    picture: NDArray[np.uint8] | None = None,
) -> Look:
    """False colour of every ``step``-th pixel, unless given, and the spectra that a page can hold; ``usable`` is
    ``(h, w)``."""
    if picture is None:
        followed = follow(scene, lambda d, t: advance(d, t, "false colour"))
        picture = false_colour(subsample_scene(followed, step, rows), usable)
    coarse = spectra_step(scene.height, scene.width, len(scene.bands), step)
    every = coarse // step
    followed = follow(scene, lambda d, t: advance(d, t, "spectra"))
    return Look(picture, sample_spectra(followed, usable[::every, ::every], coarse, rows=rows))


def spectra_notes(view: MapView) -> list[str]:
    """What a reader has to know of the spectra."""
    spectra = view.spectra
    assert spectra is not None and spectra.classes is not None
    sampled = "every pixel" if spectra.step == 1 else f"every {ordinal(spectra.step)} row and column of the scene"
    exact = "as stored" if spectra.exact else "to one part in 65,535 of each band's range"
    of = spectra.classes.of
    means = "all training pixels" if of == TRAINING_PIXELS else "the sampled spectra of pixels mapped so"
    return [f"Spectra are those of {sampled}, {exact}; a class's mean and spread are over {means}."]
