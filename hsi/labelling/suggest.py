"""The place that is most worth labelling next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from hsi.labelling.quick import Float, Mask, PixelFeatures, QuickClassifier, similarity

CANDIDATES = 2000  # pixels that are compared
LARGE = 1 << 22  # pixels from which on candidates are drawn from all pixels, valid or not
SPARE = 50  # times as many as wanted, of which the valid ones are used
TYPICAL = 300  # of them, evenly spread, stand for all pixels
KNOWN = 100  # labelled pixels that they are compared with
GAMMA = 1.0  # of the kernel: pixels a distance of 1 from each other share 1/e
NOISE = 0.1  # variance of what one look, or a stroke of 3 x 3 labelled pixels, says about its own place
STROKE = 9  # pixels of a stroke, which say much the same
REACH = 2  # pixels around a place that has been shown which are not shown


@dataclass(frozen=True)
class Place:
    """A pixel, from 0: ``unlike`` is how much of it the labels leave open, 1 to 0, and ``between`` are the ids of the
    two likeliest classes, empty with fewer than two."""

    row: int
    column: int
    unlike: float
    between: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pixels that may be suggested: their ``rows`` and ``columns`` ``(n,)`` and features ``(n, F)``."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    features: Float

    @property
    def typical(self) -> slice:
        """Those that stand for all pixels of the scene."""
        return slice(None, None, -(-self.rows.size // TYPICAL))

    @cached_property
    def kernel(self) -> Float:
        """The similarity ``(t, n)`` of the typical ones to all, 0 to 1."""
        return similarity(self.features[self.typical], self.features, GAMMA)


def find_candidates(features: PixelFeatures | Float, valid: Mask, most: int = CANDIDATES, seed: int = 0) -> Candidates:
    """A random sample of at most ``most`` of the ``valid`` pixels ``(H, W)``, the same for the same seed.

    ``features`` are those of the scene, ``(H, W, F)`` or in strips.
    """
    random = np.random.default_rng(seed)
    if valid.size > LARGE:  # without a list of all pixels
        places = np.unique(random.integers(valid.size, size=most * SPARE))
        places = random.permutation(places[valid.flat[places]])[:most]
    else:
        places = np.flatnonzero(valid)
        places = random.choice(places, min(most, places.size), replace=False)
    rows, columns = np.unravel_index(np.sort(places), valid.shape)
    found = features.at(rows, columns) if isinstance(features, PixelFeatures) else features[rows, columns]
    return Candidates(rows, columns, found)


def suggest_place(
    candidates: Candidates,
    labels: NDArray[Any],
    visited: Sequence[tuple[int, int]] = (),
    classifier: QuickClassifier | None = None,
    background: int = 0,
) -> Place | None:
    """The candidate that tells most about the pixels that the classifier is unsure of; None when all have been shown.

    A label also says something about similar pixels, as an observation of a Gaussian process does. A candidate's score
    is the variance that its label would remove from the scene (Cohn et al. 1996, doi:10.1613/jair.295), where a pixel's
    weight is how close its two likeliest classes are (Scheffer et al. 2001, doi:10.1007/3-540-44816-0_31). So it is
    typical of many pixels, unlike those that are labelled or have been ``visited``, and uncertain. Without a
    classifier of two classes weights are equal; the first place is the most typical one.

    ``labels`` are class ids, ``(H, W)`` or those of the candidates ``(n,)``; ``visited`` are the places (row, column)
    that were suggested before, labelled or not: neither they and their 5 x 5 surroundings nor labelled pixels are
    suggested. The same arguments give the same place.
    """
    rows, columns = candidates.rows, candidates.columns
    known = candidates.features[:0] if classifier is None else sample_points(classifier.points_, KNOWN)
    share = 1.0 if classifier is None else len(known) / len(classifier.points_)
    noise = np.full(len(known), NOISE * max(0.1, STROKE * share))
    shown = np.zeros(rows.size, bool)
    free = (labels if labels.ndim == 1 else labels[rows, columns]) == background
    for row, column in visited:
        near = (abs(rows - row) <= REACH) & (abs(columns - column) <= REACH)
        free &= ~near
        shown |= (rows == row) & (columns == column)
    if not free.any():
        return None
    weights, between = np.ones(rows.size, np.float32), None
    if classifier is not None and classifier.classes_.size > 1:
        _, probabilities = classifier.predict(candidates.features)
        order = probabilities.argsort(axis=1)[:, :-3:-1]
        first, second = np.take_along_axis(probabilities, order, axis=1).T
        weights, between = 1 - (first - second), classifier.classes_[order]
    known = np.concatenate([known, candidates.features[shown]])
    noise = np.append(noise, np.full(np.count_nonzero(shown), NOISE))
    covariance, variance = covariance_given(candidates, known, noise)
    removed = np.einsum("i,ij,ij->j", weights[candidates.typical], covariance, covariance) / (variance + NOISE)
    best = int(np.where(free, removed, -1.0).argmax())
    classes = () if between is None else tuple(between[best].tolist())
    return Place(int(rows[best]), int(columns[best]), float(variance[best]), classes)


def covariance_given(candidates: Candidates, known: Float, noise: NDArray[np.floating[Any]]) -> tuple[Float, Float]:
    """The covariance ``(t, n)`` of typical candidates with all, and the variance ``(n,)`` of all, given a label with
    ``noise`` ``(m,)`` at each of the ``known`` features ``(m, F)``."""
    if not len(known):
        return candidates.kernel, np.ones(candidates.rows.size, np.float32)
    among = similarity(known, known, GAMMA)
    among.flat[:: len(known) + 1] += noise.astype(np.float32)
    lower = scipy.linalg.cholesky(among, lower=True)
    spread = scipy.linalg.solve_triangular(lower, similarity(known, candidates.features, GAMMA), lower=True)
    return candidates.kernel - spread[:, candidates.typical].T @ spread, 1 - np.einsum("ij,ij->j", spread, spread)


def sample_points(points: Float, most: int) -> Float:
    """At most ``most`` of the points ``(n, F)``, the same each time."""
    if len(points) <= most:
        return points
    return points[np.random.default_rng(0).choice(len(points), most, replace=False)]
