"""What all figures have in common: resolution, letters, axes, and how they are written.

Matplotlib's object-oriented interface throughout, so no figure is shared between threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.core.colours import FAINT, GRID, INK
from hsi.core.files import write_atomically
from hsi.errors import UnknownNameError
from hsi.report.figures.look import current_look, scaled, too_small

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 300
Progress = Callable[[int, int], None]  # takes what is done and the total
FORMATS = ("png", "pdf", "svg")
TITLE, LABEL, SMALL = 9.0, 8.0, 7.0  # points
# letters stay letters that can be searched and edited, and the same figure is the same file
VECTOR_SETTINGS: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "hsi"}
UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
FITTED = "page"  # marks a figure whose page is laid out and not to be cropped
HEADING = "heading"  # marks text that names what is drawn
CELLS = "cells"  # marks axes of square cells, and the text in them
LEAST_LETTERS = 3.0  # points of text in cells; what would be smaller is not drawn
PAD = 0.08  # inches around what is drawn
_saving = threading.Lock()


def literal(text: str) -> str:
    """A name as it is: matplotlib would read text between dollar signs as a formula."""
    return text.replace("$", r"\$")


def shortened(text: str, most: int) -> str:
    """A name of at most so many letters, cut with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes) -> None:
    """Faint grid, no frame at the top and right, thin lines."""
    axes.tick_params(labelsize=scaled(SMALL), colors=INK, width=0.6)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    for edge in ("bottom", "left"):
        axes.spines[edge].set(color=FAINT, linewidth=0.6)
    for line in axes.lines:
        line.set_linewidth(1.3)
        line.set_markersize(3)


def finish(figure: Figure) -> Figure:
    """Give a chart its title and size; pictures on a fitted page have both."""
    look = current_look()
    if figure.get_gid() == FITTED:
        return figure
    headings = [text for text in figure.texts if text.get_gid() == HEADING]
    if look.title is not None and not headings:
        box = figure.get_tightbbox(_renderer(figure))
        x, y = box.x0 / figure.get_figwidth(), (box.y1 + scaled(0.1)) / figure.get_figheight()
        figure.text(x, y, literal(look.title), fontsize=scaled(TITLE), color=INK, va="bottom")
    if look.size is not None:
        _stretch(figure, look.size)
    return figure


def _renderer(figure: Figure) -> Any:
    canvas: Any = figure.canvas
    return canvas.get_renderer()


def _stretch(figure: Figure, size: tuple[float, float]) -> None:
    """Make the page so many inches large and move what is on it so that all of it is seen."""
    axes = {one: one.get_position().frozen() for one in figure.axes}
    texts = {text: text.get_position() for text in figure.texts}
    figure.set_size_inches(*size)
    left, bottom, right, top = 0.0, 0.0, 0.0, 0.0  # inches outside the unit square of the drawing
    for _ in range(6):
        width, height = size[0] - left - right, size[1] - bottom - top
        if min(width, height) < 0.25 * min(size):
            raise too_small(size)
        across, up = width / size[0], height / size[1]
        x, y = left / size[0], bottom / size[1]
        for one, box in axes.items():
            one.set_position((x + box.x0 * across, y + box.y0 * up, box.width * across, box.height * up))
        for text, place in texts.items():
            text.set_position((x + place[0] * across, y + place[1] * up))
        shrink_cells(figure)
        seen = figure.get_tightbbox(_renderer(figure))
        left, bottom = max(0.0, left + PAD - seen.x0), max(0.0, bottom + PAD - seen.y0)
        right, top = max(0.0, right + seen.x1 - size[0] + PAD), max(0.0, top + seen.y1 - size[1] + PAD)
    figure.set_gid(FITTED)


def shrink_cells(figure: Figure) -> None:
    """Fit the text in cells, and the names of their rows and columns, to the cells."""
    for axes in figure.axes:
        texts = [text for text in axes.texts if text.get_gid() == CELLS]
        if axes.get_gid() != CELLS:
            continue
        axes.apply_aspect()
        cells = abs(float(axes.get_xlim()[1] - axes.get_xlim()[0]))
        side = 72 * axes.get_position().width * figure.get_figwidth() / cells
        for text in texts:
            lines = text.get_text().split("\n")
            fits = min(0.88 * side / (0.6 * max(map(len, lines))), 0.8 * side / (1.2 * len(lines)))
            text.set_fontsize(min(scaled(6), fits))
            text.set_visible(min(scaled(6), fits) >= LEAST_LETTERS)
        names = min(scaled(7), max(0.9 * side, LEAST_LETTERS))
        axes.tick_params(axis="y", labelsize=math.floor(10 * names) / 10)
        axes.tick_params(axis="x", labelsize=math.floor(10 * min(names, max(0.65 * side, LEAST_LETTERS))) / 10)


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure in the format of its suffix: png at 300 dpi, pdf with embedded TrueType letters, or svg.

    A figure that :func:`hsi.report.figures.layout.fit` has laid out is written as it is, another one cropped to what it
    shows. Raises :class:`hsi.errors.UsageError` for another suffix and :class:`hsi.errors.OutputError` when the file
    cannot be written.
    """
    from matplotlib import rc_context

    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise UnknownNameError("format of figures", kind, FORMATS)
    how: dict[str, Any] = {"dpi": DPI, "format": kind, "metadata": UNDATED.get(kind)}
    if kind == "png":
        how["pil_kwargs"] = {"compress_level": 6}
    if figure.get_gid() != FITTED:
        how["bbox_inches"] = figure.get_tightbbox(_renderer(figure)).padded(PAD)  # "tight" would draw it twice
    with write_atomically(path) as part:
        if kind == "png":
            figure.savefig(part, **how)
        else:
            with _saving, rc_context(VECTOR_SETTINGS):  # settings are global to the process
                figure.savefig(part, **how)
