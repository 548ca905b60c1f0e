"""Class probabilities averaged over neighbours with similar spectra, which preserves borders between fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RADIUS = 3  # pixels to each side: squares of 7 x 7
PASSES = 2  # the second averages the result of the first
REACH = RADIUS * PASSES  # how far away a pixel can have an effect
SHARPNESS = 0.45  # difference of two pixels, in units of the components' spread, for which the weight is 0.6
LEADING = 8  # components that are compared: those with the most signal
Floats = NDArray[np.float32]


def blend(probabilities: Floats, components: Floats) -> Floats:
    """Probabilities ``(C, h, w)`` averaged twice over 7 x 7 pixels by the similarity of ``components`` ``(K, h, w)``.

    A bilateral filter of the probabilities that is guided by the scene (Kang, Li and Benediktsson 2014,
    doi:10.1109/TGRS.2013.2264508). Pixels whose components are all zero, outside the scene or without data, and pixels
    outside the arrays have no weight.
    """
    guide = components[:LEADING]
    known = np.asarray(components.any(axis=0), bool)
    for _ in range(PASSES):
        probabilities = _average(probabilities, guide, known)
    return probabilities


def _average(probabilities: Floats, guide: Floats, known: NDArray[np.bool_]) -> Floats:
    total, weights = probabilities.copy(), np.ones(known.shape, np.float32)
    height, width = known.shape
    for down in range(-RADIUS, RADIUS + 1):
        for right in range(-RADIUS, RADIUS + 1):
            if (down, right) == (0, 0):
                continue
            here = (slice(max(0, -down), height - max(0, down)), slice(max(0, -right), width - max(0, right)))
            there = (slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right)))
            distance = np.square(guide[:, *here] - guide[:, *there]).mean(axis=0)
            weight = np.exp(distance / (-2 * SHARPNESS**2)) * known[there]
            total[:, *here] += weight * probabilities[:, *there]
            weights[here] += weight
    return np.asarray(total / weights, np.float32)
