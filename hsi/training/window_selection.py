"""How far a pixel's surroundings can be trusted: what suits a scene and its training pixels, by these alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsi.settings import SECOND_WINDOW, USUAL_WINDOW, Spectral

SMALL_WINDOW = 11  # HybridSN's smallest
SIDES = (1, 3, 5, 7, 9)
SMALL_SIDES = (1, 3)  # means over so few pixels tell most where fields are no wider
FOLDS = 5
LEVEL = 0.01  # accuracies no further apart than this, or than their standard error, are level


@dataclass(frozen=True)
class WindowAdvice:
    """What training pixels tell of the ground around a pixel.

    ``accuracy`` is the share of the training pixels that a linear discriminant names right by means over squares of
    each of :data:`SIDES`, empty where they are too few to tell, and ``best`` the largest side that is level with the
    highest, 0 for none. ``near`` is the share of the test pixels with a training pixel in the usual window, 0 where
    none is to be tested.
    """

    accuracy: tuple[float, ...]
    best: int
    near: float

    @property
    def small_fields(self) -> bool:
        """Whether what lies more than a pixel away belongs to other fields."""
        return self.best in SMALL_SIDES

    @property
    def apart(self) -> bool:
        """Whether most pixels lie on ground that no training window has shown."""
        return self.near < 0.5

    @property
    def misleading(self) -> bool:
        """Whether a network would learn from its training pixels' surroundings what does not hold for other pixels."""
        return self.small_fields or self.apart

    @property
    def window(self) -> int:
        """The window that suits: the smallest where surroundings mislead, else the usual one."""
        return SMALL_WINDOW if self.misleading else USUAL_WINDOW

    @property
    def second_window(self) -> int:
        """The window of a second network, whose errors are others; 0 for none, where surroundings mislead."""
        return 0 if self.misleading else SECOND_WINDOW

    @property
    def spectral(self) -> Spectral:
        """Which linear classifier of the pixel's own components the network is joined with."""
        return "discriminant" if self.small_fields else "logistic" if self.apart else "none"

    @property
    def blend(self) -> bool:
        """Whether neighbours that look alike mostly belong together."""
        return not self.small_fields

    def in_words(self) -> str:
        """One line for the report."""
        told = ", ".join(f"{side} x {side} {share:.1%}" for side, share in zip(SIDES, self.accuracy, strict=False))
        fields = f"training pixels are told apart by means over {told}" if told else "too few to tell fields' size"
        return f"{fields}; {self.near:.0%} of the test pixels have one near"


def advise_window(
    components: NDArray[np.float32],
    codes: NDArray[np.int64],
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
) -> WindowAdvice:
    """How wide the fields are, and how many test pixels are near training pixels.

    ``components`` are ``(K, H, W)``; class positions ``codes``, training pixels ``train`` and test pixels ``test`` are
    ``(H, W)``. Means over squares are told apart by a linear discriminant (Fisher 1936,
    doi:10.1111/j.1469-1809.1936.tb02137.x) in five folds of the training pixels; of squares that are level the largest
    counts, since wide fields look alike by all of them. Of test pixels only the place is looked at.
    """
    from scipy.ndimage import distance_transform_cdt

    distance = distance_transform_cdt(~train, metric="chessboard")
    near = float(np.mean(distance[test] <= USUAL_WINDOW // 2)) if test.any() else 0.0
    accuracy = tuple(_told_apart(means_at(components, train, side), codes[train]) for side in SIDES)
    known = tuple(share for share in accuracy if share is not None)
    return WindowAdvice(known, _largest_level(known, int(np.count_nonzero(train))), near)


def _largest_level(accuracy: tuple[float, ...], pixels: int) -> int:
    """The largest side whose accuracy is level with the highest, by one standard error of so many ``pixels``, as
    Breiman et al. (1984) choose the size of a tree; 0 for none."""
    if not accuracy:
        return 0
    highest = max(accuracy)
    least = highest - max(LEVEL, (highest * (1 - highest) / pixels) ** 0.5)
    return max(side for side, share in zip(SIDES, accuracy, strict=True) if share >= least)


def _told_apart(means: NDArray[np.float32], codes: NDArray[np.int64]) -> float | None:
    """The share of pixels that a linear discriminant of the others names right; None where there are no folds."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = min(FOLDS, int(np.bincount(codes).max(initial=0)))
    if folds < 2 or np.unique(codes).size < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of fewer pixels than folds
        dealt = StratifiedKFold(folds, shuffle=True, random_state=0)
        named = cross_val_predict(LinearDiscriminantAnalysis(), means, codes, cv=dealt)
    return float((named == codes).mean())


def means_at(components: NDArray[np.float32], chosen: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Means ``(n, K)`` over ``side x side`` pixels around the ``chosen`` ``(H, W)``, of ``(K, H, W)`` components."""
    from scipy.ndimage import uniform_filter

    means = [uniform_filter(component, side, mode="reflect")[chosen] for component in components]
    return np.stack(means, axis=1)
