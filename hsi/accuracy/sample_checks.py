"""Signs that reference pixels are no random sample of a map's pixels, whatever they were called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLIKELY = 0.001  # chance of a random sample that differs as much from the map's shares
FAR, SOME = 6.0, 3  # neighbouring pairs beyond what is expected: so many of its square roots, and a few
EXPECTED = 5  # pixels that a class needs for the chi-squared test; those with fewer are tested together


@dataclass(frozen=True, eq=False)
class ReferencePixels:
    """Reference pixels on a map: ``classes`` ``(H, W)`` positions of the map's classes in ``names``, -1 without data;
    ``sampled`` ``(H, W)`` bool those that count, all with data; ``polygons`` ``(H, W)`` the polygon that each is from,
    0 for none, or None where the reference is no vector file."""

    classes: NDArray[np.int64]
    sampled: NDArray[np.bool_]
    names: tuple[str, ...]
    polygons: NDArray[Any] | None = None

    @property
    def in_map(self) -> NDArray[np.int64]:
        """Pixels of the map of each class."""
        return np.bincount(self.classes[self.classes >= 0], minlength=len(self.names))

    @property
    def in_sample(self) -> NDArray[np.int64]:
        """Reference pixels of each class of the map."""
        return np.bincount(self.classes[self.sampled], minlength=len(self.names))


def check_sampling(pixels: ReferencePixels, design: str) -> list[str]:
    """Why these pixels hardly are a random sample of the map of that design, a line for each reason.

    Nothing can show that a sample is random; where and how its pixels lie can show that it is not.
    """
    clustered = _clustered(pixels)
    found = [_whole_polygons(pixels) or clustered, _unequal(pixels) if design == "simple" else None]
    return [line for line in found if line]


def _whole_polygons(pixels: ReferencePixels) -> str | None:
    """Polygons that give more than one pixel each."""
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


def _clustered(pixels: ReferencePixels) -> str | None:
    """Pairs of reference pixels side by side: a random sample has few.

    With the sampled share f of each class of the map, a pair of neighbours is expected to be in the sample with
    chance f x f. Their number then varies by no more than 1.6 times its root.
    """
    share = pixels.in_sample / np.maximum(pixels.in_map, 1)
    chance = np.where(pixels.classes >= 0, share[pixels.classes], 0.0)
    found, expected = (
        float((values[1:] * values[:-1]).sum() + (values[:, 1:] * values[:, :-1]).sum())
        for values in (pixels.sampled.astype(np.float64), chance)
    )
    if found <= expected + FAR * np.sqrt(expected) + SOME:
        return None
    return (
        f"the reference pixels lie side by side ({found:,.0f} neighbouring pairs, where a random sample would have "
        f"about {expected:,.0f}), so they look like fields: the intervals come out too narrow, and nothing says that "
        "the fields stand for the rest of the map"
    )


def _unequal(pixels: ReferencePixels) -> str | None:
    """Shares of the classes of the map that differ between the sample and the map."""
    from scipy.stats import chisquare

    sample, shares = pixels.in_sample, pixels.in_map / pixels.in_map.sum()
    expected = shares * sample.sum()
    many = expected >= EXPECTED
    seen, awaited = (np.append(values[many], values[~many].sum()) for values in (sample, expected))
    kept = awaited > 0
    if np.count_nonzero(kept) < 2 or chisquare(seen[kept], awaited[kept]).pvalue >= UNLIKELY:
        return None
    worst = int(np.argmax(np.abs(sample - expected) / np.sqrt(np.maximum(expected, 1))))
    return (
        f"the reference pixels are not spread over the classes of the map as a simple random sample would be "
        f"({pixels.names[worst]}: {sample[worst] / sample.sum():.1%} of the sample, {shares[worst]:.1%} of the map): "
        "were they drawn by class, give --design stratified"
    )
