"""How many pixels of each class of a map to draw for an accuracy assessment (Olofsson et al. 2014, section 5,
doi:10.1016/j.rse.2014.02.015)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def allocate_points(mapped: Counts, points: int, least: int) -> Counts:
    """The points of each class ``(C,)`` int64 of a stratified sample of a map with ``mapped`` pixels ``(C,)``.

    Classes with fewer than ``least`` points by their area have ``least``, or all of their pixels where these are fewer;
    the other points are shared among the other classes by area (Olofsson et al. 2014, section 5.1.2), by the largest
    remainder. ``points`` are at least the sum of these minimums and at most the pixels of the map.
    """
    lowest = np.minimum(mapped, least)
    raised = np.zeros(len(mapped), bool)
    while True:
        remaining, pixels = points - lowest[raised].sum(), mapped[~raised].sum()
        shares = mapped * (remaining / max(pixels, 1))
        new = ~raised & (shares < lowest)
        if not new.any():
            break
        raised |= new
    allocated = np.where(raised, lowest, np.floor(shares + 1e-9).astype(np.int64))
    left = int(points - allocated.sum())
    order = np.argsort(np.where(raised | (allocated >= mapped), -1.0, shares - allocated), kind="stable")[::-1]
    allocated[order[:left]] += 1
    return allocated


def fit_minimum(mapped: Counts, points: int) -> int:
    """The largest minimum for each class that ``points`` suffice for."""
    least = 0
    while np.minimum(mapped, least + 1).sum() <= points and least < mapped.max():
        least += 1
    return least


def points_for_error(mapped: Counts, users_accuracy: NDArray[np.float64] | float, standard_error: float) -> int:
    """The points for a standard error of the overall accuracy: equation 13 of Olofsson et al. (2014).

    ``users_accuracy`` ``(C,)`` or one number is the expected share of right pixels of each class, between 0 and 1.
    """
    spread = np.sqrt(users_accuracy * (1 - np.asarray(users_accuracy)))
    return math.ceil(float((mapped / mapped.sum() * spread).sum() / standard_error) ** 2 - 1e-9)


def expected_error(mapped: Counts, drawn: Counts, users_accuracy: float) -> float:
    """The standard error of the overall accuracy that a sample of ``drawn`` points a class ``(C,)`` would have."""
    weights, sizes = mapped / mapped.sum(), np.maximum(drawn, 1)
    return math.sqrt(float((weights**2 * users_accuracy * (1 - users_accuracy) / sizes).sum()))


def outweighed_classes(mapped: Counts, drawn: Counts) -> NDArray[np.bool_]:
    """Classes ``(C,)`` of which a single point found in another class of the map adds more than their mapped area."""
    return np.asarray(mapped < (mapped / np.maximum(drawn, 1)).max())
