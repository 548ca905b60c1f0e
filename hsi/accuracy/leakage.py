"""How much a split lets a window classifier see of its training pixels when it is tested.

A network that looks at a window around each pixel is tested on windows that hold training pixels, when test pixels lie
between training pixels. Such a test measures interpolation rather than accuracy on ground not seen before
(Liang et al. 2016, doi:10.48550/arXiv.1605.05829).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, distance_transform_edt

from hsi.errors import SplitError, UsageError

MUCH = 0.05
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LeakageAudit:
    """Findings about the test pixels of a split for one window size; shares and accuracies are fractions.

    ``contains_training`` is the share whose window holds a training pixel and ``overlaps_training`` the share whose
    window has a pixel in common with a training window. ``distance`` holds the 10th, 50th and 90th percentile of the
    distance to the nearest training pixel, in pixels along the longer axis (Chebyshev). ``position_accuracy`` is the
    overall accuracy of naming each test pixel after the training pixel nearest to it, without a look at the scene.
    ``leak_free`` counts the test pixels whose window overlaps no training window; ``leak_free_accuracy`` is the
    overall accuracy of the map on them, None without a map or without such pixels.
    """

    window: int
    test: int
    contains_training: float
    overlaps_training: float
    distance: tuple[int, int, int]
    position_accuracy: float
    leak_free: int
    leak_free_accuracy: float | None

    def in_words(self) -> str:
        """The finding in one line of plain words."""
        line = (
            f"{self._windows()}; a nearest neighbour that sees only positions scores {_percent(self.position_accuracy)}"
        )
        if not self.leak_free:
            return f"{line}; test pixels whose windows share nothing with training windows: none left"
        if self.leak_free_accuracy is None:
            return line
        where = f"the {self.leak_free:,} test pixels whose windows share nothing with training windows"
        return f"{line}; accuracy on {where}: {_percent(self.leak_free_accuracy)}"

    def _windows(self) -> str:
        """What test windows have in common with the training pixels."""
        if self.contains_training == 0:
            apart = (
                f", but {_percent(self.overlaps_training)} overlap a training window" if self.overlaps_training else ""
            )
            return f"no test window contains a training pixel{apart}"
        words = f"{_percent(self.contains_training)} of test windows contain training pixels"
        return f"this split measures interpolation inside fields: {words}" if self.contains_training > MUCH else words

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the line of :meth:`in_words` under that name."""
        ten, half, ninety = self.distance
        return {**asdict(self), "distance": {"10": ten, "50": half, "90": ninety}, "in_words": self.in_words()}


def audit_split(
    train: Mask, test: Mask, codes: NDArray[Any], window: int, predicted: NDArray[Any] | None = None
) -> LeakageAudit:
    """Audit the masks of a split, ``(H, W)`` bool, for windows of ``window`` pixels (an odd number).

    ``codes`` ``(H, W)`` are the true class codes, ``predicted`` the ones of the map. Two windows centred in the scene
    overlap inside it exactly when their centres are less than ``window`` apart along both axes. Raises
    :class:`UsageError` for a window that is not odd and :class:`SplitError` for different shapes and when there is no
    training or no test pixel.
    """
    _check(train, test, codes, window, predicted)
    distance = distance_transform_cdt(~train, metric="chessboard")[test]  # (test pixels,)
    free = test.copy()
    free[test] = distance >= window
    leak_free = int(np.count_nonzero(free))
    ten, half, ninety = np.percentile(distance, (10, 50, 90), method="inverted_cdf").astype(int).tolist()
    return LeakageAudit(
        window=window,
        test=int(distance.size),
        contains_training=float(np.mean(distance <= window // 2)),
        overlaps_training=float(np.mean(distance < window)),
        distance=(ten, half, ninety),
        position_accuracy=_agreement(nearest_training_codes(train, codes), codes, test),
        leak_free=leak_free,
        leak_free_accuracy=_agreement(predicted, codes, free) if predicted is not None and leak_free else None,
    )


def nearest_training_codes(train: Mask, codes: NDArray[Any]) -> NDArray[Any]:
    """The code of the training pixel nearest to each pixel, ``(H, W)``: one nearest neighbour on (row, column).

    Distances are Euclidean and exact (Maurer et al. 2003, doi:10.1109/TPAMI.2003.1177156). Ties go to the same
    pixel every time, because the distance transform works through rows and columns in a fixed order.
    """
    rows, columns = distance_transform_edt(~train, return_distances=False, return_indices=True)
    return np.asarray(codes[rows, columns])


def _agreement(predicted: NDArray[Any], codes: NDArray[Any], where: Mask) -> float:
    """Share of equal codes among the pixels of a mask."""
    return float(np.mean(predicted[where] == codes[where]))


def _check(train: Mask, test: Mask, codes: NDArray[Any], window: int, predicted: NDArray[Any] | None) -> None:
    """Raise for what :func:`audit_split` cannot use."""
    if window < 1 or window % 2 == 0:
        raise UsageError(f"a window is an odd number of pixels, found {window}")
    shapes = [array.shape for array in (train, test, codes, predicted) if array is not None]
    if len(set(shapes)) > 1:
        raise SplitError(f"masks, codes and prediction have one shape (rows, columns), found {shapes}")
    for name, mask in (("training", train), ("test", test)):
        if not mask.any():
            raise SplitError(f"there is no {name} pixel, so there is nothing to audit")


def _percent(share: float) -> str:
    """One decimal, and never "0.0 %" for something or "100.0 %" for less than all."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    return f"{share * 100:.1f} %"
