"""The confusion matrix as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.report.figures.style import INK, LABEL, SMALL, literal, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANNOTATED_CLASSES = 30
LONGEST_NAME = 40


def confusion_figure(matrix: NDArray[np.integer[Any]], names: Sequence[str]) -> Figure:
    """A confusion matrix (rows: ground truth, columns: map) in percent of each row."""
    count = len(names)
    totals = matrix.sum(axis=1)
    percent = 100 * matrix / np.maximum(totals, 1)[:, None]
    annotated = count <= ANNOTATED_CLASSES
    side = max(2.4, count * (0.33 if annotated else 0.14))
    figure = new_figure(side, side)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=130, interpolation="nearest")  # 130 keeps the darkest cells legible
    if annotated:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            share = percent[row, column]
            text = "100" if share == 100 else f"{share:.1f}" if share >= 0.05 else "<0.1"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if share > 70 else INK)
    _name_cells(axes, [shortened(name, LONGEST_NAME) for name in names], totals, SMALL if annotated else 4.5)
    return figure


def _name_cells(axes: Axes, names: Sequence[str], totals: NDArray[Any], size: float) -> None:
    count = len(names)
    labels = [f"{literal(name)} ({total:,})" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(range(count), labels, fontsize=size)
    axes.set_xticks(
        range(count), [literal(name) for name in names], fontsize=size, rotation=45, ha="left", rotation_mode="anchor"
    )
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0, colors=INK)
    axes.set_ylabel("ground truth (tested pixels)", fontsize=LABEL, color=INK)
    axes.set_xlabel("map, percent of each row", fontsize=LABEL, color=INK)
    for edge in axes.spines.values():
        edge.set_visible(False)
