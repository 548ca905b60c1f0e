"""The position-only classifier of the leakage audit, as a baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from hsi.accuracy.leakage import nearest_training_codes
from hsi.baselines.baseline import BASELINES, Advance, Baseline, Codes, Pixels, Predicted, Samples


@BASELINES.register("position")
class Position(Baseline):
    """The class of the training pixel nearest in row and column, which ignores the scene (Cover and Hart 1967,
    doi:10.1109/TIT.1967.1053964): what the positions of a split reveal."""

    name = "position"
    title = "nearest on the ground"
    source = "doi:10.1109/TIT.1967.1053964"
    sees = "row, column"
    reducer = None
    nearest_: Codes

    def sides(self, window: int) -> tuple[int, ...]:
        """Empty: no spectrum is read."""
        return ()

    def fit(self, samples: Samples, progress: Advance | None = None) -> None:
        """Find the nearest training pixel of every pixel of the scene."""
        train, codes = np.zeros(samples.shape, bool), np.full(samples.shape, -1, np.int64)
        train[samples.rows, samples.columns] = True
        codes[samples.rows, samples.columns] = samples.codes
        self.nearest_ = nearest_training_codes(train, codes)

    def predict(self, pixels: Pixels) -> Predicted:
        """Look up the class codes of the positions."""
        return Predicted(self.nearest_[pixels.rows, pixels.columns])

    def recipe(self) -> dict[str, Any]:
        """Empty: there are no parameters."""
        return {}

    def describe(self) -> str:
        """The distance."""
        return "Euclidean distance in rows and columns"
