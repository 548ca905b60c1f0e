"""Leakage of training pixels into the test windows of a split.

The window of a test pixel contains training pixels when test pixels lie between training pixels. A test of a network
then measures interpolation rather than accuracy on unseen ground (Liang et al. 2016, doi:10.48550/arXiv.1605.05829).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, distance_transform_edt

from hsi.errors import SplitError, UsageError

MUCH, MOST = 0.1, 0.5  # of the test windows
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LeakageAudit:
    """Leakage of a split for the window that a method uses, 1 where it classifies single pixels; shares and accuracies
    are fractions.

    ``contains_training`` is the share of test pixels whose window contains a training pixel, ``overlaps_training`` the
    share whose window has a pixel in common with a training window. ``distance`` holds the 10th, 50th and 90th
    percentile of the Chebyshev distance to the nearest training pixel. ``position_accuracy`` is the overall accuracy
    of the class of the nearest training pixel, which ignores the scene. ``leak_free`` counts the test pixels whose
    window overlaps no training window; ``leak_free_accuracy`` is the overall accuracy of the map on them, None without
    a map or without such pixels.
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
        """The result in one sentence, whose judgement follows from its numbers."""
        position = f"a nearest neighbour that sees only positions scores {_percent(self.position_accuracy)}"
        if self.window == 1:
            half = f"{self.distance[1]:,} pixel{'s' if self.distance[1] > 1 else ''}"
            near = f"half of the test pixels lie no more than {half} from a training pixel"
            return f"no window: the method classifies single pixels; {near}; {position}"
        if not self.overlaps_training:
            return f"independent: no test window overlaps a training window; {position}"
        text = f"{self._judgement()}: {self._windows()}; {position}"
        if not self.leak_free:
            return f"{text}; no test pixel is left without them"
        if self.leak_free_accuracy is None:
            return text
        return f"{text}; accuracy without them {_percent(self.leak_free_accuracy)} ({self.leak_free:,} test pixels)"

    def _judgement(self) -> str:
        if self.contains_training > MOST:
            return "mostly interpolation inside fields"
        if self.contains_training > MUCH or self.overlaps_training > MOST:
            return "partly independent"
        return "mostly independent"

    def _windows(self) -> str:
        overlap = f"{_percent(self.overlaps_training)} overlap training windows"
        if not self.contains_training:
            return f"no test window contains training pixels, but {overlap}"
        contain = f"{_percent(self.contains_training)} of test windows contain training pixels"
        return contain if self.overlaps_training == self.contains_training else f"{contain} and {overlap}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values, with the line of :meth:`in_words` under that name."""
        ten, half, ninety = self.distance
        return {**asdict(self), "distance": {"10": ten, "50": half, "90": ninety}, "in_words": self.in_words()}


def audit_split(
    train: Mask, test: Mask, codes: NDArray[Any], window: int, predicted: NDArray[Any] | None = None
) -> LeakageAudit:
    """Measure the leakage of a split with masks ``(H, W)`` bool, for windows of ``window`` pixels (an odd number).

    ``codes`` ``(H, W)`` are the true class codes, ``predicted`` those of the map. Two windows overlap when the
    distance of their centres is less than ``window`` along both axes. Raises :class:`UsageError` for a window that is
    not odd and :class:`SplitError` for different shapes and when there is no training or no test pixel.
    """
    if window < 1 or window % 2 == 0:
        raise UsageError(f"a window is an odd number of pixels, found {window}")
    shapes = [array.shape for array in (train, test, codes, predicted) if array is not None]
    if len(set(shapes)) > 1:
        raise SplitError(f"masks, codes and prediction have one shape (rows, columns), found {shapes}")
    for name, mask in (("training", train), ("test", test)):
        if not mask.any():
            raise SplitError(f"there is no {name} pixel, so there is nothing to audit")
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
    """The code ``(H, W)`` of the training pixel nearest to each pixel by (row, column).

    Distances are Euclidean and exact (Maurer et al. 2003, doi:10.1109/TPAMI.2003.1177156). Ties are resolved by the
    order in which the distance transform visits rows and columns, so they are reproducible.
    """
    rows, columns = distance_transform_edt(~train, return_distances=False, return_indices=True)
    return np.asarray(codes[rows, columns])


def _agreement(predicted: NDArray[Any], codes: NDArray[Any], where: Mask) -> float:
    """Share of equal codes in a mask."""
    return float(np.mean(predicted[where] == codes[where]))


def _percent(share: float) -> str:
    """Format with one decimal, and never "0.0 %" for a positive share or "100.0 %" for less than all."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    return f"{share * 100:.1f} %"
