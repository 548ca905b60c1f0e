"""Choose the settings of a classifier by cross-validation on its training pixels, and no other pixel."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.baselines.baseline import Advance, Codes, Samples

FOLDS = 5
MOST = 3000  # pixels to cross-validate with; support vector machines take the square of their number in time
Grid = Mapping[str, tuple[float, ...]]
Build = Callable[..., Any]


@dataclass(frozen=True)
class Choice:
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


def choose(build: Build, samples: Samples, grid: Grid, seed: int, progress: Advance) -> Choice:
    """The side of the window and the values of ``grid`` that name most pixels of the left-out folds right.

    ``build(**values)`` makes a classifier with ``fit`` and ``predict``. Of equals the first wins, so a grid goes from
    smooth to rough. Where there is one choice, or no class has two pixels to leave one out of, nothing is compared and
    the middle of the grid is taken.
    """
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    candidates = list(itertools.product(range(len(samples.sides)), combinations))
    random = np.random.default_rng(seed)
    drawn = draw(samples.codes, MOST, random)
    codes = samples.codes[drawn]
    fold_of = deal_folds(codes, FOLDS, random)
    folds = int(fold_of.max()) + 1
    if len(candidates) == 1 or folds < 2:
        middle = {name: values[len(values) // 2] for name, values in grid.items()}
        return Choice(middle, samples.sides[len(samples.sides) // 2])
    right = np.zeros(len(candidates), np.int64)
    for number, (layer, values) in enumerate(candidates):
        for fold in range(folds):
            right[number] += _right(build(**values), samples.values[layer, drawn], codes, fold_of == fold)
            progress(number * folds + fold + 1, len(candidates) * folds)
    best = int(right.argmax())
    layer, values = candidates[best]
    tested = int(np.count_nonzero(fold_of >= 0))
    return Choice(values, samples.sides[layer], folds, len(drawn), float(right[best] / tested))


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


def draw(codes: Codes, most: int, random: np.random.Generator) -> Codes:
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
