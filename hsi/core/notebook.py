"""Small pieces of HTML for notebooks; all text is escaped, and pictures are inlined."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import EMPTY, Colour, hex_colour

LONGEST_SIDE = 400  # pixels of an inlined picture
CELL = "padding:1px 8px;text-align:{}"


def render_properties(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A title over rows of a name and a value; rows whose value is None are left out."""
    cells = "".join(
        f'<tr><th style="{CELL.format("left")}">{escape(name)}</th>'
        f'<td style="{CELL.format("left")}">{escape(str(value))}</td></tr>'
        for name, value in rows
        if value is not None
    )
    return f"<div><strong>{escape(title)}</strong><table>{cells}</table></div>"


def render_classes(headings: Sequence[str], rows: Iterable[Sequence[str]], colours: Iterable[Colour]) -> str:
    """A row for each class behind a swatch of its colour; the second column is text, the others are numbers."""
    sides = ["left" if column == 1 else "right" for column in range(len(headings))]
    head = "".join(
        f'<th style="{CELL.format(side)}">{escape(text)}</th>' for side, text in zip(sides, headings, strict=True)
    )
    body = []
    for row, colour in zip(rows, colours, strict=True):
        swatch = f'<td style="background:{hex_colour(colour)};width:1em"></td>'
        cells = "".join(
            f'<td style="{CELL.format(side)}">{escape(text)}</td>' for side, text in zip(sides, row, strict=True)
        )
        body.append(f"<tr>{swatch}{cells}</tr>")
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def render_picture(pixels: NDArray[np.uint8], alt: str) -> str:
    """An ``(H, W, 3)`` uint8 picture as an inlined PNG, every n-th pixel of a large one; ``alt`` describes it."""
    from matplotlib.image import imsave

    step = max(1, -(-max(pixels.shape[:2]) // LONGEST_SIDE))
    file = io.BytesIO()
    imsave(file, np.ascontiguousarray(pixels[::step, ::step]), format="png")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    style = f"image-rendering:pixelated;width:{min(LONGEST_SIDE, 3 * pixels.shape[1])}px;max-width:100%"
    return f'<img alt="{escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'


def colour_classes(ids: NDArray[Any], known: Sequence[int], colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """Class ids ``(H, W)`` as a picture ``(H, W, 3)`` uint8, light grey where an id is not ``known``."""
    pixels = np.full((*ids.shape, 3), EMPTY, np.uint8)
    for number, colour in zip(known, colours, strict=True):
        pixels[ids == number] = colour
    return pixels
