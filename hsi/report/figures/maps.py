"""Maps as figures: classes, a picture, truth beside map, right and wrong, split, confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import ClassTable, Colour
from hsi.report.figures.layout import ColourBar, Image, Panel, picture_figure
from hsi.report.figures.pictures import EMPTY
from hsi.report.figures.scale_bar import Ground
from hsi.report.figures.style import RIGHT, WRONG

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Entry = tuple[str, Colour]
# the codes of hsi.splits.Split.codes(); blue and orange as for right and wrong, validation between them
PARTS: dict[int, Entry] = {1: ("training", WRONG), 2: ("validation", (110, 60, 130)), 3: ("test", RIGHT)}
CONFIDENCE_COLOURS = "cividis"  # even to the eye and for every kind of colour vision


def class_picture(ids: NDArray[Any], table: ClassTable, empty: str) -> tuple[Image, list[Entry]]:
    """A class map ``(H, W)`` as a picture ``(H, W, 3)``, and a legend of what is on it; other ids are ``empty``."""
    picture = np.full((*ids.shape, 3), EMPTY, np.uint8)
    entries, covered = [], 0
    for i, name, colour in zip(table.ids, table.names, table.colours, strict=True):
        here = ids == i
        count = int(np.count_nonzero(here))
        if count:
            picture[here] = colour
            entries.append((name, colour))
            covered += count
    return picture, entries if covered == ids.size else [*entries, (empty, EMPTY)]


def class_map_figure(
    ids: NDArray[Any], table: ClassTable, title: str, empty: str = "no data", ground: Ground | None = None
) -> Figure:
    """A class map ``(H, W)`` with a legend of the classes that occur; ids outside the table are shown as ``empty``.

    With ``ground`` a scale bar and a north arrow stand below it; likewise for the other maps.
    """
    picture, entries = class_picture(ids, table, empty)
    return picture_figure([Panel(picture, title)], entries, ground)


def truth_and_map_figure(
    truth: NDArray[Any], ids: NDArray[Any], table: ClassTable, title: str, ground: Ground | None = None
) -> Figure:
    """Ground truth ``(H, W)`` beside the map ``(H, W)``, with one legend of the classes in either."""
    left, in_truth = class_picture(truth, table, "not labelled")
    right, in_map = class_picture(ids, table, "no data")
    classes = list(zip(table.names, table.colours, strict=True))
    shown = [entry for entry in classes if entry in in_truth or entry in in_map]
    empty = ", ".join(name for name, colour in (in_truth[-1], in_map[-1]) if (name, colour) not in classes)
    entries = [*shown, (empty, EMPTY)] if empty else shown
    return picture_figure([Panel(left, f"{title}: ground truth"), Panel(right, "map")], entries, ground)


def false_colour_figure(picture: Image, title: str, ground: Ground | None = None) -> Figure:
    """A picture ``(H, W, 3)`` uint8 as it is."""
    return picture_figure([Panel(picture, title)], ground=ground)


def difference_figure(
    ids: NDArray[Any],
    truth: NDArray[Any],
    tested: NDArray[np.bool_],
    title: str = "Right and wrong",
    ground: Ground | None = None,
) -> Figure:
    """Where a map ``(H, W)`` agrees with the ground truth ``(H, W)``, over the ``tested`` pixels only."""
    right, wrong = tested & (ids == truth), tested & (ids != truth)
    picture = np.full((*ids.shape, 3), EMPTY, np.uint8)
    picture[right], picture[wrong] = RIGHT, WRONG
    total = max(1, int(np.count_nonzero(tested)))

    def told(name: str, pixels: NDArray[np.bool_]) -> str:
        count = int(np.count_nonzero(pixels))
        return f"{name}: {count:,} ({100 * count / total:.2f} %)"

    entries = [(told("right", right), RIGHT), (told("wrong", wrong), WRONG), ("not tested", EMPTY)]
    return picture_figure([Panel(picture, title)], entries, ground)


def split_figure(codes: NDArray[Any], title: str, ground: Ground | None = None) -> Figure:
    """Which pixels train, validate and test: ``codes`` ``(H, W)`` as :meth:`hsi.splits.Split.codes` gives them."""
    names, colours = zip(*PARTS.values(), strict=True)
    counted = [f"{name}: {np.count_nonzero(codes == code):,}" for code, name in zip(PARTS, names, strict=True)]
    return class_map_figure(codes, ClassTable(tuple(PARTS), tuple(counted), colours), title, "not used", ground)


def confidence_figure(confidence: NDArray[np.floating[Any]], title: str, ground: Ground | None = None) -> Figure:
    """The largest class probability of each pixel ``(H, W)``, 0 to 1; NaN is shown as without data.

    Colours go from the lowest to the highest whole ten percent that occur.
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
    return picture_figure([Panel(picture, title)], [] if known.all() else [("no data", EMPTY)], ground, bar)
