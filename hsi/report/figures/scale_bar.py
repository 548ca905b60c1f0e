"""How far and which way: scale bar and north arrow of a picture that has a place on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import INK
from hsi.core.georeference import longitude_latitude
from hsi.core.scene import Georeference
from hsi.report.figures.look import scaled
from hsi.report.figures.style import DPI, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEMI_MAJOR, ECCENTRICITY_2 = 6_378_137.0, 0.00669437999014  # of WGS 84
STRIP = round(0.5 * DPI)  # dots of the height of the strip below a picture that has scale bar and north arrow
BAR, ARROW = 0.05, 0.24  # inches: height of the bar, length of the arrow
BAR_SHARE, LEAST_BAR = 0.3, 0.5  # of the picture's width, and inches
SQUARE = 0.02  # relative difference of a pixel's sides from which on the bar names its direction


@dataclass(frozen=True)
class Ground:
    """Metres on the ground from a pixel to its right and its lower neighbour, at the middle of a scene, and the way to
    north in the picture: degrees clockwise from up."""

    across: float
    down: float
    north: float

    def every(self, step: int) -> Ground:
        """The same ground where every ``step``-th pixel is shown."""
        return replace(self, across=self.across * step, down=self.down * step)


def ground_of(georeference: Georeference | None, height: int, width: int) -> Ground | None:
    """The ground under the middle of a scene of ``height`` x ``width`` pixels, on the ellipsoid of WGS 84.

    Distances are those on the ground, which a projection may stretch, and north is true north. None where the place
    is not known: without a CRS, with one of another body or a local grid, and outside its area.
    """
    column, row = width / 2, height / 2
    nearby = column + np.array([0.5, -0.5, 0, 0]), row + np.array([0, 0, 0.5, -0.5])
    if georeference is None or georeference.transform == (1, 0, 0, 0, 1, 0):  # no transform
        return None
    degrees = longitude_latitude(georeference, *nearby)
    if degrees is None or np.abs(degrees[1]).max() > 89.99:
        return None
    longitude, latitude = degrees
    right, below = _metres(longitude[:2], latitude[:2]), _metres(longitude[2:], latitude[2:])
    return _seen(right, below)


def _metres(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """East and north in metres from the second of two near points to the first."""
    phi = math.radians(latitude.mean())
    w = 1 - ECCENTRICITY_2 * math.sin(phi) ** 2
    east = math.radians((longitude[0] - longitude[1] + 180) % 360 - 180) * SEMI_MAJOR / math.sqrt(w) * math.cos(phi)
    north = math.radians(latitude[0] - latitude[1]) * SEMI_MAJOR * (1 - ECCENTRICITY_2) / w**1.5
    return np.array([east, north])


def _seen(right: NDArray[np.float64], below: NDArray[np.float64]) -> Ground | None:
    """The ground where one pixel to the right and one down are these ways in metres to the east and north."""
    across, down = float(np.hypot(*right)), float(np.hypot(*below))
    if not across or not down or abs(np.linalg.det([right, below])) < 1e-9 * across * down:
        return None
    x, y = np.linalg.solve(np.column_stack([right, below]), [0.0, 1.0])  # pixels right and down to go north
    return Ground(across, down, math.degrees(math.atan2(x, -y)))


def bar_length(ground: Ground, dots: int, scale: int) -> tuple[float, int]:
    """Metres of a scale bar and its dots, for a picture ``dots`` wide whose pixels take ``scale`` dots.

    1, 2 or 5 times a power of ten, near a third of the picture, or longer where that could not be read.
    """
    most = max(BAR_SHARE * dots, LEAST_BAR * DPI) / scale * ground.across
    power = 10.0 ** math.floor(math.log10(most))
    metres = max(factor * power for factor in (1, 2, 5) if factor * power <= most)
    return metres, round(metres / ground.across * scale)


def length_in_words(metres: float) -> str:
    """``500 m``, ``2 km``, ``5 cm``."""
    if metres >= 1000:
        return f"{metres / 1000:,.0f} km"
    return f"{metres:.0f} m" if metres >= 1 else f"{metres * 100:.3g} cm"


def draw_ground(figure: Figure, ground: Ground, dots: int, scale: int) -> Axes:
    """Scale bar and north arrow in axes of their own, for a picture ``dots`` wide whose pixels take ``scale`` dots."""
    from matplotlib.patches import Rectangle

    metres, length = bar_length(ground, dots, scale)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, max(dots, 1)), ylim=(0, STRIP))
    axes.axis("off")
    thick, middle = BAR * DPI, STRIP * 0.45
    for i, face in enumerate((INK, "white")):
        box = Rectangle(
            (i * length / 2, middle - thick / 2), length / 2, thick, facecolor=face, edgecolor=INK, linewidth=0.6
        )
        axes.add_patch(box).set_clip_on(False)
    words = length_in_words(metres)
    if abs(ground.down / ground.across - 1) > SQUARE:
        words += " from left to right"
    label = axes.text(length + 0.04 * DPI, middle, words, fontsize=scaled(SMALL), color=INK, va="center")
    canvas: Any = figure.canvas
    end = label.get_position()[0] + label.get_window_extent(canvas.get_renderer()).width
    _draw_arrow(axes, ground.north, np.array([end + 0.28 * DPI, middle]))
    return axes


def _draw_arrow(axes: Axes, north: float, centre: NDArray[np.float64]) -> None:
    """An arrow that is turned to north, with its N."""
    half = ARROW * DPI / 2
    ahead = np.array([math.sin(math.radians(north)), math.cos(math.radians(north))])
    aside = np.array([ahead[1], -ahead[0]])
    tip, foot, notch = centre + half * ahead, centre - half * ahead, centre - 0.45 * half * ahead
    wing = 0.5 * half * aside
    for side, face in ((wing, INK), (-wing, "white")):
        axes.fill(*np.array([tip, foot + side, notch]).T, facecolor=face, edgecolor=INK, linewidth=0.6, clip_on=False)
    x, y = centre + (half + 0.055 * DPI) * ahead
    axes.text(x, y, "N", fontsize=scaled(SMALL), color=INK, ha="center", va="center")
