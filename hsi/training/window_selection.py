"""The window that suits a scene, and related settings, chosen by its training pixels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsi.settings import SECOND_WINDOW, USUAL_WINDOW, Spectral

SMALL_WINDOW = 11  # HybridSN's smallest
SIDES = (1, 3, 5, 7, 9)
SMALL_SIDES = (1, 3)  # means over so few pixels are the most accurate where fields are no wider
FOLDS = 5
LEVEL = 0.01  # accuracies that differ by at most this, or by their standard error, are level


@dataclass(frozen=True)
class WindowAdvice:
    """What training pixels show about the surroundings of a pixel.

    ``accuracy`` is the share of the training pixels that a linear discriminant classifies correctly by means over
    squares of each of :data:`SIDES`, empty where there are too few, and ``level`` the sides that are level with the
    highest. ``nearest`` is the share whose class the nearest other training pixel has. ``near`` is the share of the
    test pixels with a training pixel in the usual window, 0 without test pixels. ``square`` is the side of the squares
    of training pixels that are as far from others as test pixels are from all of them.
    """

    accuracy: tuple[float, ...]
    level: tuple[int, ...]
    nearest: float
    near: float
    square: int = 1

    @property
    def small_fields(self) -> bool:
        """Whether pixels more than one pixel away mostly belong to other fields.

        Where neither larger squares nor single pixels stand out, the nearest training pixel tells.
        """
        if not self.level:
            return False
        return max(self.level) in SMALL_SIDES or (1 in self.level and self.nearest < 0.5)

    @property
    def distant(self) -> bool:
        """Whether most test pixels are outside all training windows."""
        return self.near < 0.5

    @property
    def misleading(self) -> bool:
        """Whether the surroundings of training pixels differ from those of other pixels."""
        return self.small_fields or self.distant

    @property
    def window(self) -> int:
        """The smallest window where surroundings mislead, else the usual one."""
        return SMALL_WINDOW if self.misleading else USUAL_WINDOW

    @property
    def second_window(self) -> int:
        """The window of a second network, which makes other errors; 0 for none, where surroundings mislead."""
        return 0 if self.misleading else SECOND_WINDOW

    @property
    def spectral(self) -> Spectral:
        """The classifiers that the network is combined with: of single pixels, or of similar neighbours."""
        if self.misleading:
            return "pool"
        return "filtered" if self.square > 1 else "none"

    @property
    def blend(self) -> bool:
        """Whether neighbours with similar spectra mostly have the same class."""
        return not self.small_fields

    def in_words(self) -> str:
        """One line for the report."""
        if self.accuracy:
            means = ", ".join(f"{side} x {side} {share:.1%}" for side, share in zip(SIDES, self.accuracy, strict=True))
            fields = f"accuracy on training pixels by means over {means}, by the nearest other one {self.nearest:.1%}"
        else:
            fields = "too few to estimate fields' size"
        return f"{fields}; {self.near:.0%} of the test pixels have one near"


def advise_window(
    components: NDArray[np.float32],
    codes: NDArray[np.int64],
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    folds: NDArray[np.int64] | None = None,
) -> WindowAdvice:
    """Estimate how wide the fields are, and how many test pixels are near training pixels.

    ``components`` are ``(K, H, W)``; class positions ``codes``, training pixels ``train`` and test pixels ``test`` are
    ``(H, W)``. Means over squares are classified by a linear discriminant (Fisher 1936,
    doi:10.1111/j.1469-1809.1936.tb02137.x) in five folds of the training pixels, or in ``folds`` ``(H, W)``. Only the
    places of test pixels are used, not their classes.
    """
    from scipy.ndimage import distance_transform_cdt

    distance = distance_transform_cdt(~train, metric="chessboard")
    near = float(np.mean(distance[test] <= USUAL_WINDOW // 2)) if test.any() else 0.0
    of_train = None if folds is None else folds[train]
    accuracy = (cross_validate(means_at(components, train, side), codes[train], of_train) for side in SIDES)
    known = tuple(share for share in accuracy if share is not None)
    level = _level_sides(known, int(np.count_nonzero(train)))
    return WindowAdvice(known, level, _share_of_nearest(codes, train), near)


def _level_sides(accuracy: tuple[float, ...], pixels: int) -> tuple[int, ...]:
    """The sides whose accuracy is level with the highest, by one standard error for this number of ``pixels``, as
    Breiman et al. (1984) choose the size of a tree."""
    if not accuracy:
        return ()
    highest = max(accuracy)
    least = highest - max(LEVEL, (highest * (1 - highest) / pixels) ** 0.5)
    return tuple(side for side, share in zip(SIDES, accuracy, strict=True) if share >= least)


def _share_of_nearest(codes: NDArray[np.int64], train: NDArray[np.bool_]) -> float:
    """The share of training pixels whose class the nearest other one has."""
    from scipy.spatial import cKDTree

    places, own = np.argwhere(train), codes[train]
    if len(places) < 2:
        return 0.0
    _, nearest = cKDTree(places).query(places, k=[2])
    return float(np.mean(own[np.ravel(nearest)] == own))


def cross_validate(
    means: NDArray[np.float32], codes: NDArray[np.int64], of_pixels: NDArray[np.int64] | None = None
) -> float | None:
    """The share of pixels that a linear discriminant of the other folds classifies correctly; None without folds.

    ``of_pixels`` ``(n,)`` are the folds, random ones by default.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = min(FOLDS, int(np.bincount(codes).max(initial=0)))
    if folds < 2 or np.unique(codes).size < 2:
        return None
    if of_pixels is not None:
        sides = [(of_pixels != fold, of_pixels == fold) for fold in np.unique(of_pixels)]
        if any(np.unique(codes[others]).size < 2 for others, _ in sides):
            return None
        linear = LinearDiscriminantAnalysis()
        right = [linear.fit(means[others], codes[others]).predict(means[own]) == codes[own] for others, own in sides]
        return float(np.concatenate(right).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of fewer pixels than folds
        splitter = StratifiedKFold(folds, shuffle=True, random_state=0)
        predicted = cross_val_predict(LinearDiscriminantAnalysis(), means, codes, cv=splitter)
    return float((predicted == codes).mean())


def means_at(components: NDArray[np.float32], chosen: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Means ``(n, K)`` over ``side x side`` pixels around the ``chosen`` ``(H, W)``, of ``(K, H, W)`` components."""
    from scipy.ndimage import uniform_filter

    means = [uniform_filter(component, side, mode="reflect")[chosen] for component in components]
    return np.stack(means, axis=1)
