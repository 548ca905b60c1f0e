"""Maps as figures: classes, a picture, truth and map, right and wrong, split, confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import EMPTY, RIGHT, TEST, TRAINING, VALIDATION, WRONG, Colour
from hsi.core.labels import ClassTable
from hsi.core.notebook import colour_classes
from hsi.core.scene import Scene
from hsi.report.figures.layout import ColourBar, Image, Panel, picture_figure
from hsi.report.figures.registry import figure
from hsi.report.figures.scale_bar import Ground
from hsi.report.figures.style import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure


VISIBLE_NM, NEAR_NM = (640.0, 550.0, 460.0), 100.0
HIDDEN_BANDS_AT = (0.75, 0.45, 0.15)  # without wavelengths: shares of the band axis, away from its noisy ends


def false_colour(scene: Scene, valid: NDArray[np.bool_], progress: Progress | None = None) -> NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` uint8 of three bands, each stretched from its 2nd to its 98th percentile.

    Red, green and blue are the bands nearest 640, 550 and 460 nm when the scene has wavelengths within 100 nm of
    these, else three bands far from each other. Percentiles are of the ``valid`` pixels ``(H, W)``; the others are
    light grey.
    ``progress(rows done, rows)`` is called after each block.
    """
    bands = display_bands(scene)
    order = sorted(set(bands))
    picked = scene.keep_bands(order)
    values = np.empty((scene.height, scene.width, len(order)), np.float32)
    for block in scene.blocks():
        values[block.slices] = picked.read(block)
        if progress:
            progress(block.row + block.height, scene.height)
    picture = np.full((scene.height, scene.width, 3), EMPTY, np.uint8)
    if valid.any():
        for channel, band in enumerate(bands):
            seen = values[:, :, order.index(band)][valid]
            low, high = np.percentile(seen[:: max(1, seen.size // 1_000_000)], (2, 98))
            stretched = (seen - low) / (high - low) if high > low else np.full(seen.shape, 0.5)
            picture[valid, channel] = np.rint(np.clip(stretched, 0, 1) * 255)
    return picture


def display_bands(scene: Scene) -> tuple[int, ...]:
    """Positions among the scene's bands for red, green and blue."""
    if scene.wavelengths is not None:
        wavelengths = np.asarray(scene.wavelengths)
        nearest = [int(np.argmin(np.abs(wavelengths - wanted))) for wanted in VISIBLE_NM]
        gaps = np.abs(wavelengths[nearest] - VISIBLE_NM)
        if len(set(nearest)) == 3 and np.all(gaps <= NEAR_NM):
            return tuple(nearest)
    return tuple(round((len(scene.bands) - 1) * share) for share in HIDDEN_BANDS_AT)


Entry = tuple[str, Colour]
# the codes of hsi.splits.Split.codes()
PARTS: dict[int, Entry] = {1: ("training", TRAINING), 2: ("validation", VALIDATION), 3: ("test", TEST)}
CONFIDENCE_COLOURS = "cividis"  # even to the eye and for every kind of colour vision


def class_picture(ids: NDArray[Any], table: ClassTable, empty: str) -> tuple[Image, list[Entry]]:
    """A class map ``(H, W)`` as a picture ``(H, W, 3)``, and a legend of what is on it; other ids are ``empty``."""
    present = set(np.unique(ids).tolist())
    classes = zip(table.ids, table.names, table.colours, strict=True)
    entries = [(name, colour) for i, name, colour in classes if i in present]
    picture = colour_classes(ids, table.ids, table.colours)
    return picture, entries if present <= set(table.ids) else [*entries, (empty, EMPTY)]


@figure("map", "the class map with a legend")
def class_map_figure(ids: NDArray[Any], table: ClassTable, title: str, ground: Ground | None = None) -> Figure:
    """A class map ``(H, W)`` with a legend of the classes that occur; ids outside the table are "no data".

    With ``ground`` it has a scale bar and a north arrow below; likewise for the other maps.
    """
    return _class_figure(ids, table, f"{title}: map", "no data", ground)


def _class_figure(ids: NDArray[Any], table: ClassTable, title: str, empty: str, ground: Ground | None) -> Figure:
    picture, entries = class_picture(ids, table, empty)
    return picture_figure([Panel(picture, title)], entries, ground)


@figure("false_colour", "three bands of the scene")
def false_colour_figure(picture: Image, title: str, ground: Ground | None = None) -> Figure:
    """A picture ``(H, W, 3)`` uint8 as it is."""
    return picture_figure([Panel(picture, f"{title}: false colour")], ground=ground)


@figure("ground_truth", "the labels")
def ground_truth_figure(truth: NDArray[Any], table: ClassTable, title: str, ground: Ground | None = None) -> Figure:
    """Labels ``(H, W)`` with a legend of the classes that occur; other ids are "not labelled"."""
    return _class_figure(truth, table, f"{title}: ground truth", "not labelled", ground)


@figure("truth_and_map", "the labels next to the map")
def truth_and_map_figure(
    truth: NDArray[Any], ids: NDArray[Any], table: ClassTable, title: str, ground: Ground | None = None
) -> Figure:
    """Ground truth ``(H, W)`` next to the map ``(H, W)``, with one legend of the classes in either."""
    left, in_truth = class_picture(truth, table, "not labelled")
    right, in_map = class_picture(ids, table, "no data")
    classes = list(zip(table.names, table.colours, strict=True))
    shown = [entry for entry in classes if entry in in_truth or entry in in_map]
    empty = ", ".join(name for name, colour in (in_truth[-1], in_map[-1]) if (name, colour) not in classes)
    entries = [*shown, (empty, EMPTY)] if empty else shown
    return picture_figure([Panel(left, f"{title}\nground truth"), Panel(right, "map")], entries, ground)


@figure("difference", "test pixels that are right and wrong")
def difference_figure(
    ids: NDArray[Any], truth: NDArray[Any], tested: NDArray[np.bool_], title: str, ground: Ground | None = None
) -> Figure:
    """Where a map ``(H, W)`` agrees with the ground truth ``(H, W)``, over the ``tested`` pixels only."""
    parts = (("right", tested & (ids == truth), RIGHT), ("wrong", tested & (ids != truth), WRONG))
    picture = np.full((*ids.shape, 3), EMPTY, np.uint8)
    total = max(1, int(np.count_nonzero(tested)))
    entries: list[Entry] = []
    for name, pixels, colour in parts:
        picture[pixels] = colour
        count = int(np.count_nonzero(pixels))
        entries.append((f"{name}: {count:,} ({100 * count / total:.2f} %)", colour))
    panel = Panel(picture, f"{title}: right and wrong")
    return picture_figure([panel], [*entries, ("not tested", EMPTY)], ground)


@figure("split", "pixels that train, validate and test")
def split_figure(split: NDArray[Any], title: str, ground: Ground | None = None) -> Figure:
    """Which pixels train, validate and test: codes ``(H, W)`` as :meth:`hsi.splits.Split.codes` gives them."""
    names, colours = zip(*PARTS.values(), strict=True)
    counted = [f"{name}: {np.count_nonzero(split == code):,}" for code, name in zip(PARTS, names, strict=True)]
    return _class_figure(
        split, ClassTable(tuple(PARTS), tuple(counted), colours), f"{title}: split", "not used", ground
    )


@figure("confidence", "the largest class probability")
def confidence_figure(confidence: NDArray[np.floating[Any]], title: str, ground: Ground | None = None) -> Figure:
    """The largest class probability of each pixel ``(H, W)``, 0 to 1; NaN is shown as without data.

    Colours go from the lowest to the highest multiple of ten percent that occurs.
    """
    from matplotlib import colormaps

    known = np.isfinite(confidence)
    lowest = float(confidence[known].min()) if known.any() else 0.0
    low = min(0.9, np.floor(10 * lowest) / 10)
    shades = np.rint(255 * colormaps[CONFIDENCE_COLOURS](np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    picture = np.full((*confidence.shape, 3), EMPTY, np.uint8)
    place = np.clip((confidence[known] - low) / (1 - low), 0, 1)
    picture[known] = shades[np.rint(255 * place).astype(int)]
    bar = ColourBar(shades, 100 * low, 100, "confidence (%)")
    empty = [] if known.all() else [("no data", EMPTY)]
    return picture_figure([Panel(picture, f"{title}: confidence")], empty, ground, bar)
