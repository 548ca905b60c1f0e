"""Give whole units to sides or folds so that each class is shared out as evenly as its units allow.

Both ways take the class with the fewest undecided units first, which is the idea of iterative stratification
(Sechidis et al. 2011, doi:10.1007/978-3-642-23808-6_10).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hsi.splits.units import Counts


def halve(counts: Counts, minimum: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which units ``(units,)`` train, so that about half of the pixels of each class do and the others test.

    ``counts`` ``(units, classes)`` are pixels. Each class gets ``minimum`` training pixels first, then as many test
    pixels, then equal halves, as far as the units that it shares with rarer classes leave a choice.
    """
    training = np.zeros(len(counts), bool)
    for code, free in _rarest_first(counts):
        units = random.permutation(free)
        total, before = int(counts[:, code].sum()), int(counts[training, code].sum())
        trained = before + np.concatenate([[0], np.cumsum(counts[units, code])])
        enough = -np.minimum(trained, minimum), -np.minimum(total - trained, minimum)
        taken = np.lexsort((np.abs(2 * trained - total), enough[1], enough[0]))[0]  # the last key counts first
        training[units[:taken]] = True
    return training


def deal(counts: Counts, folds: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The fold ``(units,)`` of each unit, 0 to ``folds - 1``: the largest units of a class first, each to the fold that
    lacks most pixels of that class, then of all classes."""
    fold_of = np.full(len(counts), -1, np.int64)
    lacking = np.repeat(counts.sum(axis=0)[None], folds, axis=0)  # (folds, classes), times the number of folds
    for code, free in _rarest_first(counts):
        units = random.permutation(free)
        for unit in units[np.argsort(-counts[units, code], kind="stable")]:
            order = random.permutation(folds)
            fold = order[np.lexsort((-lacking[order].sum(axis=1), -lacking[order, code]))[0]]
            fold_of[unit] = fold
            lacking[fold] -= folds * counts[unit]
    return fold_of


def _rarest_first(counts: Counts) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each class with the units of it that no earlier class had, the class with the fewest of these next."""
    has, free = counts > 0, np.ones(len(counts), bool)
    waiting = set(np.flatnonzero(has.any(axis=0)).tolist())
    while waiting:
        units, pixels = has[free].sum(axis=0), counts[free].sum(axis=0)
        code = min(waiting, key=lambda c: (units[c], pixels[c], c))
        waiting.remove(code)
        chosen = np.flatnonzero(free & has[:, code])
        if chosen.size:
            yield code, chosen
            free[chosen] = False
