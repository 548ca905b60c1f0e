"""How much of a map's disagreement with the truth is a matter of amounts, and how much one of places.

Pontius and Millones (2011, doi:10.1080/01431161.2011.552923): what remains wrong however the classes of the map were
moved about is *quantity* disagreement, the rest is *allocation* disagreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Shares of all pixels: ``quantity`` and ``allocation`` add up to 1 less the overall accuracy.

    ``quantity_of`` and ``allocation_of`` ``(C,)`` float64 belong to single classes. Each misplaced pixel is counted
    for two classes, so they add up to twice the overall numbers.
    """

    quantity: float
    allocation: float
    quantity_of: NDArray[np.float64]
    allocation_of: NDArray[np.float64]


def measure_disagreement(matrix: NDArray[Any]) -> Disagreement | None:
    """The :class:`Disagreement` in counts or shares ``(C, C)``, truth in rows or in columns; None of an empty matrix.

    The matrix stands for the population: a sample drawn by class has to be weighted before (equation 1 of the paper).
    """
    total = matrix.sum()
    if not total:
        return None
    missed, false = (matrix.sum(axis=axis) - matrix.diagonal() for axis in (1, 0))
    quantity, allocation = np.abs(missed - false), 2 * np.minimum(missed, false)
    return Disagreement(
        quantity=float(quantity.sum() / 2 / total),
        allocation=float(allocation.sum() / 2 / total),
        quantity_of=quantity / total,
        allocation_of=allocation / total,
    )
