"""Signs that reference pixels are not a random sample of the pixels of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

UNLIKELY = 0.001  # p of a random sample whose class shares differ as much from those of the map
DEVIATIONS, EXTRA = 6.0, 3  # neighbouring pairs above the expected number: multiples of its root, and a few
LEAST_EXPECTED = 5  # pixels of a class in the chi-squared test; classes with fewer are tested together


@dataclass(frozen=True, eq=False)
class ReferencePixels:
    """Reference pixels on a map: ``classes`` ``(H, W)``, positions of the classes of the map in ``names``, -1 without
    data; ``sampled`` ``(H, W)`` bool, the reference pixels, all with data; ``polygons`` ``(H, W)``, the polygon of
    each, 0 for none, or None where the reference is no vector file."""

    classes: NDArray[np.int64]
    sampled: NDArray[np.bool_]
    names: tuple[str, ...]
    polygons: NDArray[Any] | None = None

    @property
    def in_map(self) -> NDArray[np.int64]:
        """Pixels of each class in the map."""
        return np.bincount(self.classes[self.classes >= 0], minlength=len(self.names))

    @property
    def in_sample(self) -> NDArray[np.int64]:
        """Reference pixels in each class of the map."""
        return np.bincount(self.classes[self.sampled], minlength=len(self.names))


def check_sampling(pixels: ReferencePixels, design: str) -> list[str]:
    """Reasons, one per line, why these pixels are unlikely to be a random sample of that design.

    No check can show that a sample is random; the positions of its pixels can show that it is not.
    """
    doubts = [_check_polygons(pixels) or _check_clusters(pixels), _check_shares(pixels) if design == "simple" else None]
    return [line for line in doubts if line]


def _check_polygons(pixels: ReferencePixels) -> str | None:
    """Polygons with more than one reference pixel."""
    if pixels.polygons is None:
        return None
    numbers = pixels.polygons[pixels.sampled]
    counts = np.unique(numbers[numbers > 0], return_counts=True)[1]
    if not np.any(counts > 1):
        return None
    return (
        f"the reference pixels are from {len(counts):,} polygons of up to {counts.max():,} pixels, which are no "
        "independent draws: the intervals come out too narrow; single points would do"
    )


def _check_clusters(pixels: ReferencePixels) -> str | None:
    """Neighbouring pairs of reference pixels, of which a random sample has few.

    With the sampled share f of each class of the map, a pair of neighbours is in the sample with a probability of
    f x f. The standard deviation of their number is at most 1.6 times its root.
    """
    share = pixels.in_sample / np.maximum(pixels.in_map, 1)
    chance = np.where(pixels.classes >= 0, share[pixels.classes], 0.0)
    pairs, expected = (
        float((values[1:] * values[:-1]).sum() + (values[:, 1:] * values[:, :-1]).sum())
        for values in (pixels.sampled.astype(np.float64), chance)
    )
    if pairs <= expected + DEVIATIONS * np.sqrt(expected) + EXTRA:
        return None
    return (
        f"the reference pixels lie side by side ({pairs:,.0f} neighbouring pairs, where a random sample would have "
        f"about {expected:,.0f}), so they look like fields: the intervals come out too narrow, and the fields may "
        "not represent the rest of the map"
    )


def _check_shares(pixels: ReferencePixels) -> str | None:
    """Class shares that differ between the sample and the map."""
    sample, shares = pixels.in_sample, pixels.in_map / pixels.in_map.sum()
    expected = shares * sample.sum()
    large = expected >= LEAST_EXPECTED
    observed, awaited = (np.append(values[large], values[~large].sum()) for values in (sample, expected))
    tested = awaited > 0
    if np.count_nonzero(tested) < 2 or chisquare(observed[tested], awaited[tested]).pvalue >= UNLIKELY:
        return None
    worst = int(np.argmax(np.abs(sample - expected) / np.sqrt(np.maximum(expected, 1))))
    return (
        f"the reference pixels are not spread over the classes of the map as a simple random sample would be "
        f"({pixels.names[worst]}: {sample[worst] / sample.sum():.1%} of the sample, {shares[worst]:.1%} of the map): "
        "were they drawn by class, give --design stratified"
    )
