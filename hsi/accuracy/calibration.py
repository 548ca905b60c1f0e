"""Calibration of the confidence: are nine in ten of the pixels mapped with 90 % right?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from hsi.errors import SceneError

BINS = 15  # as Guo et al.
LOG_TEMPERATURES = (-3.0, 3.0)  # search range: temperatures from 0.05 to 20
ROUNDING = 1e-6  # above 1
LOWEST_SCORE = -104.0  # the logarithm of the smallest float32, for probabilities of 0


def measure_calibration(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = BINS
) -> dict[str, Any] | None:
    """Calibration of ``confidence`` ``(n,)`` from 0 to 1 of pixels that are ``right`` ``(n,)``; None for no pixels.

    Returns JSON-compatible fractions: the mean ``confidence`` and the ``accuracy`` of all ``pixels`` and of those in
    each of the ``bins`` above ``low`` and up to ``high`` (None for an empty bin), and the expected calibration
    ``error``, the mean absolute difference of the two over the bins, weighted by their pixels (Naeini et al. 2015,
    doi:10.1609/aaai.v29i1.9602; Guo et al. 2017, doi:10.48550/arXiv.1706.04599). Raises :class:`SceneError` for values
    that are no probabilities.
    """
    if not confidence.size:
        return None
    values = confidence.astype(np.float64)
    wrong = values[~((values >= 0) & (values <= 1 + ROUNDING))]
    if wrong.size:
        raise SceneError(f"confidence is a probability from 0 to 1, found {wrong[0]:g}")
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, values) - 1, 0, bins - 1)
    pixels = np.bincount(bin_of, minlength=bins)
    sums, hits = (np.bincount(bin_of, weights, minlength=bins) for weights in (values, right))
    return {
        "pixels": values.size,
        "confidence": float(values.mean()),
        "accuracy": float(right.mean()),
        "error": float(np.abs(sums - hits).sum() / values.size),
        "bins": [
            {
                "low": float(edges[i]),
                "high": float(edges[i + 1]),
                "pixels": int(count),
                "confidence": float(sums[i] / count) if count else None,
                "accuracy": float(hits[i] / count) if count else None,
            }
            for i, count in enumerate(pixels)
        ],
    }


@dataclass(frozen=True)
class Temperature:
    """A temperature fitted on ``pixels``, with their mean cross-entropy (``loss``) and expected calibration error
    before and after."""

    value: float
    pixels: int
    loss: tuple[float, float]
    error: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        (loss, less), (error, smaller) = self.loss, self.error
        facts = {"temperature": self.value, "pixels": self.pixels}
        return facts | {"loss": {"before": loss, "after": less}, "error": {"before": error, "after": smaller}}


def fit_temperature(scores: NDArray[np.floating[Any]], codes: NDArray[np.int64]) -> Temperature | None:
    """The divisor of class scores ``(n, C)`` with the highest likelihood of the true ``codes`` ``(n,)``.

    Temperature scaling (Guo et al. 2017, doi:10.48550/arXiv.1706.04599): a temperature above 1 lowers the confidence,
    one below 1 raises it, and the order of the classes does not change. None where the likelihood has no maximum
    because all pixels are right, and for no pixels.
    """
    from scipy.optimize import minimize_scalar

    values = np.maximum(scores.astype(np.float64), LOWEST_SCORE)
    right = values.argmax(axis=1) == codes
    if right.all():
        return None

    def loss(logarithm: float) -> float:
        return float(-log_softmax(values / np.exp(logarithm), axis=1)[np.arange(len(codes)), codes].mean())

    def error(scaled: NDArray[np.float64]) -> float:
        calibration = measure_calibration(softmax(scaled, axis=1).max(axis=1), right)
        return float(calibration["error"]) if calibration else 0.0

    best = float(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-6}).x)
    value = float(np.exp(best))
    return Temperature(value, len(codes), loss=(loss(0.0), loss(best)), error=(error(values), error(values / value)))
