"""95 % intervals: of a share of pixels, and of a mean over runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95

Interval = tuple[float, float]


def wilson_interval(correct: int, total: int) -> Interval | None:
    """Two-sided 95 % score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953); None of nothing.

    It treats pixels as independent draws. Neighbouring pixels are not, so the true interval is wider.
    """
    from scipy.stats import binomtest

    if total == 0:
        return None
    found = binomtest(correct, total).proportion_ci(LEVEL, method="wilson")
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
    reach = error * float(t.ppf((1 + LEVEL) / 2, runs.size - 1))
    return mean - reach, mean + reach
