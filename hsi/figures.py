"""Figures of a run as PNG: maps with legends, false colour, confusion matrix, training curves, reliability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.drawing import DPI, FAINT, INK, RIGHT, WRONG
from hsi.drawing import hex_colour as _hex
from hsi.drawing import literal as _literal
from hsi.drawing import new_figure as _new_figure
from hsi.drawing import plain_axes as _plain
from hsi.labels import ClassTable, Colour
from hsi.paths import write_atomically
from hsi.scene import Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Image = NDArray[np.uint8]
LONGEST_SIDE = 1000  # pixels of the figure that the longer side of a map takes
MAX_LEGEND_ROWS = 24
EMPTY = (236, 236, 236)  # nothing labelled, nothing tested or nothing measured
VISIBLE_NM, NEAR_NM = (640.0, 550.0, 460.0), 100.0
HIDDEN_BANDS_AT = (0.75, 0.45, 0.15)  # without wavelengths: shares of the band axis, away from its noisy ends
ANNOTATED_CLASSES = 30


def false_colour(scene: Scene, valid: NDArray[np.bool_]) -> Image:
    """A picture ``(H, W, 3)`` uint8 of three bands, each stretched from its 2nd to its 98th percentile.

    Red, green and blue are the bands nearest 640, 550 and 460 nm when the scene has wavelengths within 100 nm of
    these, else three bands far apart. Percentiles are of the ``valid`` pixels ``(H, W)``; the others are light grey.
    """
    bands = _display_bands(scene)
    order = sorted(set(bands))
    picked = scene.keep_bands(order)
    values = np.empty((scene.height, scene.width, len(order)), np.float32)
    for block in scene.blocks():
        values[block.slices] = picked.read(block)
    picture = np.full((scene.height, scene.width, 3), EMPTY, np.uint8)
    if valid.any():
        for channel, band in enumerate(bands):
            seen = values[:, :, order.index(band)][valid]
            low, high = np.percentile(seen[:: max(1, seen.size // 1_000_000)], (2, 98))
            stretched = (seen - low) / (high - low) if high > low else np.full(seen.shape, 0.5)
            picture[valid, channel] = np.rint(np.clip(stretched, 0, 1) * 255)
    return picture


def _display_bands(scene: Scene) -> tuple[int, ...]:
    """Positions among the kept bands for red, green and blue."""
    if scene.wavelengths is not None:
        wavelengths = np.asarray(scene.wavelengths)
        nearest = [int(np.argmin(np.abs(wavelengths - wanted))) for wanted in VISIBLE_NM]
        gaps = np.abs(wavelengths[nearest] - VISIBLE_NM)
        if len(set(nearest)) == 3 and np.all(gaps <= NEAR_NM):
            return tuple(nearest)
    return tuple(round((len(scene.bands) - 1) * share) for share in HIDDEN_BANDS_AT)


def class_map_figure(ids: NDArray[Any], table: ClassTable, title: str, empty: str = "no data") -> Figure:
    """A class map ``(H, W)`` with a legend of the classes that occur; ids outside the table are shown as ``empty``."""
    picture = np.full((*ids.shape, 3), EMPTY, np.uint8)
    entries = []
    for i, name, colour in zip(table.ids, table.names, table.colours, strict=True):
        here = ids == i
        if here.any():
            picture[here] = colour
            entries.append((name, colour))
    if not np.all(np.isin(ids, table.ids)):
        entries.append((empty, EMPTY))
    return _picture_figure(picture, title, entries)


def false_colour_figure(picture: Image, title: str) -> Figure:
    """A picture ``(H, W, 3)`` uint8 as it is."""
    return _picture_figure(picture, title, [])


def difference_figure(
    ids: NDArray[Any], truth: NDArray[Any], tested: NDArray[np.bool_], title: str = "Right and wrong"
) -> Figure:
    """Where a map ``(H, W)`` agrees with the ground truth ``(H, W)``, over the ``tested`` pixels only."""
    right, wrong = tested & (ids == truth), tested & (ids != truth)
    picture = np.full((*ids.shape, 3), EMPTY, np.uint8)
    picture[right], picture[wrong] = RIGHT, WRONG
    total = max(1, int(np.count_nonzero(tested)))

    def told(name: str, pixels: NDArray[np.bool_]) -> str:
        count = int(np.count_nonzero(pixels))
        return f"{name}: {count:,} ({100 * count / total:.2f} %)"

    return _picture_figure(
        picture, title, [(told("right", right), RIGHT), (told("wrong", wrong), WRONG), ("not tested", EMPTY)]
    )


def confusion_figure(matrix: NDArray[np.integer[Any]], names: Sequence[str]) -> Figure:
    """A confusion matrix (rows: ground truth, columns: map) in percent of each row."""
    count = len(names)
    totals = matrix.sum(axis=1)
    percent = 100 * matrix / np.maximum(totals, 1)[:, None]
    annotated = count <= ANNOTATED_CLASSES
    side = max(2.4, count * (0.33 if annotated else 0.14))
    figure = _new_figure(side, side)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=130, interpolation="nearest")  # 130 keeps the darkest cells legible
    if annotated:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            share = percent[row, column]
            text = "100" if share == 100 else f"{share:.1f}" if share >= 0.05 else "<0.1"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if share > 70 else INK)
    size = 7 if annotated else 4.5
    labels = [f"{_literal(name)} ({total:,})" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(range(count), labels, fontsize=size)
    axes.set_xticks(
        range(count), [_literal(name) for name in names], fontsize=size, rotation=45, ha="left", rotation_mode="anchor"
    )
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0, colors=INK)
    axes.set_ylabel("ground truth (tested pixels)", fontsize=8, color=INK)
    axes.set_xlabel("map, percent of each row", fontsize=8, color=INK)
    for edge in axes.spines.values():
        edge.set_visible(False)
    return figure


def training_curves_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss, accuracy and learning rate by epoch.

    ``history`` has one mapping per epoch with ``epoch``, ``loss``, ``accuracy``, ``validation_accuracy`` (or None)
    and ``lr``; accuracies go from 0 to 1.
    """
    epochs = [entry["epoch"] for entry in history]
    figure = _new_figure(5.6, 5.0)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.3))
    figure.subplots_adjust(hspace=0.16)
    blue, orange = (_hex(colour) for colour in (RIGHT, WRONG))
    marker = "o" if len(epochs) < 3 else None
    loss.plot(epochs, [entry["loss"] for entry in history], color=blue, marker=marker)
    if all(entry["loss"] > 0 for entry in history):
        loss.set_yscale("log")
    accuracy.plot(
        epochs, [100 * entry["accuracy"] for entry in history], color=blue, marker=marker, label="training pixels"
    )
    checked = [(e["epoch"], 100 * e["validation_accuracy"]) for e in history if e["validation_accuracy"] is not None]
    if checked:
        accuracy.plot(*zip(*checked, strict=True), color=orange, marker=marker, label="validation pixels")
        accuracy.legend(frameon=False, fontsize=7, loc="lower right", labelcolor=INK)
    rate.plot(epochs, [entry["lr"] for entry in history], color=FAINT, marker=marker)
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    rate.yaxis.get_offset_text().set_fontsize(6)
    for axes, label in ((loss, "loss"), (accuracy, "accuracy (%)"), (rate, "learning rate")):
        _plain(axes)
        axes.set_ylabel(label, fontsize=8, color=INK)
    rate.set_xlabel("epoch", fontsize=8, color=INK)
    figure.align_ylabels()
    return figure


