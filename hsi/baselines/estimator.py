"""Comparators made of a classifier with ``fit`` and ``predict``, as scikit-learn's are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hsi.baselines.baseline import Advance, Comparator, Pixels, Predicted, Samples
from hsi.baselines.tuned import Choice, Grid, choose


class EstimatorComparator(Comparator):
    """Chooses from :meth:`grid` by cross-validation, then learns from all training pixels.

    ``fixed`` are settings that are not chosen; ``probable`` says that ``predict_proba`` is there and a probability.
    """

    fixed: ClassVar[Mapping[str, Any]] = {}
    probable: ClassVar[bool] = False
    choice_: Choice
    estimator_: Any

    def grid(self, samples: Samples) -> Grid:
        """Values to choose from, from smooth to rough."""
        return {}

    @abstractmethod
    def build(self, **chosen: Any) -> Any:
        """A new classifier with ``fit(values, codes)`` and ``predict(values)``."""

    def fit(self, samples: Samples, progress: Advance) -> None:
        """Cross-validate where there is a choice, then fit."""
        self.choice_ = choose(self.build, samples, self.grid(samples), self.seed, progress)
        self.side_ = self.choice_.side
        self.estimator_ = self.build(**self.choice_.values)
        self.estimator_.fit(samples.values[samples.sides.index(self.side_)], samples.codes)

    def predict(self, pixels: Pixels) -> Predicted:
        """Name pixels, with the probability of the name where there is one."""
        if not self.probable:
            return Predicted(self.estimator_.predict(pixels.values))
        shares = self.estimator_.predict_proba(pixels.values)  # (n, trained classes)
        return Predicted(self.estimator_.classes_[shares.argmax(axis=1)], shares.max(axis=1).astype(np.float32))

    def recipe(self) -> dict[str, Any]:
        """Fixed and chosen settings, and how these were chosen."""
        choice = self.choice_.to_dict()
        chosen = {**self.fixed, **choice.pop("values"), "window": choice.pop("side")}
        return {**chosen, "cross_validation": None if choice["accuracy"] is None else choice}

    def describe(self) -> str:
        """Fixed and chosen settings, and by what accuracy these were chosen."""
        choice = self.choice_
        side = {} if choice.side == 1 else {"means over": f"{choice.side} x {choice.side} pixels"}
        values = {**self.fixed, **choice.values, **side}
        listed = ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                           for name, value in values.items())  # fmt: skip
        if choice.accuracy is None:
            return listed
        tried = f"{choice.folds} folds of {choice.pixels:,} training pixels"
        return f"{listed}; by {tried}, {choice.accuracy:.1%} right"
