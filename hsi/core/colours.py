"""All colours: of figures and pages, and of classes, also for colour-blind readers."""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # RGB, 0 to 255
Floats = NDArray[np.float64]

RIGHT, WRONG = (44, 108, 176), (240, 126, 20)  # blue and orange differ for every kind of colour vision
TRAINING, VALIDATION, TEST = WRONG, (110, 60, 130), RIGHT  # of a split
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


def hex_colour(colour: Colour) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def default_colours(count: int) -> tuple[Colour, ...]:
    """``count`` colours, different for neighbours in the table: hues by the golden angle, three lightnesses."""
    colours = []
    for i in range(count):
        hue, lightness = (0.11 + i * 0.618034) % 1.0, (0.45, 0.62, 0.33)[i % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.72)
        colours.append((round(red * 255), round(green * 255), round(blue * 255)))
    return tuple(colours)


@lru_cache(maxsize=8)
def safe_colours(count: int) -> tuple[Colour, ...]:
    """``count`` colours, each as far as possible from those before it under the vision that separates them worst.

    Distances are CIELAB's, under ordinary vision and with each kind of cone missing. Beyond 200 colours repeat.
    """
    candidates = np.array(np.meshgrid(SHADES, SHADES, SHADES)).reshape(3, -1).T
    seen = seen_colours(candidates)
    usable = (seen[0, :, 0] > LIGHTNESS[0]) & (seen[0, :, 0] < LIGHTNESS[1])
    candidates, seen = candidates[usable], seen[:, usable]
    chosen = [FIRST]
    distance = _distance(seen, seen_colours(np.array([FIRST])))
    for _ in range(min(count, 200) - 1):
        best = int(distance.argmax())
        red, green, blue = candidates[best].tolist()
        chosen.append((red, green, blue))
        distance = np.minimum(distance, _distance(seen, seen[:, best : best + 1]))
    return tuple(chosen[i % len(chosen)] for i in range(count))


def seen_colours(colours: NDArray[np.integer]) -> Floats:
    """CIELAB of colours ``(n, 3)`` from 0 to 255 as seen with all cones and without each kind: ``(4, n, 3)``."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    views = np.concatenate([linear[None], np.clip(linear @ BLIND.transpose(0, 2, 1), 0, 1)])
    xyz = views @ TO_XYZ.T / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def _distance(seen: Floats, one: Floats) -> Floats:
    """Distance of colours ``(4, n, 3)`` from one of them ``(4, 1, 3)`` for whoever sees it smallest, ``(n,)``."""
    distance: Floats = np.sqrt(((seen - one) ** 2).sum(axis=-1)).min(axis=0)
    return distance
