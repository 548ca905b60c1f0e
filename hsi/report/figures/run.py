"""What the figures of a run are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import ClassTable
from hsi.report.figures.layout import Image
from hsi.report.figures.registry import RUN_FIGURES, drawings
from hsi.report.figures.scale_bar import Ground
from hsi.report.figures.spectra import ClassSpectra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RunFigures:
    """What the figures of a run are drawn from; a figure that needs what is None is not drawn.

    ``ids`` and ``truth`` are class ids ``(H, W)``, ``tested`` the ``(H, W)`` bool mask of the pixels that count,
    ``picture`` ``(H, W, 3)`` uint8 the false colour, ``matrix`` ``(C, C)`` the confusion matrix in the order of
    ``table``, ``calibration`` that of the accuracy report, ``history`` a mapping per epoch, ``split`` the codes of the
    split ``(H, W)``, ``confidence`` ``(H, W)`` from 0 to 1 with NaN where there is no data. With ``ground`` maps have
    a scale bar and a north arrow.
    """

    title: str
    table: ClassTable
    ids: NDArray[Any]
    picture: Image | None = None
    truth: NDArray[Any] | None = None
    tested: NDArray[np.bool_] | None = None
    matrix: NDArray[np.integer[Any]] | None = None
    history: Sequence[Mapping[str, Any]] | None = None
    calibration: Mapping[str, Any] | None = None
    split: NDArray[Any] | None = None
    confidence: NDArray[Any] | None = None
    spectra: ClassSpectra | None = None
    ground: Ground | None = None

    def drawings(self) -> dict[str, Callable[[], Figure]]:
        """The figures that can be drawn, by name, in the order in which they are registered."""
        return drawings(RUN_FIGURES, vars(self))
