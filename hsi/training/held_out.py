"""Training pixels that are held out, to weight the members of a pool and to calibrate, without a validation set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import t as student_t

from hsi.baselines.svm import COSTS, SCALED_GAMMAS
from hsi.baselines.tuned import assign_stratified_folds, subsample
from hsi.models import SupportVectors, fit_linear, fit_support_vectors, member_logarithms, place_inputs, sum_linear
from hsi.splits.groups import assign_folds

FOLDS = 4
SQUARES = (1, 4, 8, 11, 16, 22)  # sides, in pixels, of the squares that are held out as one
HELD_OUT_SQUARE = max(SQUARES)  # where no test pixels say how far it is to training pixels
MEASURED = 5000  # pixels, at most, whose distance is measured
MOST_PIXELS = 1500  # to cross-validate a support vector machine with, whose time grows with their square
MOST_FITTED = 5000  # pixels to fit it on
LEAST_WEIGHT = 0.02  # of a member that is worth its time
REGRESSION_COSTS = (0.01, 0.1, 1.0, 10.0)
FILTERED_COSTS = (10.0, 100.0, 1e3)
FILTERED_GAMMAS = (1 / 32, 1 / 8, 1 / 2)  # times the number of components
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def held_out_folds(codes: Codes, train: NDArray[np.bool_], seed: int, block: int = 1) -> Codes:
    """The fold ``(H, W)`` of each training pixel, -1 for other pixels and for those that always train.

    Pixels of a class go to :data:`FOLDS` folds in random order; with a ``block`` of more than one pixel complete
    squares of that side do, so that the surroundings of a fold are unknown to the others. Pixels of a class that the
    others lack always train.
    """
    random, folds = np.random.default_rng(seed), np.full(train.shape, -1, np.int64)
    if block <= 1:
        folds[train] = assign_stratified_folds(codes[train], FOLDS, random)
        return folds
    group = squares_of(train, block)
    counts = np.zeros((group.max() + 1, codes.max() + 1), np.int64)
    np.add.at(counts, (group, codes[train]), 1)
    folds[train] = assign_folds(counts, FOLDS, random)[group]
    for fold in range(FOLDS):
        own = folds == fold
        folds[own & ~np.isin(codes, codes[train & ~own])] = -1
    return folds


def squares_of(chosen: NDArray[np.bool_], side: int) -> Codes:
    """The number ``(n,)``, from 0, of the square of ``side`` pixels that each of the ``chosen`` ``(H, W)`` is in."""
    rows, columns = np.nonzero(chosen)
    _, number = np.unique(rows // side * chosen.shape[1] + columns // side, return_inverse=True)
    return np.asarray(number, np.int64)


def square_to_hold_out(codes: Codes, train: NDArray[np.bool_], test: NDArray[np.bool_], seed: int) -> int:
    """The side of the squares of training pixels to hold out as one, so that what is held out is as far from the other
    training pixels as ``test`` pixels are from all of them; the largest without test pixels.

    Mean distances are compared (Mila et al. 2022, doi:10.1111/2041-210X.13851, compare their distribution). Only the
    places of test pixels are used, not their classes. Squares that hold out less than half of the training pixels, or
    whose first fold holds out none or leaves a single class, are too large.
    """
    places = np.argwhere(train)
    wanted = _mean_distance(places, np.argwhere(test)) if test.any() and train.any() else np.inf
    best, least = 1, np.inf
    for side in SQUARES:
        fold = held_out_folds(codes, train, seed, side)[train]
        others = fold != 0
        if others.all() or 2 * np.count_nonzero(fold >= 0) < len(fold) or np.unique(codes[train][others]).size < 2:
            continue
        sides = [(places[fold != one], places[fold == one]) for one in range(FOLDS) if (fold == one).any()]
        found = float(np.mean([_mean_distance(others, own) for others, own in sides]))
        difference = -side if wanted == np.inf else abs(found - wanted)
        if difference < least:
            best, least = side, difference
    return best


def _mean_distance(places: Codes, others: Codes) -> float:
    from scipy.spatial import cKDTree

    some = others[:: -(-len(others) // MEASURED)]
    distances, _ = cKDTree(places).query(some, p=np.inf)
    return float(np.mean(distances))


class Members(NamedTuple):
    """The linear classifier and the support vector machine of a pool."""

    linear: torch.nn.Linear
    machine: SupportVectors


def fit_members(
    pixels: NDArray[np.float32], spectra: NDArray[np.float32], codes: Codes, folds: Codes, classes: int, bands: int
) -> tuple[Members, Members, Floats]:
    """Fit on components ``pixels`` ``(n, K)`` and on ``spectra`` ``(n, S)`` of ``codes`` ``(n,)``.

    The linear classifier is a discriminant of components; where ``spectra`` are of a scene's ``bands`` it is a weighted
    sum with logistic regressions of components and of these, and sees K + S values. The support vector machine of
    ``spectra`` has the cost and the gamma, around one over the number of bands, that are most accurate over the
    ``folds`` ``(n,)``; for 0 bands, of filtered components, they are fewer, and gamma is around one over S. Of many
    pixels it is fitted on a stratified sample of :data:`MOST_FITTED`. Returns members fitted on all pixels, others
    fitted without the first fold, and the logarithms of probabilities ``(2, n, C)`` of each pixel that those of the
    other folds give; 0 for pixels that always train.
    """
    tuned = _tune(spectra, codes, folds, bands)
    values = np.concatenate([pixels, spectra], axis=1) if bands else pixels
    kinds = [("discriminant", pixels, 0, 1.0)]
    if bands:
        places = ((pixels, 0), (spectra, pixels.shape[1]))
        kinds += [("logistic", seen, first, _tune_regression(seen, codes, folds)) for seen, first in places]

    def fit(used: NDArray[np.bool_]) -> tuple[list[torch.nn.Linear], SupportVectors]:
        linears = [
            place_inputs(fit_linear(kind, seen[used], codes[used], classes, cost), first, values.shape[1])
            for kind, seen, first, cost in kinds
        ]
        some = np.flatnonzero(used)[subsample(codes[used], MOST_FITTED, np.random.default_rng(0))]
        return linears, _machine(spectra[some], codes[some], classes, tuned)

    own = {int(fold): folds == fold for fold in np.unique(folds[folds >= 0])}
    fits = {fold: fit(~held_out) for fold, held_out in own.items()}
    complete = fit(np.ones(codes.size, bool))
    shares = np.ones(1)
    if bands:
        logs = np.zeros((len(kinds), codes.size, classes))
        for fold, (linears, _) in fits.items():
            logs[:, own[fold]] = [_logarithms(linear, values[own[fold]]) for linear in linears]
        shares = fit_weights(logs[:, folds >= 0], codes[folds >= 0], np.zeros(len(kinds)), 1.0)

    def join(fitted: tuple[list[torch.nn.Linear], SupportVectors]) -> Members:
        return Members(sum_linear(fitted[0], shares.tolist()), fitted[1])

    held_out = np.zeros((2, codes.size, classes))
    for fold, fitted in fits.items():
        linear, machine = join(fitted)
        held_out[:, own[fold]] = [_logarithms(linear, values[own[fold]]), _logarithms(machine, spectra[own[fold]])]
    return join(complete), join(fits.get(0, complete)), held_out


def fit_weights(logarithms: Floats, codes: Codes, usual: Floats, spread: float) -> Floats:
    """Weights ``(M,)``, 0 or more, of the sum of ``logarithms`` ``(M, n, C)`` that give the true ``codes`` ``(n,)`` the
    highest likelihood, with a normal prior of a standard deviation ``spread`` around the ``usual`` weights."""
    places = np.arange(codes.size)

    def loss(weights: Floats) -> tuple[float, Floats]:
        logs = log_softmax(np.tensordot(weights, logarithms, 1), axis=1)
        slopes = (np.exp(logs) * logarithms).sum(axis=2) - logarithms[:, places, codes]  # (M, n)
        deviation = (weights - usual) / spread
        value = float((deviation**2).sum() / 2 - logs[places, codes].sum())
        return value / codes.size, (deviation / spread + slopes.sum(axis=1)) / codes.size

    bounds = [(0.0, 10.0)] * len(logarithms)
    found = minimize(loss, np.maximum(usual, 0.1), jac=True, bounds=bounds, method="L-BFGS-B")
    return np.asarray(np.where(found.x < LEAST_WEIGHT, 0.0, found.x))


def improves(logarithms: Floats, codes: Codes, weights: Floats, usual: Floats, squares: Codes) -> bool:
    """Whether ``weights`` give the true ``codes`` ``(n,)`` a higher likelihood than the ``usual`` ones do, beyond
    Student's interval of 95 %.

    Pixels of one of the ``squares`` ``(n,)`` are no independent evidence, so the error is that of a sum over squares
    (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13).
    """
    places = np.arange(codes.size)
    ours, theirs = (log_softmax(np.tensordot(each, logarithms, 1), axis=1)[places, codes] for each in (weights, usual))
    gains = ours - theirs
    sums = np.bincount(squares, gains - gains.mean())
    if sums.size < 2:
        return False
    error = (sums.size / (sums.size - 1) * (sums**2).sum()) ** 0.5
    return bool(gains.sum() > student_t.ppf(0.975, sums.size - 1) * error)


def _tune(spectra: NDArray[np.float32], codes: Codes, folds: Codes, bands: int) -> dict[str, float]:
    from sklearn.svm import SVC

    costs, gammas = (COSTS, SCALED_GAMMAS) if bands else (FILTERED_COSTS, FILTERED_GAMMAS)
    scale = bands or spectra.shape[1]
    candidates = [{"cost": cost, "gamma": gamma / scale} for cost in costs for gamma in gammas]
    makers = [partial(SVC, C=values["cost"], gamma=values["gamma"]) for values in candidates]
    return candidates[_most_accurate(makers, spectra, codes, folds)]


def _tune_regression(spectra: NDArray[np.float32], codes: Codes, folds: Codes) -> float:
    from sklearn.linear_model import LogisticRegression

    makers = [partial(LogisticRegression, C=cost, max_iter=1000) for cost in REGRESSION_COSTS]
    return REGRESSION_COSTS[_most_accurate(makers, spectra, codes, folds)]


def _most_accurate(makers: Sequence[Callable[[], Any]], values: NDArray[np.float32], codes: Codes, folds: Codes) -> int:
    """The place of the classifier that is right for most pixels of held-out folds, the first of equal ones."""
    used = subsample(codes, MOST_PIXELS, np.random.default_rng(0))
    values, codes, folds = values[used], codes[used], folds[used]
    right = np.zeros(len(makers), np.int64)
    for number, make in enumerate(makers):
        for fold in range(int(folds.max()) + 1):
            others, own = folds != fold, folds == fold
            if own.any() and np.unique(codes[others]).size > 1:
                right[number] += np.count_nonzero(
                    make().fit(values[others], codes[others]).predict(values[own]) == codes[own]
                )
    return int(right.argmax())


def _machine(spectra: NDArray[np.float32], codes: Codes, classes: int, tuned: dict[str, float]) -> SupportVectors:
    if np.unique(codes).size < 2:
        return SupportVectors((0, spectra.shape[1], 0), classes)
    return fit_support_vectors(spectra, codes, classes, **tuned)


@torch.no_grad()
def _logarithms(member: torch.nn.Module, pixels: NDArray[np.float32]) -> Floats:
    return np.asarray(member_logarithms(member(torch.from_numpy(pixels))).numpy(), np.float64)
