"""Confidence intervals and significance tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGNIFICANCE_LEVEL = 0.05
FEW_DISCORDANT = 25  # fewer discordant pixels than this are counted exactly
DIGITS = 12  # differences of accuracies that are equal to so many decimals are ties


@dataclass(frozen=True)
class McNemar:
    """A McNemar test: ``first`` and ``second`` are the pixels that only the one classifier has right."""

    first: int
    second: int
    pvalue: float
    exact: bool

    @property
    def lead(self) -> int:
        """Pixels that the first classifier has right beyond the second."""
        return self.first - self.second


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Whether two classifiers have different error rates on the same pixels; ``(n,)`` bool, True where one is right.

    Only discordant pixels count (McNemar 1947, doi:10.1007/BF02295996): fewer than 25 by the exact two-sided binomial
    test, more by chi-square with Edwards's continuity correction (1948, doi:10.1007/BF02289261). It takes pixels for
    independent, which neighbours are not, and knows nothing of how another training set would change either
    classifier (Foody 2004, doi:10.14358/PERS.70.5.627, on its use for maps).

    Raises :class:`ValueError` for arrays of different shapes.
    """
    from scipy.stats import binomtest, chi2

    if first.shape != second.shape:
        raise ValueError(f"both classifiers are tested on the same pixels, found shapes {first.shape}, {second.shape}")
    one, other = int(np.count_nonzero(first & ~second)), int(np.count_nonzero(second & ~first))
    total = one + other
    if total < FEW_DISCORDANT:
        pvalue = float(binomtest(one, total).pvalue) if total else 1.0
        return McNemar(one, other, pvalue, exact=True)
    statistic = max(abs(one - other) - 1, 0) ** 2 / total
    return McNemar(one, other, float(chi2.sf(statistic, 1)), exact=False)


def signed_rank(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test for paired differences ``(n,)`` (1945, doi:10.2307/3001968).

    Exact for any number of pairs, ties included: each sign is as likely as the other, so the distribution of the sum of
    mid-ranks is built rank by rank. :func:`scipy.stats.wilcoxon` is exact without ties only. Differences of 0 are left
    out, as Wilcoxon did; 1 when none is left.
    """
    from scipy.stats import rankdata

    given: NDArray[Any] = np.round(np.asarray(differences, np.float64), DIGITS)
    given = given[given != 0]
    ranks = np.rint(2 * rankdata(np.abs(given))).astype(int)  # twice the mid-ranks are whole numbers
    chances = np.ones(1)
    for rank in ranks.tolist():
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    found = int(ranks[given > 0].sum())
    return min(1.0, 2 * float(min(chances[: found + 1].sum(), chances[found:].sum())))


def smallest_signed_rank(pairs: int) -> float:
    """The smallest two-sided p that :func:`signed_rank` can give for so many pairs."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(tests: int) -> int:
    """How many pairs Wilcoxon's test needs to reach p < 0.05 after Holm's correction for so many tests at once."""
    return math.floor(math.log2(tests / SIGNIFICANCE_LEVEL) + 1) + 1


def holm(pvalues: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in the order given (Holm 1979, https://www.jstor.org/stable/4615733)."""
    order = sorted(range(len(pvalues)), key=lambda i: pvalues[i])
    corrected, largest = [1.0] * len(pvalues), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(pvalues) - place) * pvalues[i]))
        corrected[i] = largest
    return corrected


CONFIDENCE_LEVEL = 0.95

Interval = tuple[float, float]


def wilson_interval(correct: int, total: int) -> Interval | None:
    """Two-sided 95 % score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953); None of nothing.

    It treats pixels as independent draws. Neighbouring pixels are not, so the true interval is wider.
    """
    from scipy.stats import binomtest

    if total == 0:
        return None
    found = binomtest(correct, total).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(found.low), float(found.high)


def t_interval(values: Sequence[float]) -> Interval | None:
    """Two-sided 95 % interval of the mean over runs (Student 1908, doi:10.1093/biomet/6.1.1); None for fewer than two.

    ``values`` are those of runs with different seeds, taken as independent and roughly normal. Runs that draw from one
    scene's labels share pixels, so it tells how far another seed may lie and not how far another scene may. It is
    not cut at 0 or 1.
    """
    from scipy.stats import t

    runs = np.asarray(values, np.float64)
    if runs.size < 2:
        return None
    mean, error = float(runs.mean()), float(runs.std(ddof=1) / np.sqrt(runs.size))
    reach = error * float(t.ppf((1 + CONFIDENCE_LEVEL) / 2, runs.size - 1))
    return mean - reach, mean + reach
