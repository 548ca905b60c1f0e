"""All figures of a run, from one description of what there is to draw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import ClassTable
from hsi.report.figures.charts import reliability_figure, training_curves_figure
from hsi.report.figures.layout import Image
from hsi.report.figures.maps import (
    class_map_figure,
    confidence_figure,
    difference_figure,
    false_colour_figure,
    split_figure,
    truth_and_map_figure,
)
from hsi.report.figures.matrices import confusion_figure
from hsi.report.figures.names import RUN_FIGURES
from hsi.report.figures.scale_bar import Ground
from hsi.report.figures.spectra import ClassSpectra, spectra_figure
from hsi.report.figures.style import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RunFigures:
    """What the figures of a run are drawn from; what is None is not drawn.

    ``ids`` and ``truth`` are class ids ``(H, W)``, ``tested`` the ``(H, W)`` bool mask of the pixels that count,
    ``matrix`` the confusion matrix in the order of ``table``, ``calibration`` is for :func:`reliability_figure`,
    ``split`` the codes of the split ``(H, W)``, ``confidence`` ``(H, W)`` from 0 to 1 with NaN where there is no data.
    With ``ground`` maps have a scale bar and a north arrow.
    """

    title: str
    table: ClassTable
    ids: NDArray[Any]
    picture: Image | None
    truth: NDArray[Any] | None = None
    tested: NDArray[np.bool_] | None = None
    matrix: NDArray[np.integer[Any]] | None = None
    history: Sequence[Mapping[str, Any]] = field(default=())
    calibration: Mapping[str, Any] | None = None
    split: NDArray[Any] | None = None
    confidence: NDArray[Any] | None = None
    spectra: ClassSpectra | None = None
    ground: Ground | None = None


def drawings(run: RunFigures) -> dict[str, Draw]:
    """How each figure of a run that can be drawn is drawn, by its name, in the order of :data:`RUN_FIGURES`."""
    found = {**_maps(run), **_charts(run)}
    return {name: found[name] for name in RUN_FIGURES if name in found}


def _maps(run: RunFigures) -> dict[str, Draw]:
    truth, tested, title, ground = run.truth, run.tested, run.title, run.ground
    picture, split, confidence = run.picture, run.split, run.confidence
    found: dict[str, Draw] = {"map": lambda: class_map_figure(run.ids, run.table, f"{title}: map", ground=ground)}
    if picture is not None:
        found["false_colour"] = lambda: false_colour_figure(picture, f"{title}: false colour", ground)
    if truth is not None:
        named = f"{title}: ground truth"
        found["ground_truth"] = lambda: class_map_figure(truth, run.table, named, "not labelled", ground)
        found["truth_and_map"] = lambda: truth_and_map_figure(truth, run.ids, run.table, title, ground)
        if tested is not None:
            told = f"{title}: right and wrong"
            found["difference"] = lambda: difference_figure(run.ids, truth, tested, told, ground)
    if split is not None:
        found["split"] = lambda: split_figure(split, f"{title}: split", ground)
    if confidence is not None:
        found["confidence"] = lambda: confidence_figure(confidence, f"{title}: confidence", ground)
    return found


def _charts(run: RunFigures) -> dict[str, Draw]:
    matrix, calibration, spectra = run.matrix, run.calibration, run.spectra
    found: dict[str, Draw] = {}
    if spectra is not None and spectra.pixels.any():
        found["spectra"] = lambda: spectra_figure(spectra, run.table, run.title)
    if matrix is not None:
        found["confusion_matrix"] = lambda: confusion_figure(matrix, run.table.names)
    if calibration is not None:
        found["reliability"] = lambda: reliability_figure(calibration)
    if run.history:
        found["training_curves"] = lambda: training_curves_figure(run.history)
    return found


def write_figures(
    folder: Path,
    run: RunFigures,
    *,
    kind: str = "png",
    only: Collection[str] | None = None,
    progress: Progress = lambda done, total, name: None,
) -> list[Path]:
    """Write the figures of a run into ``folder`` as ``kind`` (png, pdf or svg) and say which: those of
    :data:`RUN_FIGURES` that can be drawn, or the ones among them that are named in ``only``.

    ``progress(done, total, name)`` is called before each. Raises :class:`hsi.errors.OutputError` when one cannot be
    written.
    """
    wanted = {name: draw for name, draw in drawings(run).items() if only is None or name in only}
    paths = []
    for done, (name, draw) in enumerate(wanted.items()):
        progress(done, len(wanted), name)
        path = Path(folder) / f"{name}.{kind}"
        write_figure(path, draw())
        paths.append(path)
    return paths
