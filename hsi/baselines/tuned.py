"""scikit-learn estimators whose parameters are chosen by cross-validation on the training pixels."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsi.baselines.baseline import Advance, Baseline, Codes, Pixels, Predicted, Samples

FOLDS = 5
MOST = 3000  # pixels to cross-validate with; support vector machines take the square of their number in time
Grid = Mapping[str, tuple[float, ...]]
Build = Callable[..., Any]


@dataclass(frozen=True)
class TuningResult:
    """Chosen ``values`` and ``side`` of the window, by ``folds`` folds of ``pixels`` training pixels, of which
    ``accuracy`` were right; 0, 0 and None where nothing was compared."""

    values: dict[str, float]
    side: int
    folds: int = 0
    pixels: int = 0
    accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def tune(build: Build, samples: Samples, grid: Grid, seed: int, progress: Advance) -> TuningResult:
    """The side of the window and the values of ``grid`` that name most pixels of the left-out folds right.

    ``build(**values)`` makes a classifier with ``fit`` and ``predict``. Of equals the first wins, so a grid goes from
    smooth to rough. Where there is one choice, or no class has two pixels to leave one out of, nothing is compared and
    the middle of the grid is taken.
    """
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    candidates = list(itertools.product(range(len(samples.sides)), combinations))
    random = np.random.default_rng(seed)
    drawn = subsample(samples.codes, MOST, random)
    codes = samples.codes[drawn]
    fold_of = deal_folds(codes, FOLDS, random)
    folds = int(fold_of.max()) + 1
    if len(candidates) == 1 or folds < 2:
        middle = {name: values[len(values) // 2] for name, values in grid.items()}
        return TuningResult(middle, samples.sides[len(samples.sides) // 2])
    right = np.zeros(len(candidates), np.int64)
    for number, (layer, values) in enumerate(candidates):
        for fold in range(folds):
            right[number] += _right(build(**values), samples.values[layer, drawn], codes, fold_of == fold)
            progress(number * folds + fold + 1, len(candidates) * folds)
    best = int(right.argmax())
    layer, values = candidates[best]
    tested = int(np.count_nonzero(fold_of >= 0))
    return TuningResult(values, samples.sides[layer], folds, len(drawn), float(right[best] / tested))


def deal_folds(codes: Codes, folds: int, random: np.random.Generator) -> Codes:
    """The fold ``(n,)`` of each pixel: those of each class, in random order, in turn, so that folds are alike.

    A class with fewer pixels than ``folds`` is in so many folds; the single pixel of a class always trains (fold -1).
    So the training pixels of every fold hold every class, and no more folds are used than a class has pixels.
    """
    fold_of = np.full(codes.size, -1, np.int64)
    start = 0
    for code in np.unique(codes):
        places = random.permutation(np.flatnonzero(codes == code))
        if places.size > 1:
            fold_of[places] = (np.arange(places.size) + start) % folds
            start += places.size  # the next class goes on where this one ends
    used = np.unique(fold_of[fold_of >= 0])
    return np.where(fold_of >= 0, np.searchsorted(used, fold_of), -1)


def subsample(codes: Codes, most: int, random: np.random.Generator) -> Codes:
    """Positions, ascending, of about ``most`` pixels at most, drawn at the same rate from every class, at least two."""
    if codes.size <= most:
        return np.arange(codes.size)
    kept = []
    for code in np.unique(codes):
        places = random.permutation(np.flatnonzero(codes == code))
        kept.append(places[: max(2, round(places.size * most / codes.size))])
    return np.sort(np.concatenate(kept))


def _right(classifier: Any, values: NDArray[np.float32], codes: Codes, tested: NDArray[np.bool_]) -> int:
    """How many of the pixels tested are named right by a classifier that learned from the others."""
    classifier.fit(values[~tested], codes[~tested])
    return int(np.count_nonzero(classifier.predict(values[tested]) == codes[tested]))


class TunedEstimator(Baseline):
    """Chooses from :meth:`grid` by cross-validation, then learns from all training pixels.

    ``fixed`` are settings that are not chosen; ``probable`` says that ``predict_proba`` is there and a probability.
    """

    fixed: ClassVar[Mapping[str, Any]] = {}
    probable: ClassVar[bool] = False
    choice_: TuningResult
    estimator_: Any

    def grid(self, samples: Samples) -> Grid:
        """Values to choose from, from smooth to rough."""
        return {}

    @abstractmethod
    def build(self, **chosen: Any) -> Any:
        """A new classifier with ``fit(values, codes)`` and ``predict(values)``."""

    def fit(self, samples: Samples, progress: Advance) -> None:
        """Cross-validate where there is a choice, then fit."""
        self.choice_ = tune(self.build, samples, self.grid(samples), self.seed, progress)
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
