"""Training pixels that are held out, to weight the members of a pool and to calibrate, without a validation set."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from hsi.baselines.svm import COSTS, SCALED_GAMMAS
from hsi.baselines.tuned import assign_stratified_folds, subsample
from hsi.models import SupportVectors, fit_linear, fit_support_vectors, member_logarithms
from hsi.splits.groups import assign_folds

FOLDS = 4
SQUARES = (1, 4, 8, 11, 16, 22)  # sides, in pixels, of the squares that are held out as one
HELD_OUT_SQUARE = max(SQUARES)  # where no test pixels say how far it is to training pixels
MEASURED = 5000  # pixels, at most, whose distance is measured
MOST_PIXELS = 1500  # to cross-validate a support vector machine with, whose time grows with their square
LEAST_WEIGHT = 0.02  # of a member that is worth its time
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
    rows, columns = np.nonzero(train)
    _, group = np.unique(rows // block * train.shape[1] + columns // block, return_inverse=True)
    counts = np.zeros((group.max() + 1, codes.max() + 1), np.int64)
    np.add.at(counts, (group, codes[train]), 1)
    folds[train] = assign_folds(counts, FOLDS, random)[group]
    for fold in range(FOLDS):
        own = folds == fold
        folds[own & ~np.isin(codes, codes[train & ~own])] = -1
    return folds


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
    """Fit on components ``pixels`` ``(n, K)`` and, for the support vector machine, ``spectra`` ``(n, S)`` of ``codes``
    ``(n,)``.

    The support vector machine has the cost and the gamma, around one over the number of ``bands``, that are most
    accurate over the ``folds`` ``(n,)``; for 0 bands they are fewer, and gamma is around one over S. Returns members
    fitted on all pixels, others fitted without the first fold, and the logarithms of probabilities ``(2, n, C)`` of
    each pixel that those of the other folds give; 0 for pixels that always train.
    """
    tuned = _tune(spectra, codes, folds, bands)

    def fit(used: NDArray[np.bool_]) -> Members:
        machine = _machine(spectra[used], codes[used], classes, tuned)
        return Members(fit_linear("discriminant", pixels[used], codes[used], classes), machine)

    held_out, without_first = np.zeros((2, codes.size, classes)), None
    for fold in np.unique(folds[folds >= 0]):
        own = folds == fold
        others = fit(~own)
        without_first = without_first or others
        held_out[:, own] = [_logarithms(others.linear, pixels[own]), _logarithms(others.machine, spectra[own])]
    fitted = fit(np.ones(codes.size, bool))
    return fitted, without_first or fitted, held_out


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


def improves(logarithms: Floats, codes: Codes, weights: Floats, usual: Floats) -> bool:
    """Whether ``weights`` give the true ``codes`` ``(n,)`` a higher likelihood than the ``usual`` ones do, by more than
    two standard errors."""
    places = np.arange(codes.size)
    ours, theirs = (log_softmax(np.tensordot(each, logarithms, 1), axis=1)[places, codes] for each in (weights, usual))
    gains = ours - theirs
    return bool(gains.mean() > 2 * gains.std() / codes.size**0.5)


def _tune(spectra: NDArray[np.float32], codes: Codes, folds: Codes, bands: int) -> dict[str, float]:
    from sklearn.svm import SVC

    used = subsample(codes, MOST_PIXELS, np.random.default_rng(0))
    spectra, codes, folds = spectra[used], codes[used], folds[used]
    costs, gammas = (COSTS, SCALED_GAMMAS) if bands else (FILTERED_COSTS, FILTERED_GAMMAS)
    scale = bands or spectra.shape[1]
    candidates = [{"cost": cost, "gamma": gamma / scale} for cost in costs for gamma in gammas]
    right = np.zeros(len(candidates), np.int64)
    for number, values in enumerate(candidates):
        for fold in range(int(folds.max()) + 1):
            others, own = folds != fold, folds == fold
            if own.any() and np.unique(codes[others]).size > 1:
                machine: Any = SVC(C=values["cost"], gamma=values["gamma"]).fit(spectra[others], codes[others])
                right[number] += np.count_nonzero(machine.predict(spectra[own]) == codes[own])
    return candidates[int(right.argmax())]


def _machine(spectra: NDArray[np.float32], codes: Codes, classes: int, tuned: dict[str, float]) -> SupportVectors:
    if np.unique(codes).size < 2:
        return SupportVectors((0, spectra.shape[1], 0), classes)
    return fit_support_vectors(spectra, codes, classes, **tuned)


@torch.no_grad()
def _logarithms(member: torch.nn.Module, pixels: NDArray[np.float32]) -> Floats:
    return np.asarray(member_logarithms(member(torch.from_numpy(pixels))).numpy(), np.float64)
