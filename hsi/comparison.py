"""Finished runs of an experiment, summed up: spreads over seeds, and paired tests on the splits they share."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.experiment import PlannedRun, Published, Row
from hsi.intervals import t_interval
from hsi.rasters import read_classes
from hsi.significance import LEVEL, McNemar, holm, mcnemar, signed_rank
from hsi.splits.split import TEST

MEASURES = {"overall_accuracy": "OA", "average_accuracy": "AA", "kappa": "kappa"}
Replicate = tuple[int, int | None]
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class FinishedRun:
    """A run and what it left in its folder: ``report`` is its accuracy.json, ``record`` its run.json."""

    planned: PlannedRun
    folder: Path
    report: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def seconds(self) -> dict[str, float]:
        """The time of training and of all stages together."""
        stages = self.record["seconds"]
        return {"train": stages["train"], "total": round(sum(stages.values()), 3)}

    @property
    def audit(self) -> Mapping[str, Any]:
        """The leakage audit; empty where the split has no test pixel."""
        return self.report["audit"] or {}


@dataclass(frozen=True)
class FailedRun:
    """A run that did not finish, the last line of what it complained of and where the rest is."""

    planned: PlannedRun
    message: str
    log: Path


@dataclass(frozen=True)
class Spread:
    """Mean over ``runs`` runs, standard deviation (n - 1) and 95 % t-interval, both None for one run."""

    mean: float
    deviation: float | None
    interval: tuple[float, float] | None
    runs: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of the values that are defined; None without any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), deviation, t_interval(known), len(known))


@dataclass(frozen=True)
class ClassSpread:
    """Producer's accuracy of a class over the runs; None where it never had a test pixel."""

    id: int
    name: str
    accuracy: Spread | None


@dataclass(frozen=True)
class RowSummary:
    """A row under one split: ``measures`` by the keys of :data:`MEASURES`, ``seconds`` by train and total.

    ``leak_free`` is the accuracy on test pixels whose windows share nothing with training windows; ``parameters`` is
    None for a comparator, ``planned`` the runs there should be.
    """

    name: str
    published: Published | None
    planned: int
    runs: int
    measures: Mapping[str, Spread | None]
    classes: tuple[ClassSpread, ...]
    leak_free: Spread | None
    seconds: Mapping[str, Spread | None]
    parameters: int | None


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
    """The row with the highest mean of a measure, and whether the tests set it apart from every other row."""

    measure: str
    best: str
    versus: tuple[Versus, ...]

    @property
    def supported(self) -> bool:
        """Whether it leads every other row at the 5 % level; never without another row."""
        return bool(self.versus) and not self.open

    @property
    def open(self) -> tuple[str, ...]:
        """The rows that it cannot be told from."""
        return tuple(v.row for v in self.versus if v.pvalue is None or v.pvalue >= LEVEL or (v.lead or 0) <= 0)


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
        return sum(p < LEVEL and test.lead > 0 for p, test in zip(self.pvalues, self.tests, strict=True))

    @property
    def worse(self) -> int:
        """In how many it has fewer."""
        return sum(p < LEVEL and test.lead < 0 for p, test in zip(self.pvalues, self.tests, strict=True))


@dataclass(frozen=True)
class SplitComparison:
    """All rows under one split, in their order; ``rankings`` of every measure, ``within`` of the overall accuracy.

    Of the runs of the row with the highest overall accuracy: ``rule`` is their split in words, ``position`` the overall
    accuracy by position alone, ``containing`` the share of test windows that hold training pixels, ``leak_free`` the
    number of test pixels whose windows share nothing with training windows, ``test`` that of all. ``unshared`` are the
    rows whose splits differ from its own, with the runs in which they do: no test was made there.
    """

    name: str
    rule: str
    rows: tuple[RowSummary, ...]
    position: Spread | None
    containing: Spread | None
    leak_free: Spread | None
    test: Spread | None
    rankings: tuple[Ranking, ...]
    within: tuple[Within, ...]
    unshared: Mapping[str, tuple[Replicate, ...]]

    def ranking(self, measure: str) -> Ranking | None:
        """The ranking of a measure; None where no row has it."""
        return next((one for one in self.rankings if one.measure == measure), None)


@dataclass(frozen=True)
class Comparison:
    """Everything that was compared. ``about`` tells how: scene, seeds, command, date, versions, machine."""

    title: str
    splits: tuple[SplitComparison, ...]
    finished: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]
    about: Mapping[str, Any]


def read_finished(planned: PlannedRun, folder: Path) -> FinishedRun | None:
    """A finished run from its folder; None where there is none or it cannot be read."""
    try:
        report, record = (json.loads((folder / name).read_text("utf-8")) for name in ("accuracy.json", "run.json"))
    except (OSError, ValueError):
        return None
    return FinishedRun(planned, folder, report, record)


