"""All colours: of figures and pages, and of classes, also for colour-blind readers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # RGB, 0 to 255
Floats = NDArray[np.float64]

RIGHT, WRONG = (44, 108, 176), (240, 126, 20)  # blue and orange differ for every kind of colour vision
TRAINING, VALIDATION, TEST = WRONG, (110, 60, 130), RIGHT  # of a split, in figures and pages
EMPTY = (236, 236, 236)  # nothing labelled, tested or measured
UNCLASSIFIED_GREY = (128, 128, 128)  # the class of pixels that a map declines to name
INK, FAINT, GRID = "#222222", "#8a8a8a", "#e6e6e6"  # letters, lines and grids of figures

# what is seen, in linear RGB, without the long, middle or short cones: Machado et al. 2009, doi:10.1109/TVCG.2009.113
BLIND = np.array(
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)
LIGHTNESS = (28.0, 90.0)  # of CIELAB: to be seen on white and on black paper
FIRST = (0, 114, 178)  # blue of Okabe and Ito
SHADES = np.arange(0, 256, 51 / 2).round().astype(int)  # eleven of each channel
CANDIDATES = np.array(np.meshgrid(SHADES, SHADES, SHADES)).reshape(3, -1).T


def hex_colour(colour: Colour) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def parse_hex(text: object) -> Colour | None:
    """The colour of ``#rrggbb``; None for anything else."""
    if not isinstance(text, str) or not re.fullmatch("#[0-9a-fA-F]{6}", text):
        return None
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


class Palette:
    """Colours that are chosen one after the other, each as different as possible from those before it.

    Distances are CIEDE2000 under the vision that separates two colours worst: ordinary, or without a kind of cone.
    ``taken`` are colours that are given.
    """

    def __init__(self, taken: Iterable[Colour] = ()) -> None:
        self._nearest = np.full(len(CANDIDATES), np.inf)
        self._taken: list[Floats] = []
        for colour in taken:
            self.take(colour)

    def take(self, colour: Colour) -> None:
        """Keep later choices away from a colour."""
        self._taken.append(seen_colours(np.array([colour])))
        self._nearest = np.minimum(self._nearest, colour_distance(_seen_candidates(), self._taken[-1]))

    def distance(self, colour: Colour) -> float:
        """The distance of a colour from the nearest of those chosen or taken; infinite where there are none."""
        seen = seen_colours(np.array([colour]))
        return min((float(colour_distance(one, seen)[0]) for one in self._taken), default=np.inf)

    def choose(self, allowed: NDArray[np.bool_] | None = None, least: float = 0.0) -> Colour | None:
        """The most different of the ``allowed`` of :data:`CANDIDATES`; None where it differs by less than ``least``."""
        distance = np.where(_usable() if allowed is None else allowed, self._nearest, -1.0)
        best = int(distance.argmax())
        if distance[best] < least:
            return None
        red, green, blue = FIRST if np.isinf(distance[best]) and allowed is None else CANDIDATES[best].tolist()
        self.take((red, green, blue))
        return red, green, blue


@cache
def _seen_candidates() -> Floats:
    return seen_colours(CANDIDATES)


@cache
def _usable() -> NDArray[np.bool_]:
    lightness = _seen_candidates()[0, :, 0]
    return np.asarray((lightness > LIGHTNESS[0]) & (lightness < LIGHTNESS[1]))


@lru_cache(maxsize=8)
def safe_colours(count: int) -> tuple[Colour, ...]:
    """``count`` colours of a :class:`Palette`. Beyond 200 they repeat."""
    palette = Palette()
    chosen = [colour for _ in range(min(count, 200)) if (colour := palette.choose())]
    return tuple(chosen[i % len(chosen)] for i in range(count))


def seen_colours(colours: NDArray[np.integer]) -> Floats:
    """CIELAB of colours ``(n, 3)`` from 0 to 255 as seen with all cones and without each kind: ``(4, n, 3)``."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    views = np.concatenate([linear[None], np.clip(linear @ BLIND.transpose(0, 2, 1), 0, 1)])
    xyz = views @ TO_XYZ.T / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def colour_distance(first: Floats, second: Floats) -> Floats:
    """CIEDE2000 of colours ``(4, n, 3)`` from others, see :func:`seen_colours`, for whoever sees it smallest ``(n,)``.

    Sharma, Wu and Dalal 2005, doi:10.1002/col.20070.
    """
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0)
    seventh = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(seventh / (seventh + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    hue = np.where(grey, h1 + h2, (h1 + turn / 2) % 360)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    terms = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    weight = 1 + sum(share * np.cos(np.radians(times * hue + shift)) for share, times, shift in terms)
    of_l = (l2 - l1) / (1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2))
    of_c = (c2 - c1) / (1 + 0.045 * chroma)
    of_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    blue = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * blue
    distance: Floats = np.sqrt(of_l**2 + of_c**2 + of_h**2 + rotation * of_c * of_h).min(axis=0)
    return distance
