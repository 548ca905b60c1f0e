"""Pictures next to each other on a page, with every pixel the same number of dots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import FAINT, INK, Colour, hex_colour
from hsi.report.figures.look import current_look, scaled, too_small
from hsi.report.figures.scale_bar import STRIP, Ground, draw_ground
from hsi.report.figures.style import DPI, FITTED, SMALL, TITLE, literal, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Image = NDArray[np.uint8]
Entries = Sequence[tuple[str, Colour]]

LONGEST_SIDE, LONGEST_OF_MANY = 1500, 1050  # dots of the figure that the longer side of a picture takes
PADDING, GAP = 24, 60  # dots around the page, and between panels
MAX_LEGEND_ROWS = 24
LEAST_SIDE = 60  # dots of the longer side of a picture on a page of a given size


@dataclass(frozen=True)
class Panel:
    """A picture ``(H, W, 3)`` uint8 and what is written above it."""

    picture: Image
    title: str


@dataclass(frozen=True)
class ColourBar:
    """A scale of colours ``(N, 3)`` uint8 from ``low`` to ``high``, with a label."""

    colours: Image
    low: float
    high: float
    label: str


def picture_figure(
    panels: Sequence[Panel], entries: Entries = (), ground: Ground | None = None, bar: ColourBar | None = None
) -> Figure:
    """Panels of one size next to each other, wide ones below each other, with one legend, scale bar and north arrow.

    Each pixel takes n x n dots at 300 dpi, and of a scene that is far too large every n-th pixel is shown. A title and
    size of the :class:`~hsi.report.figures.look.Look` hold: the pictures are then as large as the page has room for.
    """
    look, longest = current_look(), LONGEST_SIDE if len(panels) == 1 else LONGEST_OF_MANY
    if look.title is not None and len(panels) == 1:
        panels = [replace(panels[0], title=look.title)]
    if look.size is None:
        return _lay_out(panels, entries, ground, bar, longest, 2 * longest)
    width, height = (round(side * DPI) for side in look.size)
    low, high, best = 0, max(width, height), None
    while high - low > max(LEAST_SIDE, low) // 50:
        longest = (low + high) // 2 if best else LEAST_SIDE
        figure = _lay_out(panels, entries, ground, bar, longest, longest)
        wide, tall = _dots(figure)
        if wide <= width and tall <= height:
            low, best = longest, figure
        elif not best:
            raise too_small(look.size)
        else:
            high = longest
    assert best is not None
    return _centre(best, width, height)


def _lay_out(
    panels: Sequence[Panel], entries: Entries, ground: Ground | None, bar: ColourBar | None, longest: int, most: int
) -> Figure:
    """The page for pictures whose longer side takes about ``longest`` dots, of at most ``most`` pixels."""
    height, width = panels[0].picture.shape[:2]
    step = ceil(max(height, width) / most)
    height, width = ceil(height / step), ceil(width / step)
    scale = max(1, longest // max(height, width))
    wide, tall = width * scale, height * scale
    stacked = wide > 1.5 * tall
    right, up = (0, tall + 2 * GAP) if stacked else (wide + GAP, 0)
    places = [(i * right, (len(panels) - 1 - i) * up) for i in range(len(panels))]  # lower left corners in dots
    figure = new_figure(3, 3)
    axes = [_draw_panel(figure, panel, step) for panel in panels]
    boxes = {one: (*place, wide, tall) for one, place in zip(axes, places, strict=True)}
    if bar:
        boxes[_draw_bar(figure, bar)] = (places[-1][0] + wide + GAP // 2, places[-1][1], 45, tall)
    strip = STRIP if ground else 0
    if ground:
        boxes[draw_ground(figure, ground.every(step), wide, scale)] = (0, -strip, max(wide, 1), strip)
    if entries:
        _draw_legend(axes, entries, right=not stacked, below=strip, dots=wide)
    return fit(figure, boxes)


def _dots(figure: Figure) -> tuple[int, int]:
    width, height = figure.get_size_inches() * DPI
    return int(width), int(height)


def _centre(figure: Figure, width: int, height: int) -> Figure:
    """The figure in the middle of a page of so many dots."""
    used = _dots(figure)
    right, up = (width - used[0]) // 2, (height - used[1]) // 2
    boxes = {axes: axes.get_position().frozen() for axes in figure.axes}
    figure.set_size_inches((width + 0.01) / DPI, (height + 0.01) / DPI)
    for axes, box in boxes.items():
        x, y, wide, tall = (round(side * used[i % 2]) for i, side in enumerate(box.bounds))
        _place(figure, axes, (x + right, y + up, wide, tall))
    return figure


def _draw_image(figure: Figure, image: Image, **how: Any) -> Axes:
    """An image in axes of its own, with a thin frame and without ticks across."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image, interpolation="nearest", aspect="auto", **how)
    axes.set_xticks([])
    for edge in axes.spines.values():
        edge.set(color=FAINT, linewidth=0.6)
    return axes


