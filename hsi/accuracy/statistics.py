"""Confidence intervals and significance tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # loads scipy.stats, 0.4 s and 45 MB, with the first test
from numpy.typing import ArrayLike, NDArray

SIGNIFICANCE_LEVEL = 0.05
CONFIDENCE_LEVEL = 0.95
FEW_DISCORDANT = 25  # with fewer discordant pixels than this, McNemar's test is exact
DIGITS = 12  # decimals to which differences of accuracies are compared for ties

Interval = tuple[float, float]


@dataclass(frozen=True)
class McNemar:
    """A McNemar test: ``first`` and ``second`` are the pixels that only that classifier has right."""

    first: int
    second: int
    pvalue: float
    exact: bool

    @property
    def lead(self) -> int:
        """Discordant pixels of the first classifier less those of the second."""
        return self.first - self.second


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Test whether two classifiers have different error rates on the same pixels; ``(n,)`` bool, True where right.

    Only discordant pixels count (McNemar 1947, doi:10.1007/BF02295996): fewer than 25 by the exact two-sided binomial
    test, more by chi-square with Edwards's continuity correction (1948, doi:10.1007/BF02289261). It assumes independent
    pixels, which neighbours are not, and ignores the variation between training sets (Foody 2004,
    doi:10.14358/PERS.70.5.627, on its use for maps). Raises :class:`ValueError` for arrays of different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"both classifiers are tested on the same pixels, found shapes {first.shape}, {second.shape}")
    one, other = int(np.count_nonzero(first & ~second)), int(np.count_nonzero(second & ~first))
    total = one + other
    if total < FEW_DISCORDANT:
        pvalue = float(scipy.stats.binomtest(one, total).pvalue) if total else 1.0
        return McNemar(one, other, pvalue, exact=True)
    statistic = max(abs(one - other) - 1, 0) ** 2 / total
    return McNemar(one, other, float(scipy.stats.chi2.sf(statistic, 1)), exact=False)


def signed_rank(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test for paired differences ``(n,)`` (1945, doi:10.2307/3001968).

    Exact for any number of pairs, including ties, which :func:`scipy.stats.wilcoxon` is not: the distribution of the
    sum of mid-ranks under equally likely signs is built rank by rank. Differences of 0 are left out, as by Wilcoxon; 1
    when none is left.
    """
    values: NDArray[Any] = np.round(np.asarray(differences, np.float64), DIGITS)
    values = values[values != 0]
    ranks = np.rint(2 * scipy.stats.rankdata(np.abs(values))).astype(int)  # twice the mid-ranks are integers
    chances = np.ones(1)
    for rank in ranks.tolist():
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    statistic = int(ranks[values > 0].sum())
    return min(1.0, 2 * float(min(chances[: statistic + 1].sum(), chances[statistic:].sum())))


def smallest_signed_rank(pairs: int) -> float:
    """The smallest two-sided p of :func:`signed_rank` for a number of pairs."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(tests: int) -> int:
    """The pairs that Wilcoxon's test needs for p < 0.05 after Holm's correction for a number of tests."""
    return math.floor(math.log2(tests / SIGNIFICANCE_LEVEL) + 1) + 1


def holm(pvalues: Sequence[float]) -> list[float]:
    """p-values corrected for multiple tests, in the given order (Holm 1979, https://www.jstor.org/stable/4615733)."""
    order = sorted(range(len(pvalues)), key=lambda i: pvalues[i])
    corrected, largest = [1.0] * len(pvalues), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(pvalues) - place) * pvalues[i]))
        corrected[i] = largest
    return corrected


def wilson_interval(correct: int, total: int) -> Interval | None:
    """Two-sided 95 % score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953); None for no pixels.

    It assumes independent pixels. Neighbouring pixels are not, so the true interval is wider.
    """
    if total == 0:
        return None
    low, high = scipy.stats.binomtest(correct, total).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(low), float(high)


def t_interval(values: Sequence[float]) -> Interval | None:
    """Two-sided 95 % interval of the mean over runs (Student 1908, doi:10.1093/biomet/6.1.1); None for fewer than two.

    ``values`` are those of runs with different seeds, assumed to be independent and about normal. Runs on the labels of
    one scene share pixels, so the interval covers other seeds and not other scenes. It is not limited to 0 to 1.
    """
    runs = np.asarray(values, np.float64)
    if runs.size < 2:
        return None
    mean, error = float(runs.mean()), float(runs.std(ddof=1) / np.sqrt(runs.size))
    reach = error * float(scipy.stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, runs.size - 1))
    return mean - reach, mean + reach
