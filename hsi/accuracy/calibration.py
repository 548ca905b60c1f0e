"""Whether confidence can be taken at its word: of the pixels mapped with 90 %, are nine in ten right?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.errors import SceneError

BINS = 15  # as Guo et al.
LOGARITHMS = (-3.0, 3.0)  # of the temperatures that are searched: from 0.05 to 20
ROUNDING = 1e-6  # above 1
LOWEST_SCORE = -104.0  # the logarithm of the smallest float32, for probabilities that came out as 0


@dataclass(frozen=True)
class ReliabilityBin:
    """Pixels whose confidence lies above ``low`` and up to ``high``: their mean confidence and the share that is right,
    both None where there is no pixel."""

    low: float
    high: float
    pixels: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """Mean ``confidence`` of ``pixels``, the share of them that is right, and the expected calibration ``error``: the
    mean difference between the two over the bins, weighted by their pixels. Fractions."""

    pixels: int
    confidence: float
    accuracy: float
    error: float
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "bins": [asdict(entry) for entry in self.bins]}


def measure_calibration(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = BINS
) -> Calibration | None:
    """Calibration of ``confidence`` ``(n,)`` from 0 to 1 by which pixels are ``right`` ``(n,)``; None without a pixel.

    Expected calibration error over bins of equal width (Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; Guo et al.
    2017, doi:10.48550/arXiv.1706.04599). Raises :class:`SceneError` for what is no probability.
    """
    if not confidence.size:
        return None
    values = confidence.astype(np.float64)
    wrong = values[~((values >= 0) & (values <= 1 + ROUNDING))]
    if wrong.size:
        raise SceneError(f"confidence is a probability from 0 to 1, found {wrong[0]:g}")
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, values) - 1, 0, bins - 1)
    pixels = np.bincount(places, minlength=bins)
    sums, hits = (np.bincount(places, weights, minlength=bins) for weights in (values, right))
    return Calibration(
        pixels=values.size,
        confidence=float(values.mean()),
        accuracy=float(right.mean()),
        error=float(np.abs(sums - hits).sum() / values.size),
        bins=tuple(
            ReliabilityBin(
                low=float(edges[i]),
                high=float(edges[i + 1]),
                pixels=int(count),
                confidence=float(sums[i] / count) if count else None,
                accuracy=float(hits[i] / count) if count else None,
            )
            for i, count in enumerate(pixels)
        ),
    )


@dataclass(frozen=True)
class Temperature:
    """A temperature fitted on ``pixels``, with their mean cross-entropy (``loss``) and expected calibration error
    before and after."""

    value: float
    pixels: int
    loss: tuple[float, float]
    error: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        (loss, less), (error, smaller) = self.loss, self.error
        facts = {"temperature": self.value, "pixels": self.pixels}
        return facts | {"loss": {"before": loss, "after": less}, "error": {"before": error, "after": smaller}}


def fit_temperature(scores: NDArray[np.floating[Any]], codes: NDArray[np.int64]) -> Temperature | None:
    """The number that class scores ``(n, C)`` are divided by for the likeliest probabilities of the true ``codes``.

    Temperature scaling (Guo et al. 2017, doi:10.48550/arXiv.1706.04599): above 1 it lowers confidence, below 1 it
    raises it, and the order of the classes stays. None where it has no bound because every pixel is right already, or
    where there is no pixel.
    """
    from scipy.optimize import minimize_scalar

    values = np.maximum(scores.astype(np.float64), LOWEST_SCORE)
    right = values.argmax(axis=1) == codes
    if right.all():
        return None

    def loss(logarithm: float) -> float:
        return _cross_entropy(values / np.exp(logarithm), codes)

    found = minimize_scalar(loss, bounds=LOGARITHMS, method="bounded", options={"xatol": 1e-6})
    value = float(np.exp(found.x))
    return Temperature(
        value=value,
        pixels=len(codes),
        loss=(loss(0.0), loss(float(found.x))),
        error=(_error(values, right), _error(values / value, right)),
    )


def _cross_entropy(scores: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(scores, axis=1)[np.arange(len(codes)), codes].mean())


def _error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error of the largest probability."""
    from scipy.special import softmax

    found = measure_calibration(softmax(scores, axis=1).max(axis=1), right)
    assert found is not None
    return found.error
