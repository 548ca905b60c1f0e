"""Pictures of the map and of confidence to lay over a scene, as RGBA."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.labels import LARGEST_ID, ClassTable
from hsi.report.figures.maps import CONFIDENCE_COLOURS

HATCH = 8  # dots from one line to the next
LINE = 2  # dots


def paint_classes(ids: NDArray[np.uint16], table: ClassTable) -> NDArray[np.uint8]:
    """Class ids ``(h, w)`` as ``(h, w, 4)`` uint8; transparent where an id is not in the table."""
    colours = np.zeros((LARGEST_ID + 2, 4), np.uint8)
    for number, colour in zip(table.ids, table.colours, strict=True):
        colours[number] = (*colour, 255)
    return colours[ids]


def paint_confidence(confidence: NDArray[np.uint8], ids: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Confidence ``(h, w)`` from 0 to 255 as ``(h, w, 4)`` uint8; transparent where there is no class."""
    picture: NDArray[np.uint8] = confidence_shades()[confidence]
    picture[ids == 0, 3] = 0
    return picture


@cache
def confidence_shades() -> NDArray[np.uint8]:
    """256 colours, even to the eye and for every kind of colour vision."""
    from matplotlib import colormaps

    return np.asarray(np.rint(255 * colormaps[CONFIDENCE_COLOURS](np.linspace(0, 1, 256))), np.uint8)


def hatch(picture: NDArray[np.uint8], where: NDArray[np.bool_], dots: int) -> NDArray[np.uint8]:
    """A picture ``(h, w, 4)`` with dark diagonal lines ``where`` ``(h, w)``, ``dots`` times as high and wide."""
    large = np.repeat(np.repeat(picture, dots, axis=0), dots, axis=1)
    rows, columns = np.ogrid[: large.shape[0], : large.shape[1]]
    lines = (rows + columns) % HATCH < LINE
    lines &= np.repeat(np.repeat(where, dots, axis=0), dots, axis=1)
    lines &= large[..., 3] > 0
    large[lines] = (20, 20, 20, 255)
    return np.asarray(large, np.uint8)


def as_words(picture: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """A picture ``(h, w, 3 or 4)`` as the numbers ``(h, w)`` uint32 that a browser draws."""
    if picture.shape[2] == 3:
        opaque = np.full((*picture.shape[:2], 1), 255, np.uint8)
        picture = np.concatenate([picture, opaque], axis=2)
    words: NDArray[Any] = np.ascontiguousarray(picture).view(np.uint32)
    return words.reshape(picture.shape[:2])
