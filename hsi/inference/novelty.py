"""Novelty of pixels: the Mahalanobis distance to the training pixels in component space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PIXELS = 1 << 14


@dataclass(frozen=True, eq=False)
class NoveltyDetector:
    """Class means ``(C, K)`` of the training pixels, a square root ``(K, K)`` of the inverse of their covariance within
    classes (pooled, shrunk as by Ledoit and Wolf, doi:10.1016/S0047-259X(03)00096-4), and ``limits``, the percentiles
    95, 99 and 99.9 of their distances."""

    means: Floats
    root: Floats
    limits: Floats

    def state(self) -> dict[str, Floats]:
        """The arrays, for a saved model."""
        return {"means": self.means, "root": self.root, "limits": self.limits}

    def distance(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance of ``(n, K)`` pixels to the nearest class mean, ``(n,)`` float32; more components do not count."""
        pixels = pixels[:, : len(self.root)]
        centres = self.means @ self.root
        distances = np.empty(len(pixels), np.float32)
        for start in range(0, len(pixels), PIXELS):
            whitened = pixels[start : start + PIXELS].astype(np.float64) @ self.root
            squares = (whitened**2).sum(1)[:, None] - 2 * whitened @ centres.T + (centres**2).sum(1)
            distances[start : start + PIXELS] = np.sqrt(np.maximum(squares.min(axis=1), 0))
        return distances


def fit_novelty(pixels: NDArray[np.float32], codes: NDArray[np.int64], classes: int) -> NoveltyDetector:
    """Fit to training pixels ``(n, K)`` and their class codes; a class without pixels gets the mean of all."""
    from sklearn.covariance import ledoit_wolf

    values = pixels.astype(np.float64)
    means = np.array(
        [values[codes == c].mean(axis=0) if np.any(codes == c) else values.mean(axis=0) for c in range(classes)]
    )
    covariance, _ = ledoit_wolf(values - means[codes], assume_centered=True)
    variances, axes = np.linalg.eigh(covariance)
    root = axes / np.sqrt(np.maximum(variances, 1e-12))
    distances = NoveltyDetector(means, root, np.zeros(3)).distance(pixels)
    return NoveltyDetector(means, root, np.percentile(distances, (95, 99, 99.9)))
