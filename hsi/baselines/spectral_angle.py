"""Spectral angle mapper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.baselines.baseline import BASELINES, Codes
from hsi.baselines.tuned import TunedEstimator


@BASELINES.register("sam")
class SpectralAngles(TunedEstimator):
    """The class whose mean spectrum is at the smallest angle (Kruse et al. 1993, doi:10.1016/0034-4257(93)90013-N).

    It uses the spectra unchanged: standardised bands or components would move the origin of the angles.
    """

    name = "sam"
    title = "spectral angle mapper"
    source = "doi:10.1016/0034-4257(93)90013-N"
    sees = "raw spectra"
    reducer = None

    def build(self, **parameters: Any) -> Any:
        """A classifier by spectral angle."""
        return SpectralAngleClassifier()

    def describe(self) -> str:
        """The method."""
        return "angles to the mean spectra of classes"


class SpectralAngleClassifier:
    """The nearest class mean by spectral angle."""

    classes_: Codes
    means_: NDArray[np.float64]

    def fit(self, values: NDArray[np.float32], codes: Codes) -> None:
        """Learn the mean spectrum ``(classes, B)`` of each class in ``codes``."""
        self.classes_ = np.unique(codes)
        self.means_ = np.array([values[codes == code].mean(axis=0, dtype=np.float64) for code in self.classes_])

    def predict(self, values: NDArray[np.float32]) -> Codes:
        """Class codes ``(n,)`` of spectra ``(n, B)``."""
        from spectral import spectral_angles

        with np.errstate(invalid="ignore"):  # the angles of a spectrum of zeros are undefined
            angles = spectral_angles(values[None].astype(np.float64), self.means_)[0]  # (n, classes)
        return np.asarray(self.classes_[angles.argmin(axis=1)])
