"""How much of its surroundings a pixel has in common: the window that suits a scene, by its training pixels."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.config import USUAL_WINDOW

SMALL_WINDOW = 11  # HybridSN's smallest
SIDES = (1, 3, 5, 7, 9)
SMALL_SIDES = (1, 3)  # means over so few pixels tell most where fields are no wider
FOLDS = 5


@dataclass(frozen=True)
class WindowChoice:
    """The ``window``, and what it was chosen by: the share of ``pixels`` training pixels that a linear discriminant
    names right, from means over squares of each of :data:`SIDES`; ``best`` is the side with the highest, 0 for none."""

    window: int
    best: int
    accuracy: tuple[float, ...]
    pixels: int

    @property
    def small_fields(self) -> bool:
        """Whether what lies more than a pixel away belongs to other fields."""
        return self.best in SMALL_SIDES

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def choose_window(components: NDArray[np.float32], codes: NDArray[np.int64], train: NDArray[np.bool_]) -> WindowChoice:
    """The window that suits a scene's fields: 11 where they are of few pixels, else 15.

    ``components`` ``(K, H, W)``, class positions ``codes`` and the training pixels ``train`` ``(H, W)``. Means over
    squares are told apart by a linear discriminant (Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x) in five folds
    of the training pixels; no other pixel's class is looked at. Where the best squares are no larger than 3 x 3, what
    lies farther off belongs to other fields. Of equals the smaller square wins; with too few pixels for
    folds the window is 15, and 11 in a scene of fewer rows and columns than that.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    truth = codes[train]
    folds = min(FOLDS, int(np.bincount(truth).max(initial=0)))
    if max(train.shape) < USUAL_WINDOW:
        return WindowChoice(SMALL_WINDOW, 0, (), truth.size)
    if folds < 2 or np.unique(truth).size < 2:
        return WindowChoice(USUAL_WINDOW, 0, (), truth.size)
    accuracy = []
    for side in SIDES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # classes of fewer pixels than folds
            dealt = StratifiedKFold(folds, shuffle=True, random_state=0)
            named = cross_val_predict(
                LinearDiscriminantAnalysis(), means_at(components, train, side), truth, cv=dealt, method="predict"
            )
        accuracy.append(float((named == truth).mean()))
    best = SIDES[int(np.argmax(accuracy))]
    return WindowChoice(SMALL_WINDOW if best in SMALL_SIDES else USUAL_WINDOW, best, tuple(accuracy), truth.size)


def means_at(components: NDArray[np.float32], chosen: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Means ``(n, K)`` over ``side x side`` pixels around the ``chosen`` ``(H, W)``, of ``(K, H, W)`` components."""
    from scipy.ndimage import uniform_filter

    means = [uniform_filter(component, side, mode="reflect")[chosen] for component in components]
    return np.stack(means, axis=1)
