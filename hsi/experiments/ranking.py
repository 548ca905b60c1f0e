"""Which row of a comparison is best, and whether paired tests on shared splits bear it out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsi.accuracy.statistics import SIGNIFICANCE_LEVEL, McNemar, holm, mcnemar, signed_rank
from hsi.core.events import Advance
from hsi.experiments.results import FinishedRun, Replicate, correct_pixels

Runs = Mapping[str, Mapping[Replicate, FinishedRun]]  # by row, then by seed and fold


@dataclass(frozen=True)
class Versus:
    """The best row of a measure against another: Wilcoxon over the ``pairs`` of runs that share a split.

    ``lead`` is the mean difference, ``pvalue`` is corrected by Holm over the rows; both None without a pair.
    """

    row: str
    pairs: int
    lead: float | None
    pvalue: float | None


@dataclass(frozen=True)
class Ranking:
    """The row with the highest mean of a measure, and whether the tests separate it from every other row."""

    measure: str
    best: str
    versus: tuple[Versus, ...]

    @property
    def supported(self) -> bool:
        """Whether it leads every other row at the 5 % level; never without another row."""
        return bool(self.versus) and not self.open

    @property
    def open(self) -> tuple[str, ...]:
        """The rows that no test separates it from."""
        return tuple(
            v.row for v in self.versus if v.pvalue is None or v.pvalue >= SIGNIFICANCE_LEVEL or (v.lead or 0) <= 0
        )


@dataclass(frozen=True)
class Within:
    """McNemar tests of the best row against ``row`` on the test pixels of each run that shares its split.

    ``pvalues`` are corrected by Holm over all rows and runs of the split.
    """

    row: str
    replicates: tuple[Replicate, ...]
    tests: tuple[McNemar, ...]
    pvalues: tuple[float, ...]

    @property
    def better(self) -> int:
        """In how many runs the best row has more pixels right than chance explains."""
        return sum(p < SIGNIFICANCE_LEVEL and test.lead > 0 for p, test in zip(self.pvalues, self.tests, strict=True))

    @property
    def worse(self) -> int:
        """In how many it has fewer."""
        return sum(p < SIGNIFICANCE_LEVEL and test.lead < 0 for p, test in zip(self.pvalues, self.tests, strict=True))


def _shared(first: Mapping[Replicate, FinishedRun], second: Mapping[Replicate, FinishedRun]) -> list[Replicate]:
    """The replicates that both have and whose splits are the same, by their hash."""
    both = [key for key in first if key in second]
    return [key for key in both if first[key].report["split_hash"] == second[key].report["split_hash"]]


def unshared_splits(best: str, runs: Runs) -> dict[str, tuple[Replicate, ...]]:
    """The rows that have another split than the best one in some run, and these runs."""
    unshared = {}
    for row, of_row in runs.items():
        shared = _shared(runs[best], of_row)
        unshared[row] = tuple(key for key in runs[best] if key in of_row and key not in shared)
    return {row: keys for row, keys in unshared.items() if keys}


def rank(measure: str, runs: Runs) -> Ranking | None:
    """The row with the highest mean of a measure, tested against each other row over the splits they share."""
    values = {row: [run.report[measure] for run in of_row.values()] for row, of_row in runs.items()}
    defined = {row: [value for value in of_row if value is not None] for row, of_row in values.items()}
    known = {row: statistics.fmean(of_row) for row, of_row in defined.items() if of_row}
    if not known:
        return None
    best = max(known, key=known.__getitem__)
    gaps: dict[str, list[float]] = {}
    for row in known:
        if row != best:
            keys = _shared(runs[best], runs[row])
            pairs = ((runs[best][key].report[measure], runs[row][key].report[measure]) for key in keys)
            gaps[row] = [one - other for one, other in pairs if one is not None and other is not None]
    tested = [row for row, of_row in gaps.items() if of_row]
    corrected = dict(zip(tested, holm([signed_rank(gaps[row]) for row in tested]), strict=True))
    versus = (
        Versus(row, len(gap), statistics.fmean(gap) if gap else None, corrected.get(row)) for row, gap in gaps.items()
    )
    return Ranking(measure, best, tuple(versus))


def compare_within(best: str, runs: Runs, progress: Advance) -> tuple[Within, ...]:
    """McNemar within each run that the best row shares with another, corrected over all of them."""
    shared = {row: _shared(runs[best], of_row) for row, of_row in runs.items() if row != best}
    wanted = [(row, key) for key in runs[best] for row in shared if key in shared[row]]
    tests: dict[tuple[str, Replicate], McNemar] = {}
    leader: tuple[Replicate | None, NDArray[np.bool_]] = None, np.empty(0, np.bool_)
    for done, (row, key) in enumerate(wanted):
        progress(done, len(wanted))
        if leader[0] != key:
            leader = key, correct_pixels(runs[best][key])
        tests[row, key] = mcnemar(leader[1], correct_pixels(runs[row][key]))
    corrected = dict(zip(tests, holm([test.pvalue for test in tests.values()]), strict=True))
    return tuple(
        Within(row, tuple(keys), tuple(tests[row, k] for k in keys), tuple(corrected[row, k] for k in keys))
        for row, keys in shared.items()
        if keys
    )
