"""How different colours are for people with each kind of colour vision; written without the package's own code."""

import itertools
import math

import numpy as np

# Machado et al. 2009, doi:10.1109/TVCG.2009.113: without long, middle and short cones, in linear RGB
WITHOUT = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, vision):
    """CIELAB (D65) of a colour from 0 to 255 as seen by the ``vision``-th of :data:`WITHOUT`."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(colour) / 255]
    x, y, z = (
        c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116
        for c in XYZ @ np.clip(WITHOUT[vision] @ linear, 0, 1) / XYZ.sum(axis=1)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
    """The colour difference of two CIELAB triples: Sharma, Wu and Dalal 2005, doi:10.1002/col.20070."""
    mean_c = (math.hypot(*one[1:]) + math.hypot(*other[1:])) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    (l1, c1, h1), (l2, c2, h2) = (
        (l, math.hypot(a * (1 + g), b), math.degrees(math.atan2(b, a * (1 + g))) % 360)
        for l, a, b in (one, other)  # noqa: E741
    )
    step = 0 if c1 * c2 == 0 else h2 - h1 - 360 * round((h2 - h1) / 360)
    mean_h = h1 + h2 if c1 * c2 == 0 else (h1 + h2) / 2 + (0 if abs(h1 - h2) <= 180 else 180)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 + sum(
        factor * math.cos(math.radians(times * mean_h + shift))
        for factor, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    dl = (l2 - l1) / (1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * mean_c)
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(step / 2)) / (1 + 0.015 * mean_c * t)
    turn = -math.sin(math.radians(60 * math.exp(-(((mean_h % 360 - 275) / 25) ** 2))))
    turn *= 2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    return math.sqrt(dl**2 + dc**2 + dh**2 + turn * dc * dh)


def least_difference(colours, visions=range(4)):
    """The least CIEDE2000 between two of the colours under any of the visions."""
    seen = [[lab(colour, vision) for colour in colours] for vision in visions]
    return min(ciede2000(*pair) for own in seen for pair in itertools.combinations(own, 2))