def reliability_figure(calibration: Mapping[str, Any]) -> Figure:
    """Accuracy against confidence by bin, above the share of pixels in each bin.

    ``calibration`` is what ``Calibration.to_dict()`` of :mod:`hsi.calibration` gives.
    """
    bins = [entry for entry in calibration["bins"] if entry["pixels"]]
    confidence = [100 * entry["confidence"] for entry in bins]
    figure = _new_figure(3.6, 4.4)
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.subplots_adjust(hspace=0.1)
    blue, orange = (_hex(colour) for colour in (RIGHT, WRONG))
    curve.plot([0, 100], [0, 100], color=FAINT, linestyle="--", label="as it should be")
    curve.vlines(confidence, confidence, [100 * entry["accuracy"] for entry in bins], color=orange, linewidth=1)
    curve.plot(confidence, [100 * entry["accuracy"] for entry in bins], color=blue, marker="o", label="this map")
    curve.set(xlim=(0, 100.5), ylim=(0, 102))
    shares = [100 * entry["pixels"] / calibration["pixels"] for entry in bins]
    widths = [95 * (entry["high"] - entry["low"]) for entry in bins]
    counts.bar([100 * entry["low"] for entry in bins], shares, widths, align="edge", color=blue)
    for axes, label in ((curve, "right (%)"), (counts, "pixels (%)")):
        _plain(axes)
        axes.set_ylabel(label, fontsize=8, color=INK)
    curve.legend(frameon=False, fontsize=7, loc="upper left", labelcolor=INK)
    counts.set_xlabel("confidence (%)", fontsize=8, color=INK)
    told = f"{calibration['pixels']:,} pixels; expected calibration error {calibration['error']:.2%}"
    curve.set_title(told, fontsize=8, color=INK, loc="left", pad=5)
    figure.align_ylabels()
    return figure


