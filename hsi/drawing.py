"""What the figures have in common: sizes, colours, axes.

Matplotlib's object-oriented interface throughout, so no figure is shared and no global setting is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsi.labels import Colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200
RIGHT, WRONG = (44, 108, 176), (240, 126, 20)  # blue and orange stay apart for every kind of colour vision
INK, FAINT = "#222222", "#8a8a8a"


def literal(text: str) -> str:
    """A name as it is: matplotlib would read what stands between dollar signs as a formula."""
    return text.replace("$", r"\$")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def hex_colour(colour: Colour) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def plain_axes(axes: Axes) -> None:
    """Faint grid, no frame at the top and right, thin lines."""
    axes.tick_params(labelsize=7, colors=INK, width=0.6)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    for line in axes.lines:
        line.set_linewidth(1.3)
        line.set_markersize(3)
