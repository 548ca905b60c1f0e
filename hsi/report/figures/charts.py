"""Confusion matrix, reliability diagram and training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import FAINT, INK, RIGHT, WRONG, hex_colour
from hsi.core.labels import ClassTable
from hsi.report.figures.look import scaled
from hsi.report.figures.registry import figure
from hsi.report.figures.style import CELLS, LABEL, SMALL, literal, new_figure, plain_axes, shortened, shrink_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BLUE, ORANGE = hex_colour(RIGHT), hex_colour(WRONG)
FEW_CLASSES, ANNOTATED_CLASSES = 16, 30
LONGEST_NAME = 40


@figure("confusion_matrix", "test pixels by class and mapped class")
def confusion_figure(matrix: NDArray[np.integer[Any]], table: ClassTable) -> Figure:
    """A confusion matrix ``(C, C)`` (rows: ground truth, columns: map): pixels, and percent of each row."""
    count = len(table)
    totals = matrix.sum(axis=1)
    percent = 100 * matrix / np.maximum(totals, 1)[:, None]
    annotated = count <= ANNOTATED_CLASSES
    side = max(2.4, count * scaled(0.44 if count <= FEW_CLASSES else 0.36 if annotated else 0.14))
    figure = new_figure(side, side)
    axes = figure.add_axes((0, 0, 1, 1), gid=CELLS)
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=130, interpolation="nearest")  # 130 keeps the darkest cells legible
    if annotated:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            share = percent[row, column]
            text = "100" if share == 100 else f"{share:.1f}" if share >= 0.05 else "<0.1"
            text = f"{matrix[row, column]:,}\n{text}"
            place: dict[str, Any] = {"ha": "center", "va": "center", "linespacing": 1.1, "gid": CELLS}
            axes.text(column, row, text, color="white" if share > 70 else INK, **place)
    _name_cells(axes, [shortened(name, LONGEST_NAME) for name in table.names], totals)
    shrink_cells(figure)
    return figure


def _name_cells(axes: Axes, names: Sequence[str], totals: NDArray[Any]) -> None:
    count = len(names)
    labels = [f"{literal(name)} ({total:,})" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(range(count), labels)
    axes.set_xticks(range(count), [literal(name) for name in names], rotation=45, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0, colors=INK)
    axes.set_ylabel("ground truth (tested pixels)", fontsize=scaled(LABEL), color=INK)
    axes.set_xlabel("map: pixels, and percent of each row", fontsize=scaled(LABEL), color=INK)
    for edge in axes.spines.values():
        edge.set_visible(False)


@figure("reliability", "accuracy against confidence")
def reliability_figure(calibration: Mapping[str, Any]) -> Figure:
    """Accuracy against confidence by bin, above the share of pixels in each bin.

    ``calibration`` is what :func:`hsi.accuracy.calibration.measure_calibration` gives.
    """
    bins = [entry for entry in calibration["bins"] if entry["pixels"]]
    confidence = [100 * entry["confidence"] for entry in bins]
    figure = new_figure(3.6, 4.4)
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.subplots_adjust(hspace=0.1)
    curve.plot([0, 100], [0, 100], color=FAINT, linestyle="--", label="as it should be")
    curve.vlines(confidence, confidence, [100 * entry["accuracy"] for entry in bins], color=ORANGE, linewidth=1)
    curve.plot(confidence, [100 * entry["accuracy"] for entry in bins], color=BLUE, marker="o", label="this map")
    curve.set(xlim=(0, 100.5), ylim=(0, 102))
    shares = [100 * entry["pixels"] / calibration["pixels"] for entry in bins]
    widths = [95 * (entry["high"] - entry["low"]) for entry in bins]
    counts.bar([100 * entry["low"] for entry in bins], shares, widths, align="edge", color=BLUE)
    for axes, label in ((curve, "right (%)"), (counts, "pixels (%)")):
        plain_axes(axes)
        axes.set_ylabel(label, fontsize=scaled(LABEL), color=INK)
    curve.legend(frameon=False, fontsize=scaled(SMALL), loc="upper left", labelcolor=INK)
    counts.set_xlabel("confidence (%)", fontsize=scaled(LABEL), color=INK)
    title = f"{calibration['pixels']:,} pixels; expected calibration error {calibration['error']:.2%}"
    curve.set_title(title, fontsize=scaled(LABEL), color=INK, loc="left", pad=5)
    figure.align_ylabels()
    return figure


@figure("training_curves", "loss, accuracy and learning rate")
def training_curves_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss, accuracy and learning rate by epoch.

    ``history`` has one mapping per epoch with ``epoch``, ``loss``, ``accuracy``, ``validation_accuracy`` (or None)
    and ``lr``; accuracies go from 0 to 1.
    """
    epochs = [entry["epoch"] for entry in history]
    figure = new_figure(5.6, 5.0)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.3))
    figure.subplots_adjust(hspace=0.16)
    marker = "o" if len(epochs) < 3 else None
    loss.plot(epochs, [entry["loss"] for entry in history], color=BLUE, marker=marker)
    losses = [entry["loss"] for entry in history]
    if min(losses) > 0 and max(losses) > 10 * min(losses):
        loss.set_yscale("log")
    accuracy.plot(
        epochs, [100 * entry["accuracy"] for entry in history], color=BLUE, marker=marker, label="training accuracy"
    )
    checked = [(e["epoch"], 100 * e["validation_accuracy"]) for e in history if e["validation_accuracy"] is not None]
    if checked:
        accuracy.plot(*zip(*checked, strict=True), color=ORANGE, marker=marker, label="validation accuracy")
        accuracy.legend(frameon=False, fontsize=scaled(SMALL), loc="lower right", labelcolor=INK)
    rate.plot(epochs, [entry["lr"] for entry in history], color=FAINT, marker=marker)
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    rate.yaxis.get_offset_text().set_fontsize(scaled(6))
    shown = "accuracy (%)" if checked else "training accuracy (%)"
    for axes, label in ((loss, "loss"), (accuracy, shown), (rate, "learning rate")):
        plain_axes(axes)
        axes.set_ylabel(label, fontsize=scaled(LABEL), color=INK)
    rate.xaxis.get_major_locator().set_params(integer=True)
    rate.set_xlabel("epoch", fontsize=scaled(LABEL), color=INK)
    figure.align_ylabels()
    return figure