def _draw_panel(figure: Figure, panel: Panel, step: int) -> Axes:
    axes = _draw_image(figure, panel.picture[::step, ::step])
    axes.set_yticks([])
    axes.set_title(literal(panel.title), fontsize=scaled(TITLE), color=INK, loc="left", pad=5)
    return axes


def _draw_bar(figure: Figure, bar: ColourBar) -> Axes:
    axes = _draw_image(figure, bar.colours[:, None], origin="lower", extent=(0.0, 1.0, bar.low, bar.high))
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.tick_params(labelsize=scaled(SMALL), colors=INK, width=0.6)
    axes.set_ylabel(bar.label, fontsize=scaled(SMALL), color=INK)
    return axes


def _draw_legend(axes: Sequence[Axes], entries: Entries, *, right: bool, below: int, dots: int) -> None:
    """To the right of the last panel, or below all of them."""
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    holder = axes[-1]
    handles = [
        Patch(facecolor=hex_colour(colour), edgecolor=FAINT, linewidth=0.4, label=literal(name))
        for name, colour in entries
    ]
    scale = holder.figure.dpi_scale_trans
    shift = ScaledTranslation(0, 0 if right else -below / DPI, scale)  # under the scale bar
    holder.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0) if right else (0.0, 0.0),
        bbox_transform=holder.transAxes + shift,
        ncols=ceil(len(entries) / MAX_LEGEND_ROWS) if right else max(1, min(4, dots // 480)),
        frameon=False,
        fontsize=scaled(7.5),
        labelcolor=INK,
        handlelength=1.1,
        handleheight=1.1,
        labelspacing=0.35,
        borderaxespad=0.6,
    )


def fit(figure: Figure, boxes: dict[Axes, tuple[int, int, int, int]]) -> Figure:
    """Make the page as large as what is on it, in full dots.

    ``boxes`` are left, bottom, width and height of each axes in dots, from any origin. Cropping by matplotlib would cut
    at fractions of dots, and some pixels would then be wider than others.
    """
    for axes, box in boxes.items():
        _place(figure, axes, box)
    canvas: Any = figure.canvas
    left, bottom, right, top = figure.get_tightbbox(canvas.get_renderer()).extents * DPI
    across, up = PADDING - int(np.floor(left)), PADDING - int(np.floor(bottom))
    width, height = ceil(right) + across + PADDING, ceil(top) + up + PADDING
    figure.set_size_inches((width + 0.01) / DPI, (height + 0.01) / DPI)  # matplotlib cuts fractions of dots off
    for axes, (x, y, wide, tall) in boxes.items():
        _place(figure, axes, (x + across, y + up, wide, tall))
    figure.set_gid(FITTED)
    return figure


def _place(figure: Figure, axes: Axes, box: tuple[int, int, int, int]) -> None:
    width, height = figure.get_size_inches() * DPI
    x, y, wide, tall = box
    axes.set_position((x / width, y / height, wide / width, tall / height))
