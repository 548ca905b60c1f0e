"""scikit-learn estimators with parameters chosen by cross-validation on the training pixels."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from hsi.baselines.baseline import Advance, Baseline, Codes, Pixels, Predicted, Samples

FOLDS = 5
MAX_PIXELS = 3000  # to cross-validate with; the time of support vector machines grows with their square
Grid = Mapping[str, tuple[float, ...]]
Build = Callable[..., Any]


@dataclass(frozen=True)
class TuningResult:
    """Selected ``values`` of the grid and ``side`` of the window, and the cross-validation: its ``folds``, ``pixels``
    and ``accuracy``, which are 0, 0 and None where nothing was compared."""

    values: dict[str, float]
    side: int
    folds: int = 0
    pixels: int = 0
    accuracy: float | None = None


def tune(build: Build, samples: Samples, grid: Grid, seed: int, progress: Advance | None = None) -> TuningResult:
    """Select the side of the window and the values of ``grid`` with the highest cross-validated accuracy.

    ``build(**values)`` makes a classifier with ``fit`` and ``predict``. Of equal candidates the first is selected, so
    grids are ordered from smooth to rough. With a single candidate, and where no class has two pixels, nothing is
    compared and the middle of the grid is selected.
    """
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    candidates = list(itertools.product(range(len(samples.sides)), combinations))
    random = np.random.default_rng(seed)
    selected = subsample(samples.codes, MAX_PIXELS, random)
    codes = samples.codes[selected]
    fold_of = assign_stratified_folds(codes, FOLDS, random)
    folds = int(fold_of.max()) + 1
    if len(candidates) == 1 or folds < 2:
        middle = {name: values[len(values) // 2] for name, values in grid.items()}
        return TuningResult(middle, samples.sides[len(samples.sides) // 2])
    right = np.zeros(len(candidates), np.int64)
    for number, (layer, values) in enumerate(candidates):
        pixels = samples.values[layer, selected]
        for fold in range(folds):
            tested = fold_of == fold
            classifier = build(**values)
            classifier.fit(pixels[~tested], codes[~tested])
            right[number] += np.count_nonzero(classifier.predict(pixels[tested]) == codes[tested])
            if progress:
                progress(number * folds + fold + 1, len(candidates) * folds)
    best = int(right.argmax())
    layer, values = candidates[best]
    accuracy = float(right[best] / np.count_nonzero(fold_of >= 0))
    return TuningResult(values, samples.sides[layer], folds, len(selected), accuracy)


def assign_stratified_folds(codes: Codes, folds: int, random: np.random.Generator) -> Codes:
    """The fold ``(n,)`` of each pixel; the pixels of each class, in random order, go to the folds in turn.

    Unlike in scikit-learn's StratifiedKFold, classes may have fewer pixels than ``folds``, and the pixel of a
    single-pixel class always trains (fold -1), so that the training pixels of every fold contain every class.
    """
    fold_of = np.full(codes.size, -1, np.int64)
    start = 0
    for code in np.unique(codes):
        members = random.permutation(np.flatnonzero(codes == code))
        if members.size > 1:
            fold_of[members] = (np.arange(members.size) + start) % folds
            start += members.size  # the next class continues where this one ends
    used = np.unique(fold_of[fold_of >= 0])
    return np.where(fold_of >= 0, np.searchsorted(used, fold_of), -1)


def subsample(codes: Codes, size: int, random: np.random.Generator) -> Codes:
    """Ascending positions of about ``size`` pixels, drawn at the same rate from every class, at least two of each."""
    if codes.size <= size:
        return np.arange(codes.size)
    selected = []
    for code in np.unique(codes):
        members = random.permutation(np.flatnonzero(codes == code))
        selected.append(members[: max(2, round(members.size * size / codes.size))])
    return np.sort(np.concatenate(selected))


class TunedEstimator(Baseline):
    """A baseline with parameters chosen from :meth:`grid` by cross-validation, fitted on all training pixels.

    ``fixed`` are the other parameters; ``probable`` tells whether ``predict_proba`` gives probabilities.
    """

    fixed: ClassVar[Mapping[str, Any]] = {}
    probable: ClassVar[bool] = False
    tuning_: TuningResult
    estimator_: Any

    def grid(self, samples: Samples) -> Grid:
        """Values of each tuned parameter, from smooth to rough."""
        return {}

    @abstractmethod
    def build(self, **parameters: Any) -> Any:
        """A new classifier with ``fit(values, codes)`` and ``predict(values)``."""

    def fit(self, samples: Samples, progress: Advance | None = None) -> None:
        """Tune the parameters, then fit on all samples."""
        self.tuning_ = tune(self.build, samples, self.grid(samples), self.seed, progress)
        self.side_ = self.tuning_.side
        self.estimator_ = self.build(**self.tuning_.values)
        self.estimator_.fit(samples.values[samples.sides.index(self.side_)], samples.codes)

    def predict(self, pixels: Pixels) -> Predicted:
        """Classify pixels, with the probability of the class where ``probable``."""
        if not self.probable:
            return Predicted(self.estimator_.predict(pixels.values))
        probabilities = self.estimator_.predict_proba(pixels.values)  # (n, trained classes)
        codes = self.estimator_.classes_[probabilities.argmax(axis=1)]
        return Predicted(codes, probabilities.max(axis=1).astype(np.float32))

    def recipe(self) -> dict[str, Any]:
        """Fixed and tuned parameters, and the cross-validation."""
        tuning = asdict(self.tuning_)
        parameters = {**self.fixed, **tuning.pop("values"), "window": tuning.pop("side")}
        return {**parameters, "cross_validation": None if tuning["accuracy"] is None else tuning}

    def describe(self) -> str:
        """Fixed and tuned parameters, and their cross-validated accuracy."""
        tuning = self.tuning_
        side = {} if tuning.side == 1 else {"means over": f"{tuning.side} x {tuning.side} pixels"}
        values = {**self.fixed, **tuning.values, **side}
        listed = ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                           for name, value in values.items())  # fmt: skip
        if tuning.accuracy is None:
            return listed
        return f"{listed}; by {tuning.folds} folds of {tuning.pixels:,} training pixels, {tuning.accuracy:.1%} right"
