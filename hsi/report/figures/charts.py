"""Curves as figures: training, and how far the map's confidence keeps its word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hsi.report.figures.style import FAINT, INK, LABEL, RIGHT, SMALL, WRONG, hex_colour, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE = hex_colour(RIGHT), hex_colour(WRONG)


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
    if all(entry["loss"] > 0 for entry in history):
        loss.set_yscale("log")
    accuracy.plot(
        epochs, [100 * entry["accuracy"] for entry in history], color=BLUE, marker=marker, label="training pixels"
    )
    checked = [(e["epoch"], 100 * e["validation_accuracy"]) for e in history if e["validation_accuracy"] is not None]
    if checked:
        accuracy.plot(*zip(*checked, strict=True), color=ORANGE, marker=marker, label="validation pixels")
        accuracy.legend(frameon=False, fontsize=SMALL, loc="lower right", labelcolor=INK)
    rate.plot(epochs, [entry["lr"] for entry in history], color=FAINT, marker=marker)
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    rate.yaxis.get_offset_text().set_fontsize(6)
    for axes, label in ((loss, "loss"), (accuracy, "accuracy (%)"), (rate, "learning rate")):
        plain_axes(axes)
        axes.set_ylabel(label, fontsize=LABEL, color=INK)
    rate.set_xlabel("epoch", fontsize=LABEL, color=INK)
    figure.align_ylabels()
    return figure


def reliability_figure(calibration: Mapping[str, Any]) -> Figure:
    """Accuracy against confidence by bin, above the share of pixels in each bin.

    ``calibration`` is what ``Calibration.to_dict()`` of :mod:`hsi.accuracy.calibration` gives.
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
        axes.set_ylabel(label, fontsize=LABEL, color=INK)
    curve.legend(frameon=False, fontsize=SMALL, loc="upper left", labelcolor=INK)
    counts.set_xlabel("confidence (%)", fontsize=LABEL, color=INK)
    told = f"{calibration['pixels']:,} pixels; expected calibration error {calibration['error']:.2%}"
    curve.set_title(told, fontsize=LABEL, color=INK, loc="left", pad=5)
    figure.align_ylabels()
    return figure