@dataclass(frozen=True)
class RunFigures:
    """What the figures of a run are drawn from; what is None is not drawn.

    ``ids`` and ``truth`` are class ids ``(H, W)``, ``tested`` the ``(H, W)`` bool mask of the pixels that count,
    ``matrix`` the confusion matrix in the order of ``table``, ``calibration`` is for :func:`reliability_figure`.
    """

    title: str
    table: ClassTable
    ids: NDArray[Any]
    picture: Image
    truth: NDArray[Any] | None = None
    tested: NDArray[np.bool_] | None = None
    matrix: NDArray[np.integer[Any]] | None = None
    history: Sequence[Mapping[str, Any]] = field(default=())
    calibration: Mapping[str, Any] | None = None


def write_figures(folder: Path, run: RunFigures) -> list[Path]:
    """Write the PNGs of a run into ``folder`` and say which: map, false_colour, ground_truth, difference,
    confusion_matrix, reliability, training_curves.

    Raises :class:`hsi.errors.OutputError` when one cannot be written."""
    truth, tested, matrix, calibration, title = run.truth, run.tested, run.matrix, run.calibration, run.title
    drawings: dict[str, Callable[[], Figure]] = {
        "map": lambda: class_map_figure(run.ids, run.table, f"{title}: map"),
        "false_colour": lambda: false_colour_figure(run.picture, f"{title}: false colour"),
    }
    if truth is not None:
        drawings["ground_truth"] = lambda: class_map_figure(truth, run.table, f"{title}: ground truth", "not labelled")
        if tested is not None:
            drawings["difference"] = lambda: difference_figure(run.ids, truth, tested, f"{title}: right and wrong")
    if matrix is not None:
        drawings["confusion_matrix"] = lambda: confusion_figure(matrix, run.table.names)
    if calibration is not None:
        drawings["reliability"] = lambda: reliability_figure(calibration)
    if run.history:
        drawings["training_curves"] = lambda: training_curves_figure(run.history)
    paths = []
    for name, draw in drawings.items():
        path = Path(folder) / f"{name}.png"
        write_png(path, draw())
        paths.append(path)
    return paths


def write_png(path: Path, figure: Figure) -> None:
    """Write a figure, cropped to what it shows. Raises :class:`hsi.errors.OutputError` when it cannot be written."""
    with write_atomically(path) as part:
        figure.savefig(part, dpi=DPI, bbox_inches="tight", pad_inches=0.08, pil_kwargs={"optimize": True})


def _picture_figure(picture: Image, title: str, entries: Sequence[tuple[str, Colour]]) -> Figure:
    """A picture ``(H, W, 3)`` whose pixels stay square and whole: each takes n x n pixels of the figure."""
    from matplotlib.patches import Patch

    step = -(-max(picture.shape[:2]) // (2 * LONGEST_SIDE))  # every n-th pixel of a scene that is far too large
    shown = picture[::step, ::step]
    height, width = shown.shape[:2]
    scale = max(1, LONGEST_SIDE // max(height, width))
    figure = _new_figure(width * scale / DPI, height * scale / DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(shown, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for edge in axes.spines.values():
        edge.set(color=FAINT, linewidth=0.6)
    axes.set_title(_literal(title), fontsize=9, color=INK, loc="left", pad=5)
    if entries:
        beside = width <= 1.5 * height
        handles = [
            Patch(facecolor=_hex(colour), edgecolor=FAINT, linewidth=0.4, label=_literal(name))
            for name, colour in entries
        ]
        axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0) if beside else (0.0, 0.0),
            ncols=-(-len(entries) // MAX_LEGEND_ROWS) if beside else max(1, min(4, width * scale // 320)),
            frameon=False,
            fontsize=7.5,
            labelcolor=INK,
            handlelength=1.1,
            handleheight=1.1,
            labelspacing=0.35,
            borderaxespad=0.6,
        )
    return figure
