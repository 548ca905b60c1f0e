"""Training pixels that are held out, to weight the members of a pool and to calibrate, without a validation set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
HELD_OUT_SQUARE = 22  # pixels, twice the window where surroundings mislead, of the squares that are held out as one
MOST_PIXELS = 1500  # to cross-validate a support vector machine with, whose time grows with their square
LEAST_WEIGHT = 0.02  # of a member that is worth its time
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def held_out_folds(codes: Codes, train: NDArray[np.bool_], seed: int, block: int = 0) -> Codes:
    """The fold ``(H, W)`` of each training pixel, -1 for other pixels and for those that always train.

    Pixels of a class go to :data:`FOLDS` folds in random order; with ``block`` complete squares of so many pixels do,
    so that the surroundings of a fold are unknown to the others.
    """
    random, folds = np.random.default_rng(seed), np.full(train.shape, -1, np.int64)
    if not block:
        folds[train] = assign_stratified_folds(codes[train], FOLDS, random)
        return folds
    rows, columns = np.nonzero(train)
    _, group = np.unique(rows // block * train.shape[1] + columns // block, return_inverse=True)
    counts = np.zeros((group.max() + 1, codes.max() + 1), np.int64)
    np.add.at(counts, (group, codes[train]), 1)
    folds[train] = assign_folds(counts, FOLDS, random)[group]
    return folds


@dataclass(frozen=True, eq=False)
class SpectralMembers:
    """The linear classifier and the support vector machine of a pool, fitted on all training pixels, with the
    logarithms of probabilities ``held_out`` ``(2, n, C)`` that those of the other folds give; 0 for pixels that always
    train."""

    linear: torch.nn.Linear
    machine: SupportVectors
    held_out: Floats


def fit_spectral_members(
    pixels: NDArray[np.float32], spectra: NDArray[np.float32], codes: Codes, folds: Codes, classes: int, bands: int
) -> SpectralMembers:
    """Fit on components ``pixels`` ``(n, K)`` and ``spectra`` ``(n, S)`` of ``codes`` ``(n,)``.

    The support vector machine has the cost and the gamma, around one over the number of ``bands``, that are most
    accurate over the ``folds`` ``(n,)``.
    """
    tuned = _tune(spectra, codes, folds, bands)
    held_out = np.zeros((2, codes.size, classes))
    for fold in range(int(folds.max()) + 1):
        others, own = folds != fold, folds == fold
        linear = fit_linear("discriminant", pixels[others], codes[others], classes)
        machine = _machine(spectra[others], codes[others], classes, tuned)
        held_out[0, own] = _logarithms(linear, pixels[own])
        held_out[1, own] = _logarithms(machine, spectra[own])
    linear = fit_linear("discriminant", pixels, codes, classes)
    return SpectralMembers(linear, _machine(spectra, codes, classes, tuned), held_out)


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
    candidates = [{"cost": cost, "gamma": gamma / bands} for cost in COSTS for gamma in SCALED_GAMMAS]
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