def compare_split(
    name: str,
    rows: Sequence[Row],
    planned: Sequence[PlannedRun],
    finished: Sequence[FinishedRun],
    truth: NDArray[Any],
    progress: Advance = lambda done, total: None,
) -> SplitComparison:
    """Sum up the ``finished`` of the ``planned`` runs of one split; ``truth`` ``(H, W)`` are the class ids.

    Rows without a finished run are left out. ``progress(done, total)`` counts the maps that are read for the tests.
    Raises :class:`ValueError` without a finished run.
    """
    runs = {row.name: {r.planned.replicate: r for r in finished if r.planned.row == row.name} for row in rows}
    runs = {row: by_replicate for row, by_replicate in runs.items() if by_replicate}
    if not runs:
        raise ValueError(f"the split {name} has no finished run to compare")
    counts = {row.name: sum(run.row == row.name for run in planned) for row in rows}
    rankings = tuple(filter(None, (_rank(measure, runs) for measure in MEASURES)))
    best = rankings[0].best if rankings else next(iter(runs))
    audits = [run.audit for run in runs[best].values()]
    return SplitComparison(
        name=name,
        rule=str(next(iter(runs[best].values())).report["split"]),
        rows=tuple(
            _summary(row, name, counts[row.name], list(runs[row.name].values())) for row in rows if row.name in runs
        ),
        position=spread(audit.get("position_accuracy") for audit in audits),
        containing=spread(audit.get("contains_training") for audit in audits),
        leak_free=spread(audit.get("leak_free") for audit in audits),
        test=spread(audit.get("test") for audit in audits),
        rankings=rankings,
        within=_within(best, runs, truth, progress),
        unshared=_unshared(best, runs),
    )


def _summary(row: Row, split: str, planned: int, runs: Sequence[FinishedRun]) -> RowSummary:
    by_class = [[run.report["classes"][i] for run in runs] for i in range(len(runs[0].report["classes"]))]
    return RowSummary(
        name=row.name,
        published=row.published if row.published and row.published.split in (None, split) else None,
        planned=planned,
        runs=len(runs),
        measures={key: spread(run.report[key] for run in runs) for key in MEASURES},
        classes=tuple(
            ClassSpread(one[0]["id"], one[0]["name"], spread(entry["producers_accuracy"] for entry in one))
            for one in by_class
        ),
        leak_free=spread(run.audit.get("leak_free_accuracy") for run in runs),
        seconds={key: spread(run.seconds[key] for run in runs) for key in ("train", "total")},
        parameters=runs[0].record.get("parameters"),
    )


Runs = Mapping[str, Mapping[Replicate, FinishedRun]]


def _shared(first: Mapping[Replicate, FinishedRun], second: Mapping[Replicate, FinishedRun]) -> list[Replicate]:
    """The replicates that both have and whose splits are the same, by their hash."""
    return [key for key in first if key in second and _hash(first[key]) == _hash(second[key])]


def _hash(run: FinishedRun) -> str:
    return str(run.report["split_hash"])


def _unshared(best: str, runs: Runs) -> dict[str, tuple[Replicate, ...]]:
    """The rows that have another split than the best one in some run, and these runs."""
    found = {}
    for row, of_row in runs.items():
        shared = _shared(runs[best], of_row)
        found[row] = tuple(key for key in runs[best] if key in of_row and key not in shared)
    return {row: keys for row, keys in found.items() if keys}


def _rank(measure: str, runs: Runs) -> Ranking | None:
    """The row with the highest mean of a measure, tested against each other row over the splits they share."""
    means = {row: spread(run.report[measure] for run in of_row.values()) for row, of_row in runs.items()}
    known = {row: found.mean for row, found in means.items() if found}
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


def _within(best: str, runs: Runs, truth: NDArray[Any], progress: Advance) -> tuple[Within, ...]:
    """McNemar within each run that the best row shares with another, corrected over all of them."""
    shared = {row: _shared(runs[best], of_row) for row, of_row in runs.items() if row != best}
    wanted = [(row, key) for key in runs[best] for row in shared if key in shared[row]]
    tests: dict[tuple[str, Replicate], McNemar] = {}
    leader: tuple[Replicate | None, NDArray[np.bool_]] = None, np.empty(0, np.bool_)
    for done, (row, key) in enumerate(wanted):
        progress(done, len(wanted))
        if leader[0] != key:
            leader = key, correct_pixels(runs[best][key], truth)
        tests[row, key] = mcnemar(leader[1], correct_pixels(runs[row][key], truth))
    corrected = dict(zip(tests, holm([test.pvalue for test in tests.values()]), strict=True))
    return tuple(
        Within(row, tuple(keys), tuple(tests[row, k] for k in keys), tuple(corrected[row, k] for k in keys))
        for row, keys in shared.items()
        if keys
    )


def correct_pixels(run: FinishedRun, truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Which test pixels a run's map has right, ``(n,)`` bool in row-major order."""
    tested = read_classes(run.folder / "split.tif") == TEST
    return np.asarray(read_classes(run.folder / "map.tif")[tested] == truth[tested])
